"""A small inputs tree, runs planned from it, and answers that no model gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from daydreaming.inputs.records import Stage
from daydreaming.llm.answer import Answer
from daydreaming.pipeline.call import CellCall, build_request, open_call, record_answer, write_prompt
from daydreaming.pipeline.plan import plan_evaluations, plan_generations, start_run
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import RunRecord, cells_of_run

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MODEL_HEADER = (
    "id,model,provider,display_name,for_generation,for_evaluation,specialization,conn_id,pool,rpm,tpm,rpd,"
    "usd_per_1m_input,usd_per_1m_output,extra_body"
)
#: Every file of the tree. Experiment `demo`: 1 combination, 4 generations, 16 evaluations.
FILES: Mapping[str, str] = {
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
#: An answer that both essay parsers take.
ESSAY = "<thinking>A secret plan.</thinking>\n<essay>Moats meet search.</essay>"
#: An answer that every score parser takes.
VERDICT = "Sound.\nSCORE: 7"


def make_inputs(path: Path, **overrides: str | None) -> Path:
    """Write the tree below ``path``, which is returned.

    Args:
        path: The inputs root.
        overrides: Text by file name (``**{"experiments/demo.yaml": "k_max: 1"}``); None for no such file.
    """
    for name, text in {**FILES, **overrides}.items():
        if text is not None:
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode())
    return path


def edit_input(root: Path, name: str, old: str, new: str) -> None:
    """Replace a text in one file of the tree."""
    text = (root / name).read_text(encoding="utf-8")
    assert old in text
    (root / name).write_text(text.replace(old, new), encoding="utf-8")


def make_settings(path: Path, **overrides: Any) -> Settings:
    """Settings of a small tree below ``path``: ``inputs/`` (written unless it is there) and ``data/``."""
    inputs_root = path / "inputs"
    if not inputs_root.exists():
        make_inputs(inputs_root)
    return replace(Settings(inputs_root, path / "data"), **overrides)


def planned_run(
    settings: Settings,
    run_id: str = "run-1",
    *,
    now: datetime = NOW,
    max_instances: int = 1000,
    **overrides: Any,
) -> RunRecord:
    """Start a run of the experiment ``demo`` and plan both stages; ``overrides`` are its parameters."""
    run = start_run(settings, {"experiment": "demo", **overrides}, run_id, now)
    plan_generations(settings, run_id, now=now, max_instances=max_instances)
    plan_evaluations(settings, run_id, max_instances=max_instances)
    return run


def make_answer(text: str = ESSAY, **fields: Any) -> Answer:
    """An answer that no model gave."""
    made = Answer(
        text=text,
        model_returned="prov/returned",
        upstream_provider="Upstream",
        response_id="resp-1",
        finish_reason="stop",
        prompt_tokens=100,
        completion_tokens=200,
        cost_usd=None,
    )
    return replace(made, **fields)


def answer_call(settings: Settings, run_id: str, stage: Stage, map_index: int, text: str = "") -> CellCall:
    """Answer one planned call as the trigger would; by default with what every parser can read."""
    call = open_call(settings, run_id, stage, map_index)
    request = build_request(call)
    write_prompt(call, request)
    record_answer(
        call,
        request,
        make_answer(text or (ESSAY if stage == "generation" else VERDICT)),
        attempts=1,
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=2),
    )
    return call


def answer_all(settings: Settings, run_id: str) -> None:
    """Answer every planned call of a run that has no answer yet."""
    for stage in ("generation", "evaluation"):
        for cell in cells_of_run(engine_for(settings), run_id, stage):
            call = open_call(settings, run_id, stage, cell.map_index)
            if not call.files.is_answered(stage, cell.cell_id):
                answer_call(settings, run_id, stage, cell.map_index)


def tree_of(path: Path) -> dict[str, bytes | None]:
    """Every file below ``path`` with its bytes, every folder with None."""
    return {
        file.relative_to(path).as_posix(): None if file.is_dir() else file.read_bytes()
        for file in sorted(path.rglob("*"))
    }
