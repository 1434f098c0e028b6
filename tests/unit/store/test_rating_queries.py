"""What can be rated and what was, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert

from daydreaming.store.rating_queries import (
    judges_sd,
    latest_rating,
    list_rubrics,
    planned_run_of,
    ratable_essays,
    ratings_of_experiment,
    read_rating,
    row_sha256,
    verdicts_on_rated,
)
from daydreaming.store.ratings import RatingRecord, insert_ratings
from daydreaming.store.schema import EvaluationResponse, GenerationResponse, Membership, PlannedCall, Run

ENDED = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = ENDED + timedelta(hours=1)
RATING = RatingRecord("0" * 32, "g1", "rigor", "ada", 6.0, 0.0, 10.0, LATER)


def empty_row(table: Any) -> dict[str, Any]:
    """A row with something in each column that needs it."""
    columns = table.__table__.columns
    return {c.name: None if c.nullable else 1 if c.type.python_type in (int, float) else "x" for c in columns}


def response(table: Any, **fields: Any) -> dict[str, Any]:
    return {**empty_row(table), "started_at": ENDED, "ended_at": ENDED, **fields}


def planned(run_id: str, index: int, essay: str, rubric: str = "", judge: str = "") -> dict[str, Any]:
    stage = "evaluation" if rubric else "generation"
    return {
        **empty_row(PlannedCall),
        "run_id": run_id, "stage": stage, "map_index": index, "generation_task_id": essay,
        "cell_id": f"{essay}_{rubric}_{judge}" if rubric else essay,
        "evaluation_template": rubric or None, "evaluation_model": judge or None,
    }  # fmt: skip


@pytest.fixture
def engine(results_engine):
    """Experiment `demo`: essays g1 to g3, no essay in g4, no answer to g5; all but g3 on `style` too.

    Its second run judges g1 on `rigor` again. Experiment `other` shares g1.
    """
    cells = [
        (g, r, j) for g in ("g1", "g2", "g3", "g4", "g5") for r in ("rigor", "style") for j in ("j1", "j2")
    ]
    cells = [c for c in cells if c[:2] != ("g3", "style")]
    scores = {
        ("g1", "j1"): 1.0,
        ("g1", "j2"): 9.0,
        ("g2", "j1"): 5.0,
        ("g2", "j2"): None,
        ("g3", "j1"): 4.0,
        ("g3", "j2"): 4.0,
    }
    run = {
        "inputs_digest": "d",
        "inputs_path": "p",
        "params": {},
        "parent_run_id": None,
        "shard": 1,
        "shards": 1,
        "refusal": None,
    }
    evaluations = [
        response(
            EvaluationResponse, evaluation_task_id=f"{g}_rigor_{j}", generation_task_id=g,
            evaluation_template="rigor", evaluation_model=j, score=score, score_min=0.0,
            score_max=5.0 if score == 4.0 else 10.0,
        )
        for (g, j), score in scores.items()
    ]  # fmt: skip
    with results_engine.begin() as connection:
        connection.execute(insert(Run), [
            {**run, "run_id": "r1", "experiment_id": "demo", "created_at": ENDED},
            {**run, "run_id": "r2", "experiment_id": "demo", "created_at": LATER},
            {**run, "run_id": "r3", "experiment_id": "other", "created_at": LATER + timedelta(1)},
        ])  # fmt: skip
        calls = [planned("r1", i, *cell) for i, cell in enumerate(cells)]
        calls += [planned("r1", i, g) for i, g in enumerate(("g1", "g2", "g3", "g4", "g5"))]
        calls += [
            planned("r2", 0, "g1", "rigor", "j1"),
            planned("r3", 0, "g1", "novelty", "j9"),
            planned("r3", 0, "g1"),
        ]
        connection.execute(insert(PlannedCall), calls)
        connection.execute(insert(GenerationResponse), [
            response(GenerationResponse, generation_task_id=g, essay_error="none" if g == "g4" else None)
            for g in ("g1", "g2", "g3", "g4", "g9")
        ])  # fmt: skip
        connection.execute(insert(EvaluationResponse), evaluations)
        members = [("demo", "generation", g) for g in ("g1", "g2", "g3", "g4")] + [
            ("other", "generation", "g1")
        ]
        members += [("demo", "evaluation", row["evaluation_task_id"]) for row in evaluations]
        connection.execute(
            insert(Membership), [{"experiment_id": e, "stage": s, "cell_id": c} for e, s, c in members]
        )
    return results_engine


def rate(engine, *ratings: RatingRecord) -> None:
    with engine.begin() as connection:
        insert_ratings(connection, list(ratings))


def test_rubrics_are_those_that_the_experiment_planned(engine):
    assert list_rubrics(engine, "demo") == ["rigor", "style"]
    assert list_rubrics(engine, "other") == ["novelty"]
    assert list_rubrics(engine, "nosuch") == []


def test_what_can_be_rated_is_there_and_to_be_judged(engine):
    assert ratable_essays(engine, "demo", "rigor") == {"g1", "g2", "g3"}
    assert ratable_essays(engine, "demo", "style") == {"g1", "g2"}
    assert ratable_essays(engine, "other", "novelty") == {"g1"}
    assert ratable_essays(engine, "other", "rigor") == set()
    assert ratable_essays(engine, "demo", "style", only="g2") == {"g2"}
    assert ratable_essays(engine, "demo", "style", only="g3") == set()
    assert ratable_essays(engine, "demo", "rigor", only="g4") == set()


def test_how_far_judges_differ_is_in_points_on_one_scale(engine):
    assert judges_sd(engine, "demo", "rigor") == {"g1": pytest.approx(32**0.5), "g3": 0.0}
    assert judges_sd(engine, "demo", "style") == {}
    assert judges_sd(engine, "other", "rigor") == {}


def test_how_far_judges_differ_is_over_their_means(engine):
    again = {"stage": "evaluation", "experiment_id": "demo", "cell_id": "g1_rigor_j1_rep2"}
    row = response(
        EvaluationResponse, evaluation_task_id=again["cell_id"], generation_task_id="g1", score=3.0,
        evaluation_template="rigor", evaluation_model="j1", score_min=0.0, score_max=10.0,
    )  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(EvaluationResponse), [row])
        connection.execute(insert(Membership), [again])
    # The means are 2 and 9.
    assert judges_sd(engine, "demo", "rigor")["g1"] == pytest.approx(7 / 2**0.5)


def test_the_run_that_planned_last_says_what_the_rubric_is(engine):
    assert planned_run_of(engine, "demo", "rigor", "g1") == "r2"
    assert planned_run_of(engine, "demo", "rigor", "g2") == "r1"
    assert planned_run_of(engine, "demo", "style", "g3") is None
    assert planned_run_of(engine, "other", "rigor", "g1") is None


def test_ratings_of_the_essays_as_they_are_now(engine):
    again = replace(RATING, rating_id="1" * 32, score=7.0, rated_at=LATER + timedelta(1))
    of_earlier_essay = replace(RATING, rating_id="2" * 32, rated_at=ENDED - timedelta(seconds=1))
    elsewhere = [
        replace(RATING, rating_id="3" * 32, evaluation_template="novelty"),
        replace(RATING, rating_id="4" * 32, generation_task_id="g3", evaluation_template="style"),
        replace(RATING, rating_id="5" * 32, generation_task_id="g4"),
        replace(RATING, rating_id="6" * 32, generation_task_id="g9"),
        replace(RATING, rating_id="7" * 32, generation_task_id="gone"),
    ]
    rate(engine, again, RATING, of_earlier_essay, *elsewhere)
    assert ratings_of_experiment(engine, "demo") == [RATING, again]
    assert ratings_of_experiment(engine, "other") == [elsewhere[0]]
    assert latest_rating(engine, "g1", "rigor", "ada") == again
    assert latest_rating(engine, "g1", "rigor", "bob") is None
    assert latest_rating(engine, "g1", "style", "ada") is None
    assert read_rating(engine, "2" * 32) == of_earlier_essay
    assert read_rating(engine, "f" * 32) is None


def test_an_earlier_rating_alone_counts_for_nothing(engine):
    rate(engine, replace(RATING, rated_at=ENDED - timedelta(seconds=1)))
    assert latest_rating(engine, "g1", "rigor", "ada") is None
    assert ratings_of_experiment(engine, "demo") == []


def test_of_an_answer_without_a_record_nobody_can_tell(engine):
    with engine.begin() as connection:
        connection.execute(GenerationResponse.__table__.update().values(started_at=None))
    old = replace(RATING, rated_at=ENDED - timedelta(days=400))
    rate(engine, old)
    assert ratings_of_experiment(engine, "demo") == [old]


def test_a_rating_counts_while_the_response_that_was_rated_is_there(engine):
    of_this = replace(RATING, response_sha256="x", rated_at=ENDED - timedelta(days=1))
    of_another = replace(RATING, rating_id="1" * 32, response_sha256="y", rated_at=LATER + timedelta(1))
    rate(engine, of_this, of_another)
    assert row_sha256(engine, "g1") == "x"
    for started_at in (ENDED, None):
        with engine.begin() as connection:
            connection.execute(GenerationResponse.__table__.update().values(started_at=started_at))
        assert ratings_of_experiment(engine, "demo") == [of_this]
        assert latest_rating(engine, "g1", "rigor", "ada") == of_this
    with engine.begin() as connection:
        connection.execute(GenerationResponse.__table__.update().values(response_sha256="y"))
    assert ratings_of_experiment(engine, "demo") == [of_another]
    assert latest_rating(engine, "g1", "rigor", "ada") == of_another
    assert row_sha256(engine, "nosuch") is None


def test_a_verdict_that_serves_another_experiment_alone_is_no_score(engine):
    rate(engine, RATING)
    with engine.begin() as connection:
        refused = delete(Membership).where(Membership.cell_id == "g1_rigor_j2")
        connection.execute(refused)
        elsewhere = {"experiment_id": "other", "stage": "evaluation", "cell_id": "g1_rigor_j2"}
        connection.execute(insert(Membership), [elsewhere])
    found = {(r["evaluation_template"], r["evaluation_model"]): r for r in verdicts_on_rated(engine, "demo")}
    assert {key: row["score"] for key, row in found.items()} == {
        ("rigor", "j1"): 1.0, ("rigor", "j2"): None, ("style", "j1"): None, ("style", "j2"): None,
    }  # fmt: skip
    assert found["rigor", "j2"]["score_max"] is None


def test_verdicts_on_rated_essays_are_the_planned_ones_each_once(engine):
    rate(engine, RATING, replace(RATING, rating_id="1" * 32, generation_task_id="g5"))
    rows = [
        (r["generation_task_id"], r["evaluation_template"], r["evaluation_model"], r["score"])
        for r in verdicts_on_rated(engine, "demo")
    ]
    pairs = [("rigor", "j1"), ("rigor", "j2"), ("style", "j1"), ("style", "j2")]
    scores = {("g1", "rigor", "j1"): 1.0, ("g1", "rigor", "j2"): 9.0}
    assert rows == [(g, *pair, scores.get((g, *pair))) for g in ("g1", "g5") for pair in pairs]
