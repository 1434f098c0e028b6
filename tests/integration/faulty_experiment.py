"""A small experiment, and what a simulator with faults is known to make of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from daydreaming.errors import EssayParseError
from daydreaming.llm.simulator import Fault, SimulatorConfig, answer_for, fault_for, score_for
from daydreaming.parsing.essay import parse_essay
from daydreaming.prompts.render import render_evaluation, render_generation
from tests.support.experiments import FILES, make_inputs

CONCEPTS = ("ants", "bees", "cats", "dogs", "eels")
K_MAX = 4
PARSERS = {"tagged": "xml_tags", "plain": "whole"}
_SHOWN = "{% for c in concepts %}\n{{ c.name }}: {{ c.content }}{% endfor %}"
TEXTS = {
    "tagged": f"Write <thinking>, <essay> and <endnotes> on:{_SHOWN}",
    "plain": f"Write a plain text on:{_SHOWN}",
    "judge": "Judge this text.\n---\n{{ response }}\n---\nEnd with the line SCORE: x (0-10).",
}
#: By ID: the name that the provider knows, and the pool.
MODELS = {"slow": ("sim-slow", "llm_free"), "fast": ("sim-fast", "llm_local")}
JUDGES = ("fast",)
SECRET = "sk-secret-0f8e2d71c6"
CONFIG = SimulatorConfig(
    seed=7,
    latency_s=0.2,
    hang_s=8,
    rate_429=0.1,
    rate_500=0.1,
    rate_timeout=0.1,
    rate_dropped=0.1,
    rate_html=0.1,
    rate_empty=0.1,
    rate_truncated=0.1,
    rate_unreadable=0.1,
    api_key=SECRET,
)
CALL_ATTEMPTS, TASK_RETRIES = 3, 1
ENVIRONMENT = {
    "DAYDREAMING_POOLS": "llm_free=1,llm_local=8",
    "DAYDREAMING_CALL_ATTEMPTS": str(CALL_ATTEMPTS),
    "DAYDREAMING_CALL_TIMEOUT_S": "5",
    "DAYDREAMING_NIGHTLY_SCHEDULE": "0 0 29 2 *",
    "DAYDREAMING_TASK_RETRIES": str(TASK_RETRIES),
    "DAYDREAMING_RETRY_DELAY_S": "1",
}
EXPERIMENT = f"k_max: {K_MAX}\ndescription_level: sentence\nevaluation_models: [{', '.join(JUDGES)}]\n"
#: Called in batches, and used only where it is named.
BATCHED = "half,sim-half,sim,half,true,true,,local_llm,llm_batch,,,,1,2,,false\n"
_MODEL_COLUMNS = (
    "id,model,provider,display_name,for_generation,for_evaluation,specialization,conn_id,pool,rpm,tpm,rpd,"
    "usd_per_1m_input,usd_per_1m_output,extra_body,active"
)


def write_inputs(root: Path, **experiments: str) -> None:
    """The experiment's inputs, with saved experiments by name."""
    templates = "template_id,template_name,description,active,parser"
    files: dict[str, str | None] = dict.fromkeys(FILES)
    files |= {
        "01_raw/concepts/concepts_metadata.csv": "concept_id,name,active\n"
        + "".join(f"{c},{c.title()},true\n" for c in CONCEPTS),
        **{f"01_raw/concepts/descriptions-sentence/{c}.txt": f"What {c} do all day.\n" for c in CONCEPTS},
        "01_raw/generation_templates.csv": f"{templates}\n"
        + "".join(f"{name},{name.title()},For tests,true,{parser}\n" for name, parser in PARSERS.items()),
        **{f"01_raw/generation_templates/{name}.txt": f"{TEXTS[name]}\n" for name in PARSERS},
        "01_raw/evaluation_templates.csv": f"{templates},score_min,score_max\n"
        "judge,Judge,For tests,true,strict,0,10\n",
        "01_raw/evaluation_templates/judge.txt": f"{TEXTS['judge']}\n",
        "01_raw/llm_models.csv": f"{_MODEL_COLUMNS}\n"
        + "".join(
            f"{i},{name},sim,{i},true,true,,local_llm,{pool},,,,0,0,,true\n"
            for i, (name, pool) in MODELS.items()
        )
        + BATCHED,
        **{f"experiments/{name}.yaml": text for name, text in experiments.items()},
    }
    make_inputs(root, **files)


@dataclass
class Call:
    """A cell whose fate in the first pass is known."""

    cell_id: str
    model: str
    prompt: str
    answered: bool
    unreadable: bool
    pool: str


@dataclass
class ExpectedGeneration:
    """A generation, and its essay once it is answered (after the second pass at the latest)."""

    call: Call
    essay: str | None


@dataclass
class ExpectedEvaluation:
    """An evaluation; ``call`` is None in the first pass where there was no essay to judge."""

    cell_id: str
    generation: ExpectedGeneration
    call: Call | None
    pool: str
    final_score: float | None


def expected_generations(
    config: SimulatorConfig, combos: dict[str, tuple[str, ...]], attempts: int
) -> list[ExpectedGeneration]:
    """Every generation with its fate; ``attempts`` is how often the first pass tries at most."""
    return [
        _generation(config, combo_id, concepts, template, model, attempts)
        for (combo_id, concepts), template, model in itertools.product(combos.items(), PARSERS, MODELS)
    ]


def _generation(
    config: SimulatorConfig,
    combo_id: str,
    concepts: tuple[str, ...],
    template: str,
    model: str,
    attempts: int,
) -> ExpectedGeneration:
    shown = [{"name": c.title(), "content": f"What {c} do all day."} for c in concepts]
    prompt = render_generation(f"{TEXTS[template]}\n", shown)
    call = _call(config, f"{combo_id}_{template}_{model}", model, prompt, attempts)
    # A generation that failed is answered cleanly by the second pass.
    text = answer_for(config.seed, MODELS[model][0], prompt, unreadable=call.answered and call.unreadable)
    try:
        return ExpectedGeneration(call, parse_essay(text, PARSERS[template]))
    except EssayParseError:
        return ExpectedGeneration(call, None)


def expected_evaluations(
    config: SimulatorConfig, generations: list[ExpectedGeneration], attempts: int
) -> Iterator[ExpectedEvaluation]:
    """Every evaluation with its fate in the first pass and its score after the second."""
    for generation, model in itertools.product(generations, JUDGES):
        cell_id = f"{generation.call.cell_id}_judge_{model}"
        pool = MODELS[model][1]
        if generation.essay is None:
            yield ExpectedEvaluation(cell_id, generation, None, pool, None)
            continue
        prompt = render_evaluation(f"{TEXTS['judge']}\n", generation.essay)
        call = _call(config, cell_id, model, prompt, attempts) if generation.call.answered else None
        unreadable = call is not None and call.answered and call.unreadable
        score = None if unreadable else score_for(config.seed, MODELS[model][0], prompt)
        yield ExpectedEvaluation(cell_id, generation, call, pool, score)


def _call(config: SimulatorConfig, cell_id: str, model: str, prompt: str, attempts: int) -> Call:
    answered = unreadable = False
    for attempt in range(1, attempts + 1):
        fault = fault_for(config, MODELS[model][0], prompt, attempt)
        if fault in (None, Fault.UNREADABLE):
            answered, unreadable = True, fault is Fault.UNREADABLE
        if answered or fault is Fault.TRUNCATED:
            break
    return Call(cell_id, MODELS[model][0], prompt, answered, unreadable, MODELS[model][1])
