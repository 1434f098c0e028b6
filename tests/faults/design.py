"""The experiment of the fault tests: 200 generations and 400 evaluations, no two prompts alike."""

from __future__ import annotations

from pathlib import Path

from daydreaming.llm.simulator import SimulatorConfig
from tests.support.experiments import FILES, MODEL_HEADER, make_inputs

NAME = "faults"
GENERATIONS, EVALUATIONS = 200, 400
CALLS = GENERATIONS + EVALUATIONS
SECRET = "sk-secret-77ab03e9d1"
#: The price has its part: what a crash leaves reserved must not count as spent.
SIMULATOR = SimulatorConfig(seed=11, latency_s=2.0, jitter_s=1.0, api_key=SECRET, price=(1.0, 2.0))
_CONCEPTS = ("ants", "bees", "cats", "dogs", "eels")
_TEMPLATES = ("plain", "letter", "story", "talk")
_MODELS = ("one", "two", "three", "four", "five")
_JUDGES = ("stern", "mild")
_SHOWN = "{% for c in concepts %}\n{{ c.name }}: {{ c.content }}{% endfor %}"
_TEMPLATE_HEADER = "template_id,template_name,description,active,parser"


def write_inputs(root: Path) -> None:
    """Ten pairs of concepts, four templates, five models; one rubric, two judges."""
    models = [(name, "true,false") for name in _MODELS] + [(name, "false,true") for name in _JUDGES]
    files: dict[str, str | None] = dict.fromkeys(FILES)
    files |= {
        "01_raw/concepts/concepts_metadata.csv": "concept_id,name,active\n"
        + "".join(f"{c},{c.title()},true\n" for c in _CONCEPTS),
        **{f"01_raw/concepts/descriptions-sentence/{c}.txt": f"What {c} do all day.\n" for c in _CONCEPTS},
        "01_raw/generation_templates.csv": f"{_TEMPLATE_HEADER}\n"
        + "".join(f"{t},{t.title()},For tests,true,whole\n" for t in _TEMPLATES),
        **{f"01_raw/generation_templates/{t}.txt": f"Write a {t} on:{_SHOWN}\n" for t in _TEMPLATES},
        "01_raw/evaluation_templates.csv": f"{_TEMPLATE_HEADER},score_min,score_max\n"
        "rubric,Rubric,For tests,true,strict,0,10\n",
        "01_raw/evaluation_templates/rubric.txt": "Judge this.\n{{ response }}\nEnd with SCORE: x (0-10).\n",
        "01_raw/llm_models.csv": f"{MODEL_HEADER}\n"
        + "".join(f"{n},sim-{n},sim,{n},{uses},,local_llm,llm_local,,,,1,2,\n" for n, uses in models),
        f"experiments/{NAME}.yaml": "k_max: 2\ndescription_level: sentence\nmax_cost_usd: 50\n",
    }
    make_inputs(root, **files)
