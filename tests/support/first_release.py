"""A results database as the first release left it, with a row in each of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from daydreaming.store.migrate import VERSION_TABLE

REVISION = "0001"
_SCHEMA = Path(__file__).with_suffix(".sql")
#: What PostgreSQL calls otherwise than SQLite.
_POSTGRES_WORDS = {" DATETIME": " TIMESTAMP WITH TIME ZONE", "    id INTEGER": "    id SERIAL"}
_TIME = "2026-01-02 03:04:05.678900+00:00"
_ANSWER: Mapping[str, Any] = {
    "combo_id": "combo_v1_0123456789ab",
    "generation_task_id": "g",
    "generation_template": "essay",
    "generation_model": "free",
    "experiment_id": "demo",
    "run_id": "run-1",
    "replicate": 1,
    "response_size_bytes": 5_000_000_000,
    "response_sha256": "0" * 64,
    "cost_usd": 0.1 + 0.2,
    "prompt_tokens": 7,
    "started_at": _TIME,
}
#: By table.
ROWS: Mapping[str, Mapping[str, Any]] = {
    "claims": {"stage": "generation", "cell_id": "g", "owner": "o", "expires_at": _TIME},
    "combinations": {
        "combo_id": "combo_v1_0123456789ab",
        "concept_ids": '["moat", "Träume"]',
        "description_level": "paragraph",
        "k_max": 2,
    },
    "evaluations": {
        **_ANSWER,
        "evaluation_task_id": "e",
        "evaluation_template": "rigor",
        "evaluation_model": "judge",
        "parser": "strict",
        "score_min": 0.0,
        "score_max": 9.0,
        "score_error": "no score",
        "response_file": "04_evaluation/evaluation_responses/e.txt",
    },
    "failures": {
        "experiment_id": "demo",
        "run_id": "run-1",
        "stage": "generation",
        "cell_id": "g",
        "model": "free",
        "attempt": 1,
        "error_class": "LLMTransientError",
        "message": "busy: it's full",
        "final": True,
        "occurred_at": _TIME,
    },
    "generations": {
        **_ANSWER,
        "parser": "whole",
        "response_file": "03_generation/generation_responses/g.txt",
    },
    "planned_calls": {
        "run_id": "run-1",
        "stage": "generation",
        "map_index": 0,
        "cell_id": "g",
        "pool": "llm_free",
        "model_name": "prov/free:free",
        "generation_task_id": "g",
        "combo_id": "combo_v1_0123456789ab",
        "generation_template": "essay",
        "generation_model": "free",
        "generation_replicate": 1,
    },
    "runs": {
        "run_id": "run-1",
        "experiment_id": "demo",
        "inputs_digest": "d",
        "inputs_path": "02_tasks/demo/inputs/d",
        "params": '{"k_max": 2}',
        "created_at": _TIME,
    },
}


def make_first_release(engine: Engine) -> None:
    """Fill an empty database."""
    schema = _SCHEMA.read_text()
    if engine.dialect.name == "postgresql":
        for word, other in _POSTGRES_WORDS.items():
            schema = schema.replace(word, other)
    with engine.begin() as connection:
        for statement in schema.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        for table, row in ROWS.items():
            names = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({names})"), dict(row))
        connection.execute(text(f"INSERT INTO {VERSION_TABLE} VALUES ('{REVISION}')"))
