"""Stored answers to other requests than those that would be sent now, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.design.combinations import Combination
from daydreaming.errors import StaleResponseError
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.call import CellCall, build_request, is_outdated
from daydreaming.settings import Settings
from daydreaming.store.plans import PlannedCell, RunRecord


@dataclass(frozen=True)
class StaleCells:
    """IDs of answered cells whose answer is to another request, as ``on_stale`` deals with them.

    Attributes:
        ids: All of them.
        replaced: Those that would be called again: with ``archive``, where no fitting answer is archived.
    """

    ids: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()


def find_stale(
    settings: Settings,
    inputs: Inputs,
    combinations: Sequence[Combination],
    generations: Sequence[Generation],
    evaluations: Iterable[Evaluation],
    answered: Mapping[str, set[str]],
) -> StaleCells:
    """Compare each stored answer with what would be sent now: renders the prompt of each cell that has one.

    Args:
        settings: The deployment's settings.
        inputs: What would be run.
        combinations: Of the plan; none where nothing is generated.
        generations: Of the plan, or what is judged without being generated.
        evaluations: Of the plan.
        answered: IDs of stored responses by stage.
    """
    experiment_id = str(inputs.params.get("experiment_id") or inputs.params.get("experiment") or "")
    # Those that are taken as they are (``reuse``) are stale all the same.
    strict = replace(inputs, params={**inputs.params, "on_stale": "fail"})
    run = RunRecord("", experiment_id, inputs.digest, "", strict.params)
    concepts = {combination.combo_id: combination.concept_ids for combination in combinations}
    stale = [
        call
        for cell in _cells(generations, evaluations)
        if cell.cell_id in answered[cell.stage]
        and (cell.stage == "evaluation" or combinations)
        and is_outdated(call := CellCall(settings, run, strict, cell, concepts.get(cell.combo_id, ())))
    ]
    is_archived = inputs.params["on_stale"] == "archive"
    replaced = [call for call in stale if is_archived and not _is_restored(call)]
    return StaleCells(
        frozenset(call.cell.cell_id for call in stale), frozenset(call.cell.cell_id for call in replaced)
    )


def _is_restored(call: CellCall) -> bool:
    try:
        wanted = build_request(call).request_hash
    except StaleResponseError:
        # Its essay will be another one.
        return False
    return call.files.archived(call.stage, call.cell.cell_id, wanted).exists()


def _cells(generations: Sequence[Generation], evaluations: Iterable[Evaluation]) -> Iterator[PlannedCell]:
    by_id = {}
    for item in generations:
        by_id[item.generation_task_id] = item
        yield _cell(item)
    for verdict in evaluations:
        yield _cell(by_id[verdict.generation_task_id], verdict)


def _cell(item: Generation, verdict: Evaluation | None = None) -> PlannedCell:
    return PlannedCell(
        stage="evaluation" if verdict else "generation",
        map_index=-1,
        cell_id=verdict.evaluation_task_id if verdict else item.generation_task_id,
        pool="",
        model_name=verdict.evaluation_model_name if verdict else item.generation_model_name,
        generation_task_id=item.generation_task_id,
        combo_id=item.combo_id,
        generation_template=item.generation_template,
        generation_model=item.generation_model,
        generation_replicate=item.replicate,
        evaluation_template=verdict.evaluation_template if verdict else None,
        evaluation_model=verdict.evaluation_model if verdict else None,
        evaluation_replicate=verdict.replicate if verdict else None,
    )
