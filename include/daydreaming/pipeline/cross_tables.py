"""The tables that span all experiments: derived from the database's rows, and written whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from daydreaming.inputs.records import Stage
from daydreaming.pipeline.query_files import write_table
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import read_run
from daydreaming.store.result_queries import (
    ALL_EVALUATIONS,
    EvaluationFilter,
    experiments_by_cell,
    read_evaluations,
)
from daydreaming.store.results import read_responses
from daydreaming.store.turns import hold_turn

if TYPE_CHECKING:
    import pandas as pd


def cross_experiment_tables(settings: Settings) -> dict[str, pd.DataFrame]:
    """Every table over all experiments by the name of its file; reads only, ``verify`` compares with it."""
    return {
        "generation_results": stored_generations(settings),
        "evaluation_results": stored_evaluations(settings),
    }


def write_cross_experiment(settings: Settings) -> tuple[int, int]:
    """Write the tables over all experiments, whole; returns how many generations and evaluations."""
    folder = DataRoot(settings.data_root).cross_experiment()
    # Rows are read under the lock, so that the last to write is the last to have read.
    with hold_turn(folder / ".lock", settings.results_conn):
        tables = cross_experiment_tables(settings)
        for name, table in tables.items():
            write_table(folder, name, table)
    return len(tables["generation_results"]), len(tables["evaluation_results"])


def experiment_of(settings: Settings, run_id: str) -> str:
    """ID of the experiment of a run: the partition of the results that it has changed."""
    return read_run(engine_for(settings), run_id).experiment_id


def stored_generations(settings: Settings) -> pd.DataFrame:
    """Every stored generation, as ``generation_results`` returns."""
    from daydreaming.analysis.cross_experiment import generation_results

    rows = read_responses(engine_for(settings), "generation")
    return generation_results(map(_generation_result, _stored(settings, "generation", rows)))


def stored_evaluations(settings: Settings, wanted: EvaluationFilter = ALL_EVALUATIONS) -> pd.DataFrame:
    """The stored evaluations that are asked for, as ``evaluation_results`` returns; all by default."""
    from daydreaming.analysis.cross_experiment import evaluation_results

    rows = read_evaluations(engine_for(settings), wanted)
    return evaluation_results(map(_evaluation_result, _stored(settings, "evaluation", rows)))


def _stored(settings: Settings, stage: Stage, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows whose file is there: one that a person deleted is missing, whichever experiment it served."""
    answered = DataRoot(settings.data_root).answered_ids(stage)
    members = experiments_by_cell(engine_for(settings), stage) if rows else {}
    return [
        {**row, "experiments": " ".join(members.get(cell_id) or [row["experiment_id"]])}
        for row in rows
        if (cell_id := row[f"{stage}_task_id"]) in answered
    ]


def _generation_result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "generation_status": "parse_failure" if row["essay_error"] else "success",
        "generation_timestamp": row["ended_at"],
    }


def _evaluation_result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "evaluation_status": "unscored" if row["score"] is None else "success",
        "evaluation_timestamp": row["ended_at"],
        "generation_timestamp": row["generation_ended_at"],
        "eval_response_file": row["response_file"],
        "eval_response_size_bytes": row["response_size_bytes"],
    }
