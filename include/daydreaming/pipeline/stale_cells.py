"""Stored answers that a run with ``on_stale: archive`` would put aside and ask for again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.design.combinations import Combination
from daydreaming.errors import StaleResponseError
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.call import CellCall, build_request, is_outdated
from daydreaming.settings import Settings
from daydreaming.store.plans import PlannedCell, RunRecord


def cells_to_replace(
    settings: Settings,
    inputs: Inputs,
    combinations: Sequence[Combination],
    generations: Sequence[Generation],
    evaluations: Iterable[Evaluation],
    answered: Mapping[str, set[str]],
) -> set[str]:
    """IDs of answered cells that would be called again; renders the prompt of each that is answered.

    Args:
        settings: The deployment's settings.
        inputs: What would be run.
        combinations: Of the plan; none where nothing is generated.
        generations: Of the plan, or what is judged without being generated.
        evaluations: Of the plan.
        answered: IDs of stored responses by stage.
    """
    experiment_id = str(inputs.params.get("experiment_id") or inputs.params.get("experiment") or "")
    run = RunRecord("", experiment_id, inputs.digest, "", inputs.params)
    concepts = {combination.combo_id: combination.concept_ids for combination in combinations}
    return {
        cell.cell_id
        for cell in _cells(generations, evaluations)
        if cell.cell_id in answered[cell.stage]
        and (cell.stage == "evaluation" or combinations)
        and _is_replaced(CellCall(settings, run, inputs, cell, concepts.get(cell.combo_id, ())))
    }


def _is_replaced(call: CellCall) -> bool:
    if not is_outdated(call):
        return False
    try:
        wanted = build_request(call).request_hash
    except StaleResponseError:
        # Its essay will be another one.
        return True
    return not call.files.archived(call.stage, call.cell.cell_id, wanted).exists()


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
