"""Write the tables of an experiment, and those that span all experiments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from daydreaming.errors import StaleResponseError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.refresh import ExperimentRows, refresh_rows
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.plans import PlannedCell, combinations_of_experiment
from daydreaming.store.results import read_failures, read_responses

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_ERROR_COLUMNS = (
    "cell_id",
    "stage",
    "model",
    "attempt",
    "error_class",
    "message",
    "occurred_at",
    "run_id",
)


def write_scores(settings: Settings, experiment_id: str) -> pd.DataFrame:
    """Bring rows up to date with the files, then write ``parsed_scores.csv``; returns it."""
    from daydreaming.analysis.scores import parsed_scores

    rows = refresh_rows(settings, experiment_id)
    combinations = combinations_of_experiment(engine_for(settings), experiment_id)
    levels = {c.combo_id: (c.description_level, c.k_max) for c in combinations}
    scores = parsed_scores(_score_rows(DataRoot(settings.data_root), rows, levels))
    _export(DataRoot(settings.data_root).parsing(experiment_id) / "parsed_scores.csv", scores)
    return scores


def write_summaries(settings: Settings, experiment_id: str, scores: pd.DataFrame) -> pd.DataFrame:
    """Write every table of ``ANALYSES``; returns ``final_results``."""
    from daydreaming.analysis.tables import ANALYSES

    files = DataRoot(settings.data_root)
    tables = {name: make(scores) for name, make in ANALYSES.items()}
    for name, table in tables.items():
        # Where the Dagster original has them.
        folder = files.parsing if name.endswith("_analysis") else files.summary
        _export(folder(experiment_id) / f"{name}.csv", table)
    return tables["final_results"]


def write_cross_experiment(settings: Settings) -> tuple[int, int]:
    """Write the two tables over all experiments, whole; returns their row counts."""
    from filelock import FileLock

    from daydreaming.analysis.cross_experiment import evaluation_results, generation_results

    folder = DataRoot(settings.data_root).cross_experiment()
    folder.mkdir(parents=True, exist_ok=True)
    # Rows are read under the lock, so that the last to write is the last to have read.
    with FileLock(folder / ".lock"):
        generations = generation_results(map(_generation_result, _stored(settings, "generation")))
        evaluations = evaluation_results(map(_evaluation_result, _stored(settings, "evaluation")))
        _export(folder / "generation_results.csv", generations)
        _export(folder / "evaluation_results.csv", evaluations)
    return len(generations), len(evaluations)


def _stored(settings: Settings, stage: Stage) -> Iterator[dict[str, Any]]:
    """Rows whose file is there: one that a person deleted is missing, whichever experiment it served."""
    answered = DataRoot(settings.data_root).answered_ids(stage)
    for row in read_responses(engine_for(settings), stage):
        if row[f"{stage}_task_id"] in answered:
            yield row


def write_errors(settings: Settings, experiment_id: str) -> int:
    """Write ``errors.csv``: one row per failed call; returns how many."""
    import pandas as pd

    failures = [
        row
        for row in read_failures(engine_for(settings), experiment_id)
        # Nothing was sent for the others: they wait for a generation, whose own failure is listed.
        if row["attempt"] > 0 or row["error_class"] == StaleResponseError.__name__
    ]
    table = pd.DataFrame(failures, columns=list(_ERROR_COLUMNS)).rename(columns={"occurred_at": "time"})
    table["time"] = [row["occurred_at"].isoformat() for row in failures]
    _export(DataRoot(settings.data_root).reporting(experiment_id) / "errors.csv", table)
    return len(failures)


def write_all_tables(settings: Settings, experiment_id: str) -> pd.DataFrame:
    """Every table anew from files and rows; returns ``final_results``."""
    scores = write_scores(settings, experiment_id)
    final = write_summaries(settings, experiment_id, scores)
    write_cross_experiment(settings)
    write_errors(settings, experiment_id)
    return final


def _export(path: Path, frame: pd.DataFrame) -> None:
    from daydreaming.analysis.export import csv_text

    write_whole(path, csv_text(frame))


def _score_rows(
    files: DataRoot, experiment: ExperimentRows, levels: Mapping[str, tuple[str, int]]
) -> Iterator[dict[str, Any]]:
    essay_chars = {cell_id: _essay_chars(files, cell_id) for cell_id in experiment.rows["generation"]}
    for call in experiment.calls["evaluation"].values():
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
        }


def _family(model_name: str) -> str:
    """Who made a model: what a name such as ``vendor/model`` begins with; '' for other names."""
    vendor, slash, _ = model_name.partition("/")
    return vendor if slash else ""


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


def _generation_result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "generation_status": "parse_failure" if row["essay_error"] else "success",
        "generation_timestamp": row["ended_at"],
        "response_file": row["response_file"],
    }


def _evaluation_result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "evaluation_status": "unscored" if row["score"] is None else "success",
        "evaluation_timestamp": row["ended_at"],
        "eval_response_file": row["response_file"],
        "eval_response_size_bytes": row["response_size_bytes"],
    }
