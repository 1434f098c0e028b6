"""The list of essays, on both databases: what is counted, filtered, sorted and cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daydreaming.store.essay_queries import (
    EssayFilter,
    EssayList,
    Neighbours,
    Ranges,
    read_concept_ids,
    read_essays,
    read_neighbours,
    read_ranges,
)
from daydreaming.store.schema import Combination
from daydreaming.store.upsert import insert_missing
from tests.support.response_rows import ENDED, evaluation, generation, store_members

ALL = EssayList("one", EssayFilter(), "id", "asc")
STRICT = {"evaluation_model": "strict"}


def combination(combo_id: str, *concept_ids: str) -> dict[str, object]:
    return {
        "combo_id": combo_id,
        "concept_ids": list(concept_ids),
        "description_level": "paragraph",
        "k_max": len(concept_ids),
    }


@pytest.fixture
def engine(results_engine):
    """Essays of experiment `one`.

    | essay | verdicts                              | by judge | by strict |
    | a     | 2 and 6 of 10                         | .2       | .6        |
    | b     | 9 of 10, one unscored, 1 of 1–5       | .9       | 0         |
    | c     | none, no essay                        |          |           |
    | d     | 7 and 7 of 10, other model, replicate | .7       | .7        |
    """
    later = ENDED + timedelta(hours=1)
    essays = [
        generation("a", combo_id="x", completion_tokens=300, cost_usd=0.5),
        generation("b", generation_template="tags", ended_at=later),
        generation("c", essay_error="no essay", ended_at=None),
        generation("d", generation_model="other", replicate=2),
    ]
    store_members(results_engine, "generation", essays, ("one", "two"))
    rows = [combination("x", "moat", "search"), combination("c", "search", "dream")]
    with results_engine.begin() as connection:
        insert_missing(connection, Combination, rows)
    store_members(results_engine, "generation", [generation("e")], ("two",))
    verdicts = [
        evaluation("a1", "a", 2.0),
        evaluation("a2", "a", 6.0, **STRICT),
        evaluation("b1", "b", 9.0),
        evaluation("b2", "b", None),
        evaluation("b3", "b", 1.0, **STRICT, evaluation_template="style", score_min=1.0, score_max=5.0),
        evaluation("d1", "d", 7.0),
        evaluation("d2", "d", 7.0, **STRICT),
    ]
    store_members(results_engine, "evaluation", verdicts)
    # Verdicts that serve another experiment only.
    store_members(results_engine, "evaluation", [evaluation("a9", "a", 10.0)], ("two",))
    return results_engine


def names(engine, listed: EssayList, *, limit: int = 10, offset: int = 0) -> str:
    rows, _ = read_essays(engine, listed, limit=limit, offset=offset)
    return "".join(row.generation_task_id for row in rows)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "abcd"),
        ({"concept": "moat"}, "a"),
        ({"concept": "search"}, "abcd"),
        ({"concept": "search", "combination": "x"}, "a"),
        ({"concept": "sea"}, ""),
        ({"concept": "SEARCH"}, ""),
        ({"combination": "x"}, "a"),
        ({"combination": "none"}, ""),
        ({"generation_template": "tags"}, "b"),
        ({"generation_model": "other"}, "d"),
        ({"generation_replicate": 1}, "abc"),
        ({"generation_replicate": 2}, "d"),
        ({"state": "answered"}, "abd"),
        ({"state": "no_essay"}, "c"),
        ({"state": "unscored"}, "b"),
        ({"state": "unscored", "evaluation_template": "style"}, ""),
        ({"min_score": 0.45}, "bd"),
        ({"min_score": 0.7}, "d"),  # the mean itself, whatever its last binary digit
        ({"max_score": 0.4}, "a"),
        ({"min_score": 0.4, "max_score": 0.45}, "ab"),
        ({"min_sd": 0.28}, "ab"),
        ({"min_sd": 0.0}, "abd"),
        ({"min_score": 0.8, "evaluation_template": "rigor"}, "b"),
        ({"min_score": 0.6, "evaluation_model": "strict"}, "ad"),
        ({"min_sd": 0.0, "evaluation_model": "strict"}, ""),
        ({"min_sd": 0.0, "evaluation_template": "rigor"}, "ad"),
        ({"evaluation_template": "style"}, "abcd"),
        ({"generation_template": "essay", "generation_model": "gen", "state": "answered"}, "a"),
    ],
)
def test_a_filter_leaves_essays_that_fulfil_all_of_it(engine, wanted, expected):
    listed = replace(ALL, wanted=EssayFilter(**wanted))
    assert names(engine, listed) == expected
    assert read_essays(engine, listed, limit=1, offset=0)[1] == len(expected)


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("id", "asc", "abcd"),
        ("id", "desc", "dcba"),
        ("mean", "desc", "dbac"),
        ("mean", "asc", "abdc"),  # without a mean: last, either way
        ("sd", "desc", "badc"),
        ("sd", "asc", "dabc"),
        ("n", "desc", "badc"),
        ("n", "asc", "cadb"),
        ("time", "desc", "badc"),
        ("time", "asc", "adbc"),
    ],
)
def test_rows_are_sorted_and_ties_go_by_id(engine, sort, order, expected):
    assert names(engine, replace(ALL, sort=sort, order=order)) == expected


def test_a_row_says_what_the_verdicts_that_count_come_to(engine):
    rows, total = read_essays(engine, ALL, limit=10, offset=0)
    a, b, c, d = rows
    assert total == 4
    assert (a.verdicts, a.unscored, a.mean) == (2, 0, pytest.approx(0.4))
    assert a.sd == pytest.approx(0.28284, abs=1e-4)
    assert (a.completion_tokens, a.cost_usd, a.ended_at) == (300, 0.5, ENDED)
    assert (b.verdicts, b.unscored, b.mean) == (3, 1, pytest.approx(0.45))
    assert (c.verdicts, c.unscored, c.mean, c.sd, c.essay_error) == (0, 0, None, None, "no essay")
    assert (d.mean, d.sd, d.replicate) == (pytest.approx(0.7), 0.0, 2)
    [only, *_], _ = read_essays(
        engine, replace(ALL, wanted=EssayFilter(evaluation_model="strict")), limit=1, offset=0
    )
    assert (only.verdicts, only.mean, only.sd) == (1, pytest.approx(0.6), None)


def test_the_sd_is_over_judges_of_the_mean_that_each_gave(results_engine):
    scores = {
        # Rubrics far apart, on which both judges agree.
        "agreed": {"judge": (2, 8), "strict": (2, 8)},
        # Means of .2 and .8.
        "many": {"judge": (2,), "strict": (6, 8, 10)},
        "noise": {"judge": (1, 2, 6), "strict": (6, 2, 1)},
        "one": {"judge": (1, 9)},
        "silent": {"judge": (3, 4), "strict": (None,)},
        "unscored": {"judge": (None,)},
    }
    store_members(results_engine, "generation", [generation(name) for name in scores])
    rows = [
        evaluation(f"{essay} {judge} {i}", essay, score, evaluation_model=judge, evaluation_template=f"r{i}")
        for essay, by_judge in scores.items()
        for judge, given in by_judge.items()
        for i, score in enumerate(given)
    ]
    store_members(results_engine, "evaluation", rows)
    found = {row.generation_task_id: row for row in read_essays(results_engine, ALL, limit=9, offset=0)[0]}
    assert {name: row.sd for name, row in found.items()} == {
        "agreed": 0.0,
        "many": pytest.approx(0.6 / 2**0.5),
        "noise": 0.0,
        "one": None,
        "silent": None,
        "unscored": None,
    }
    assert found["many"].mean == pytest.approx((0.2 + 0.6 + 0.8 + 1) / 4)  # of all scores
    assert (found["silent"].verdicts, found["silent"].unscored) == (3, 1)
    assert (found["unscored"].verdicts, found["unscored"].unscored, found["unscored"].mean) == (1, 1, None)


def test_equal_means_are_ties_however_they_were_added_up(results_engine):
    store_members(results_engine, "generation", [generation(name) for name in "xyz"])
    # .1 + .2 + .6 and .6 + .2 + .1 end in different binary digits; the other judge gives 0.
    for essay, scores in {"y": (1, 2, 6), "z": (6, 2, 1), "x": (2, 6, 1)}.items():
        rows = [evaluation(f"{essay}{i}", essay, float(score)) for i, score in enumerate(scores)]
        rows.append(evaluation(f"{essay}9", essay, 0.0, **STRICT))
        store_members(results_engine, "evaluation", rows)
    assert names(results_engine, replace(ALL, sort="mean", order="desc")) == "xyz"
    assert names(results_engine, replace(ALL, sort="sd", order="asc")) == "xyz"


def test_pages_are_cut_and_know_the_total(engine):
    assert names(engine, ALL, limit=2) == "ab"
    assert names(engine, ALL, limit=2, offset=2) == "cd"
    assert read_essays(engine, ALL, limit=2, offset=8) == ([], 4)
    assert read_essays(engine, replace(ALL, experiment_id="none"), limit=2, offset=0) == ([], 0)


@pytest.mark.parametrize(
    ("sort", "order"), [("mean", "desc"), ("mean", "asc"), ("sd", "desc"), ("id", "asc")]
)
def test_neighbours_are_those_of_the_list(engine, sort, order):
    listed = replace(ALL, sort=sort, order=order)
    ids = names(engine, listed)
    for place, name in enumerate(ids):
        previous = ids[place - 1] if place else None
        following = ids[place + 1] if place < 3 else None
        assert read_neighbours(engine, listed, name) == Neighbours(place + 1, 4, previous, following)


def test_an_essay_that_the_filter_leaves_out_has_no_place(engine):
    listed = replace(ALL, wanted=EssayFilter(state="answered"))
    assert read_neighbours(engine, listed, "c") is None
    assert read_neighbours(engine, listed, "d") == Neighbours(3, 3, "b", None)
    assert read_neighbours(engine, ALL, "e") is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, Ranges(0, 10, False)),
        ({"evaluation_template": "style"}, Ranges(1, 5, True)),
        ({"evaluation_template": "rigor"}, Ranges(0, 10, True)),
        ({"evaluation_template": "none"}, None),
    ],
)
def test_ranges_are_those_of_the_verdicts_that_count(engine, wanted, expected):
    assert read_ranges(engine, "one", EssayFilter(**wanted)) == expected


def test_concepts_of_combinations_that_are_known(results_engine):
    with results_engine.begin() as connection:
        insert_missing(connection, Combination, [combination("x", "moat", "search")])
    assert read_concept_ids(results_engine, ["x", "y"]) == {"x": ("moat", "search")}
