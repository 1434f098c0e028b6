"""A finished experiment: every call answered, each in words of its own, and every table written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import build_request, open_call, record_answer, write_prompt
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, make_answer, planned_run

Place = tuple[Stage, int]


def answer_distinctly(
    settings: Settings,
    run_id: str,
    *,
    texts: Mapping[Place, str] | None = None,
    fields: Mapping[Place, Mapping[str, object]] | None = None,
    leave_out: frozenset[Place] = frozenset(),
) -> None:
    """Answer what a run planned and nobody has answered.

    Args:
        settings: The deployment's settings.
        run_id: Whose plan.
        texts: Answers by stage and map index, instead of those that every parser reads.
        fields: Of the answer, likewise.
        leave_out: Calls that get no answer.
    """
    for stage in ("generation", "evaluation"):
        for cell in cells_of_run(engine_for(settings), run_id, stage):
            call, place = open_call(settings, run_id, stage, cell.map_index), (stage, cell.map_index)
            if place in leave_out or call.files.is_answered(stage, cell.cell_id):
                continue
            request = build_request(call)
            write_prompt(call, request)
            own = {
                "response_id": f"{run_id}-{stage}-{cell.map_index}",
                "model_returned": call.model.model,
                **(fields or {}).get(place, {}),
            }
            text = (texts or {}).get(place) or _text(stage, f"{run_id}-{cell.map_index}", cell.map_index)
            record_answer(
                call,
                request,
                make_answer(text, **own),
                attempts=1,
                started_at=NOW,
                ended_at=NOW + timedelta(seconds=2),
            )


def _text(stage: Stage, name: str, index: int) -> str:
    if stage == "generation":
        return f"<thinking>Of {name}.</thinking>\n<essay>Moats meet search in {name}.</essay>"
    return f"Sound, says {name}.\nSCORE: {index % 10}"


def finished_run(
    settings: Settings,
    run_id: str = "run-1",
    *,
    texts: Mapping[Place, str] | None = None,
    fields: Mapping[Place, Mapping[str, object]] | None = None,
    leave_out: frozenset[Place] = frozenset(),
    **overrides: object,
) -> None:
    """Plan a run of the experiment ``demo``, answer it and write its tables."""
    planned_run(settings, run_id, **{"max_failed_fraction": 1, **overrides})
    answer_distinctly(settings, run_id, texts=texts, fields=fields, leave_out=leave_out)
    complete_run(settings, run_id)
