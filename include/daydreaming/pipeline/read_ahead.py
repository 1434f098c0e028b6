"""Go through many calls; where each file is a request, those of the next hundreds are read at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from daydreaming.objects.path import ObjectPath, each_read_ahead
from daydreaming.pipeline.call import CellCall
from daydreaming.pipeline.scoring import scoring_file


def read_ahead(calls: Mapping[str, CellCall], *, all_files: bool = False) -> Iterator[tuple[str, CellCall]]:
    """Calls by cell ID, in their order; their files are at hand while the loop is at them.

    Args:
        calls: The calls, answered ones for the most part.
        all_files: Also prompts, and the answers that are judged; else answers with their records, and essays.
    """
    return each_read_ahead(calls.items(), lambda item: _paths(item[1], all_files=all_files))


def _paths(call: CellCall, *, all_files: bool) -> Iterator[Path]:
    files, stage, cell_id = call.files, call.stage, call.cell.cell_id
    if not isinstance(files.path, ObjectPath):
        return
    yield files.response(stage, cell_id)
    yield files.provenance(stage, cell_id)
    if stage == "generation":
        yield files.essay(cell_id)
    else:
        yield scoring_file(call.settings, call.run.experiment_id)
    if all_files:
        yield files.prompt(stage, cell_id)
        yield from _judged(call)


def _judged(call: CellCall) -> Iterator[Path]:
    if call.stage == "evaluation":
        generation_id = call.cell.generation_task_id
        yield call.files.response("generation", generation_id)
        yield call.files.provenance("generation", generation_id)
        yield call.files.essay(generation_id)
