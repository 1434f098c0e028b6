"""Rows of responses that no file is behind, for tests of what the database answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from daydreaming.inputs.records import Stage
from daydreaming.store.results import upsert_responses
from daydreaming.store.schema import GenerationResponse, Membership
from daydreaming.store.upsert import insert_missing

ENDED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def generation(name: str, **fields: Any) -> dict[str, Any]:
    """A generator's answer ``name`` with an essay."""
    return {
        **_shared(),
        "generation_task_id": name,
        "generation_template": "essay",
        "generation_model": "gen",
        "parser": "whole",
        "essay_error": None,
        **fields,
    }


def evaluation(name: str, essay: str, score: float | None, **fields: Any) -> dict[str, Any]:
    """A verdict ``name`` on ``essay``, from 0 to 10."""
    return {
        **_shared(),
        "evaluation_task_id": name,
        "generation_task_id": essay,
        "generation_template": "essay",
        "generation_model": "gen",
        "evaluation_template": "rigor",
        "evaluation_model": "judge",
        "parser": "strict",
        "score_min": 0.0,
        "score_max": 10.0,
        "score": score,
        "score_error": None if score is not None else "no score",
        **fields,
    }


def _shared() -> dict[str, Any]:
    columns = GenerationResponse.__table__.columns
    optional = [column.name for column in columns if column.nullable and column.name != "essay_error"]
    return {
        **dict.fromkeys(optional),
        "experiment_id": "one",
        "run_id": "run-1",
        "replicate": 1,
        "response_file": "x.txt",
        "response_size_bytes": 1,
        "response_sha256": "0",
        "ended_at": ENDED,
        "combo_id": "c",
    }


def store_members(
    engine: Engine, stage: Stage, rows: list[dict[str, Any]], experiments: Iterable[str] = ("one",)
) -> None:
    """Write rows, and make each serve some experiments."""
    upsert_responses(engine, stage, rows)
    members = [
        {"experiment_id": experiment_id, "stage": stage, "cell_id": row[f"{stage}_task_id"]}
        for row in rows
        for experiment_id in experiments
    ]
    with engine.begin() as connection:
        insert_missing(connection, Membership, members)
