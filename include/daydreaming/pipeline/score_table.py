"""The table ``parsed_scores``: one row per planned evaluation, joined from both stages' rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.objects.path import each_read_ahead
from daydreaming.pipeline.call import CellCall
from daydreaming.pipeline.refresh import ExperimentRows
from daydreaming.pipeline.scoring import scoring_file
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell, combinations_of_experiment

if TYPE_CHECKING:
    import pandas as pd


def score_table(settings: Settings, experiment_id: str, rows: ExperimentRows) -> pd.DataFrame:
    """An experiment's rows as ``parsed_scores``; nothing is written."""
    from daydreaming.analysis.scores import parsed_scores

    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    levels = {c.combo_id: (c.description_level, c.k_max) for c in combinations}
    return parsed_scores(_score_rows(DataRoot(settings.data_root), rows, levels))


def _score_rows(
    files: DataRoot, experiment: ExperimentRows, levels: Mapping[str, tuple[str, int]]
) -> Iterator[dict[str, Any]]:
    essays = each_read_ahead(experiment.rows["generation"], lambda cell_id: [files.essay(cell_id)])
    essay_chars = {cell_id: _essay_chars(files, cell_id) for cell_id in essays}
    for call in each_read_ahead(experiment.calls["evaluation"].values(), _scoring_files):
        cell, template = call.cell, call.template
        row = experiment.rows["evaluation"].get(cell.cell_id, {})
        generation = experiment.rows["generation"].get(cell.generation_task_id)
        generator = experiment.calls["generation"].get(cell.generation_task_id)
        description_level, k_max = levels[cell.combo_id]
        yield {
            "combo_id": cell.combo_id,
            "generation_template": cell.generation_template,
            "generation_model": cell.generation_model,
            "evaluation_template": cell.evaluation_template,
            "evaluation_model": cell.evaluation_model,
            "score": row.get("score"),
            "error": row.get("score_error") or _why_unscored(cell, row, experiment),
            "evaluation_response_path": _path(files, "evaluation", cell.cell_id, row),
            "evaluation_task_id": cell.cell_id,
            "generation_task_id": cell.generation_task_id,
            "generation_replicate": cell.generation_replicate,
            "evaluation_replicate": cell.evaluation_replicate,
            "parser": template.parser,
            "score_min": template.score_min,
            "score_max": template.score_max,
            "generation_response_path": _path(files, "generation", cell.generation_task_id, generation),
            "description_level": description_level,
            "k_max": k_max,
            "generation_family": _family(generator.cell.model_name) if generator else "",
            "evaluation_family": _family(cell.model_name),
            "essay_chars": essay_chars.get(cell.generation_task_id),
            "generation_cost_usd": generation["cost_usd"] if generation else None,
            "evaluation_cost_usd": row.get("cost_usd"),
            "generation_model_name": generator.cell.model_name if generator else "",
            "evaluation_model_name": cell.model_name,
        }


def _family(model_name: str) -> str:
    """Who made a model: what a name such as ``vendor/model`` begins with; '' for other names."""
    vendor, slash, _ = model_name.partition("/")
    return vendor if slash else ""


def _scoring_files(call: CellCall) -> list[Path]:
    """What a call's template depends on beside its run."""
    return [scoring_file(call.settings, call.run.experiment_id)]


def _essay_chars(files: DataRoot, generation_task_id: str) -> int | None:
    path = files.essay(generation_task_id)
    return len(path.read_text(encoding="utf-8")) if path.exists() else None


def _path(files: DataRoot, stage: Stage, cell_id: str, row: Mapping[str, Any] | None) -> str:
    return files.relative(files.response(stage, cell_id)) if row else ""


def _why_unscored(cell: PlannedCell, row: Mapping[str, Any], experiment: ExperimentRows) -> str:
    if row:
        return ""
    generation = experiment.rows["generation"].get(cell.generation_task_id)
    if cell.generation_task_id in experiment.outdated["generation"]:
        return f"not evaluated: the answer of generation {cell.generation_task_id} is stale (see errors.csv)"
    if generation is None:
        return f"not evaluated: generation {cell.generation_task_id} has no response"
    if generation["essay_error"]:
        return f"not evaluated: no essay found in the generation ({generation['essay_error']})"
    if cell.cell_id in experiment.outdated["evaluation"]:
        return "not evaluated: the stored verdict is stale, it answers another request (see errors.csv)"
    return "not evaluated: the judge has not answered"
