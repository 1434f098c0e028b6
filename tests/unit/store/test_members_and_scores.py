"""Which experiments a response serves, and how its verdict was read: written as it lands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import event, select

from daydreaming.parsing.score import PARSER_VERSIONS
from daydreaming.store.admission import admit_calls, end_calls
from daydreaming.store.members import read_members, set_members
from daydreaming.store.plans import insert_plan, insert_run
from daydreaming.store.results import delete_responses, upsert_responses
from daydreaming.store.schema import Membership, Score
from daydreaming.store.scores import change_scores, read_scores, scale_text, score_key, score_row
from tests.support.attempts import call_order
from tests.unit.store.test_admission import settled
from tests.unit.store.test_result_rows import NOW, response
from tests.unit.store.test_run_plans import evaluation, generation, run


def plan(engine, run_id, experiment_id, *cells):
    insert_run(engine, run(run_id, experiment_id), NOW)
    for stage in ("generation", "evaluation"):
        mine = [cell for cell in cells if cell.stage == stage]
        if mine:
            insert_plan(engine, run_id, stage, [replace(c, map_index=i) for i, c in enumerate(mine)])


def cell(name, stage="generation"):
    made = generation(0) if stage == "generation" else evaluation(0)
    return replace(made, cell_id=name)


def members(engine):
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(select(Membership.__table__))}


def scores(engine):
    with engine.connect() as connection:
        return {tuple(row) for row in connection.execute(select(Score.__table__))}


def test_a_response_that_lands_serves_every_experiment_that_planned_its_cell(results_engine):
    plan(results_engine, "r1", "e", cell("g00001"), cell("g00002"))
    plan(results_engine, "r2", "e", cell("g00001"))
    plan(results_engine, "r3", "other", cell("g00001"))
    upsert_responses(results_engine, "generation", [response(1), response(3)])
    assert members(results_engine) == {("e", "generation", "g00001"), ("other", "generation", "g00001")}


def test_what_is_answered_already_serves_an_experiment_as_soon_as_it_plans_it(results_engine):
    upsert_responses(results_engine, "generation", [response(1)])
    assert members(results_engine) == set()
    plan(results_engine, "r1", "e", cell("g00001"), cell("g00002"))
    assert members(results_engine) == {("e", "generation", "g00001")}


def test_a_verdict_leaves_its_reading(results_engine):
    upsert_responses(
        results_engine,
        "evaluation",
        [
            response(1, "evaluation"),
            response(2, "evaluation", score=None, score_error="no score", parser="complex", score_max=10.0),
        ],
    )
    assert scores(results_engine) == {
        ("v00001", "strict", "0-9", 1, 7.5, None),
        ("v00002", "complex", "0-10", PARSER_VERSIONS["complex"], None, "no score"),
    }


def test_another_verdict_in_its_place_takes_the_old_readings_away(results_engine, writing):
    upsert_responses(results_engine, "evaluation", [response(1, "evaluation"), response(2, "evaluation")])
    more = {**score_row(response(1, "evaluation")), "parser": "complex", "score": 7.0}
    change_scores(writing, [more], [])
    assert len(scores(results_engine)) == 3
    upsert_responses(results_engine, "evaluation", [response(1, "evaluation", score=3.0)])
    assert scores(results_engine) == {
        ("v00001", "strict", "0-9", 1, 3.0, None),
        ("v00002", "strict", "0-9", 1, 7.5, None),
    }


def test_readings_are_changed_and_removed_one_by_one(results_engine, writing):
    upsert_responses(results_engine, "evaluation", [response(1, "evaluation"), response(2, "evaluation")])
    known = read_scores(results_engine, ["v00001", "v00002", "v00003"])
    changed = {**known[0], "score": 1.0, "parser_version": 2}
    change_scores(writing, [changed], [score_key(known[1])])
    assert scores(results_engine) == {("v00001", "strict", "0-9", 2, 1.0, None)}


@pytest.mark.parametrize("count", [1, 600, 6_000])
def test_a_deleted_response_takes_members_and_readings_along(results_engine, count):
    ids = [f"v{number:05}" for number in range(count)]
    plan(results_engine, "r1", "e", *(cell(i, "evaluation") for i in ids), cell("v00000"))
    upsert_responses(results_engine, "evaluation", [response(n, "evaluation") for n in range(count)])
    upsert_responses(results_engine, "generation", [response(0, generation_task_id="v00000")])
    assert len(members(results_engine)) == count + 1
    delete_responses(results_engine, "evaluation", ids)
    assert members(results_engine) == {("e", "generation", "v00000")}
    assert scores(results_engine) == set()


def test_members_are_set_and_where_they_are_nothing_is_written(results_engine, writing):
    set_members(writing, "e", "generation", ["a", "b"])
    set_members(writing, "other", "generation", ["b"])
    set_members(writing, "e", "generation", ["b", "c"])
    assert read_members(results_engine, "e", "generation") == {"b", "c"}
    assert read_members(results_engine, "other", "generation") == {"b"}
    begun = []
    event.listen(writing, "begin", lambda _: begun.append(1))
    set_members(writing, "e", "generation", ["c", "b"])
    reads = len(begun)
    set_members(writing, "e", "generation", [])
    assert (reads, len(begun)) == (1, 3)
    assert read_members(results_engine, "e", "generation") == set()


def test_the_end_of_a_call_writes_all_of_it_in_one_transaction(results_engine, writing, clock):
    plan(results_engine, "r1", "e", cell("v00001", "evaluation"))
    order = call_order("a", stage="evaluation", cell_id="v00001")
    with writing.begin() as connection:
        admit_calls(connection, [order])
    commits = []
    event.listen(writing, "commit", lambda _: commits.append(1))
    with writing.begin() as connection:
        end_calls(connection, [settled(order, response=("evaluation", response(1, "evaluation")))])
    assert len(commits) == 1
    assert members(results_engine) == {("e", "evaluation", "v00001")}
    assert scores(results_engine) == {("v00001", "strict", "0-9", 1, 7.5, None)}


def test_the_statements_of_a_group_do_not_grow_with_it(results_engine, writing, clock):
    counts = []
    for size in (1, 50):
        statements = []
        listener = lambda *args, kept=statements: kept.append(args[2])  # noqa: E731
        event.listen(writing, "before_cursor_execute", listener)
        with writing.begin() as connection:
            ends = [
                settled(call_order(f"{size}-{n}"), response=("evaluation", response(n, "evaluation")))
                for n in range(size)
            ]
            end_calls(connection, ends)
        event.remove(writing, "before_cursor_execute", listener)
        counts.append(sum("scores" in s or "experiment_members" in s for s in statements))
    assert counts[0] == counts[1] == 3


@pytest.mark.parametrize(
    ("scale", "text"), [((0.0, 10.0), "0-10"), ((-5.0, 5.0), "-5-5"), ((0.5, 1.25), "0.5-1.25")]
)
def test_scales_as_text(scale, text):
    assert scale_text(*scale) == text


def test_a_parser_of_an_earlier_release_has_no_version():
    assert score_row(response(1, "evaluation", parser="gone"))["parser_version"] == 0
