"""Evaluations by filter, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from daydreaming.store.result_queries import (
    EvaluationFilter,
    experiments_by_cell,
    known_values,
    read_evaluations,
)
from daydreaming.store.results import upsert_responses
from daydreaming.store.schema import GenerationResponse, Membership
from daydreaming.store.upsert import insert_missing

ENDED = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)


def shared(experiment_id: str, ended_at: datetime | None) -> dict[str, object]:
    columns = GenerationResponse.__table__.columns
    names = [column.name for column in columns if column.nullable and column.name != "essay_error"]
    return {
        **dict.fromkeys(names),
        "experiment_id": experiment_id,
        "run_id": "run-1",
        "replicate": 1,
        "response_file": "x.txt",
        "response_size_bytes": 1,
        "response_sha256": "0",
        "ended_at": ended_at,
        "combo_id": "c",
    }


def evaluation(name: str, score: float | None, **fields: object) -> dict[str, object]:
    return {
        **shared("one", ENDED),
        "evaluation_task_id": name,
        "generation_task_id": "g",
        "generation_template": "essay",
        "generation_model": "gen",
        "evaluation_template": "rigor",
        "evaluation_model": "judge",
        "parser": "strict",
        "score_min": 0.0,
        "score_max": 10.0,
        "score": score,
        "score_error": None,
        **fields,
    }


@pytest.fixture
def engine(results_engine):
    """Four evaluations: `a` serves two experiments, `b` one, `c` one that did not call for it, `d` is old."""
    generation = {
        **shared("one", ENDED - timedelta(days=1)), "generation_task_id": "g", "generation_template": "essay",
        "generation_model": "gen", "parser": "whole", "essay_error": None, "replicate": 2,
    }  # fmt: skip
    upsert_responses(results_engine, "generation", [generation])
    east = timezone(timedelta(hours=2))
    rows = [
        evaluation("a", 7.0),
        evaluation(
            "b", None, evaluation_model="other", parser="complex", ended_at=ENDED + timedelta(hours=1)
        ),
        evaluation("c", 3.0, generation_template="tags", ended_at=datetime(2026, 3, 3, 1, 59, tzinfo=east)),
        evaluation(
            "d", 9.0, experiment_id="old", generation_task_id="gone", generation_model="g2", ended_at=None
        ),
    ]
    upsert_responses(results_engine, "evaluation", rows)
    members = [("one", "a"), ("two", "a"), ("one", "b"), ("two", "c")]
    with results_engine.begin() as connection:
        insert_missing(
            connection,
            Membership,
            [{"experiment_id": e, "stage": "evaluation", "cell_id": c} for e, c in members],
        )
    return results_engine


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "abcd"),
        ({"experiments": ("one",)}, "ab"),
        ({"experiments": ("two",)}, "ac"),
        ({"experiments": ("one", "two")}, "abc"),
        ({"experiments": ("old",)}, "d"),
        ({"experiments": ("never",)}, ""),
        ({"generation_templates": ("tags",)}, "c"),
        ({"generation_templates": ("tags", "essay")}, "abcd"),
        ({"evaluation_templates": ("rigor",)}, "abcd"),
        ({"evaluation_templates": ("style",)}, ""),
        ({"generation_models": ("g2",)}, "d"),
        ({"evaluation_models": ("other",)}, "b"),
        ({"parsers": ("complex",)}, "b"),
        ({"since": date(2026, 3, 2)}, "bc"),
        ({"until": date(2026, 3, 1)}, "a"),
        ({"until": date.max}, "abcd"),
        ({"since": date(2026, 3, 2), "until": date(2026, 3, 2)}, "bc"),
        ({"since": date(2026, 3, 3)}, ""),
        ({"min_score": 7}, "ad"),
        ({"max_score": 7}, "ac"),
        ({"min_score": 3, "max_score": 3}, "c"),
        ({"experiments": ("two",), "min_score": 4}, "a"),
    ],
)
def test_a_filter_finds_what_fulfils_all_of_it(engine, wanted, expected):
    rows = read_evaluations(engine, EvaluationFilter(**wanted))
    assert "".join(row["evaluation_task_id"] for row in rows) == expected


def test_each_row_knows_when_and_as_which_replicate_its_essay_was_written(engine):
    first, *_, last = read_evaluations(engine, EvaluationFilter())
    assert (first["generation_replicate"], first["generation_ended_at"]) == (2, ENDED - timedelta(days=1))
    assert (last["generation_replicate"], last["generation_ended_at"]) == (None, None)
    assert first["ended_at"] == ENDED


def test_experiments_are_told_by_cell_in_order(engine):
    found = experiments_by_cell(engine, "evaluation")
    assert {cell: found[cell] for cell in "abc"} == {"a": ["one", "two"], "b": ["one"], "c": ["two"]}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("experiments", ["old", "one", "two"]),
        ("generation_templates", ["essay", "tags"]),
        ("evaluation_models", ["judge", "other"]),
        ("parsers", ["complex", "strict"]),
    ],
)
def test_known_names_are_those_of_stored_evaluations(engine, field, expected):
    assert known_values(engine, field) == expected
