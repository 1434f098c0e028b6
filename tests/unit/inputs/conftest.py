from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

MODEL_HEADER = (
    "id,model,provider,display_name,for_generation,for_evaluation,specialization,conn_id,pool,rpm,tpm,rpd,"
    "usd_per_1m_input,usd_per_1m_output,extra_body"
)
FILES = {
    "01_raw/concepts/concepts_metadata.csv": (
        "concept_id,name,active\n"
        "mind-wandering,Mind wandering,true\n"
        "search,Combinatorial search,TRUE\n"
        "moat,Economic moat,true\n"
        "dream,Dreaming,false\n"
    ),
    "01_raw/concepts/descriptions-sentence/mind-wandering.txt": "Thought drifts.\n",
    "01_raw/concepts/descriptions-paragraph/mind-wandering.txt": "Thought drifts, and finds.\n",
    "01_raw/concepts/descriptions-sentence/search.txt": "Try pairs.\n",
    "01_raw/concepts/descriptions-article/moat.txt": "A long text on moats.\n",
    "01_raw/concepts/descriptions-sentence/dream.txt": "Sleep replays.\n",
    "01_raw/generation_templates.csv": (
        "template_id,template_name,description,active,parser\n"
        'essay,Essay,"Plain, short",true,whole\n'
        "tags,Tags,,true,xml_tags\n"
        "old,Old,,false,whole\n"
    ),
    "01_raw/generation_templates/essay.txt": (
        "{% for c in concepts %}{{ c.name }}: {{ c.content }}\n{% endfor %}"
    ),
    "01_raw/generation_templates/tags.txt": "Use {{ concepts[0].name }} in <essay>.\n",
    "01_raw/evaluation_templates.csv": (
        "template_id,template_name,description,active,parser,score_min,score_max\n"
        "rigor,Rigor,,true,strict,0,9\n"
        "style,Style,,true,in_last_line,0,10\n"
    ),
    "01_raw/evaluation_templates/rigor.txt": "Judge:\n{{ response }}\nSCORE: ?\n",
    "01_raw/evaluation_templates/style.txt": "Style of {{ response }}\n",
    "01_raw/llm_models.csv": (
        f"{MODEL_HEADER},active\n"
        "free,prov/free:free,openrouter,Free,true,true,,openrouter_default,llm_free,"
        '20,,50,0,0,"{""seed"": 1}",true\n'
        "paid,prov/paid,openrouter,Paid,true,false,essays,openrouter_default,llm_paid,,,,0.15,0.6,,true\n"
        "judge,prov/judge,openrouter,Judge,false,true,,openrouter_default,llm_paid,,,,1,2,,true\n"
        "local,gemma,local,Gemma,true,true,,local_llm,llm_local,,,,,,,false\n"
    ),
    "experiments/demo.yaml": "k_max: 2\nconcepts: [search, moat]\nschedule: nightly\n",
    "experiments/plain.yaml": "k_max: 3\nexperiment_id: plain-1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small, valid inputs root."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return tmp_path


@pytest.fixture
def edit(root: Path) -> Callable[[str, str, str], None]:
    """Replace a text in one file of the inputs root."""

    def replace(name: str, old: str, new: str) -> None:
        path = root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return replace
