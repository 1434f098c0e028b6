"""The list of essays as its page shows it."""

from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline import frozen
from daydreaming.pipeline.essays_list import Choice, list_choices, list_essays, place_in_list
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.essay_queries import EssayFilter
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import planned_run
from tests.support.finished import answer_distinctly

#: Scores by map index: essay 0 has 9 of 9 twice and 1 of 10 twice, essay 1 has 4, 5, 6, 7.
SCORES = {0: 9, 1: 9, 2: 1, 3: 1, 4: 4, 5: 5, 6: 6, 7: 7}


@pytest.fixture
def answered(settings: Settings) -> Settings:
    planned_run(settings, generation_templates=["essay"])
    texts = {("evaluation", index): f"SCORE: {score}" for index, score in SCORES.items()}
    answer_distinctly(settings, "run-1", texts=texts)
    return settings


def listed(settings, **wanted):
    found = list_essays(settings, "demo", EssayFilter(**wanted), "mean", "desc", page=1, size=10)
    return {row.generation_model: row for row in found.rows}, found


def test_scores_are_shares_where_rubrics_differ_in_their_range(answered):
    rows, found = listed(answered)
    assert (found.as_share, found.total, found.ranges.is_one) == (True, 2, False)
    assert rows["free"].mean == pytest.approx((1 + 1 + 0.1 + 0.1) / 4)
    assert rows["paid"].mean == pytest.approx((4 / 9 + 5 / 9 + 0.6 + 0.7) / 4)
    # Both judges agree on it, however far its rubrics are apart.
    assert rows["free"].sd == 0
    assert rows["paid"].sd == pytest.approx((1 / 9 + 0.1) / 2 / 2**0.5)


def test_scores_are_points_where_one_rubric_counts(answered):
    rows, found = listed(answered, evaluation_template="rigor")
    assert (found.as_share, found.ranges.score_min, found.ranges.score_max) == (False, 0, 9)
    assert (rows["free"].mean, rows["free"].sd) == (pytest.approx(9), 0)
    assert (rows["paid"].mean, rows["paid"].sd) == (pytest.approx(4.5), pytest.approx(0.70711, abs=1e-4))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        # Points of the one rubric.
        ({"evaluation_template": "rigor", "min_score": 9}, ["free"]),
        ({"evaluation_template": "rigor", "max_score": 4.5}, ["paid"]),
        ({"evaluation_template": "rigor", "min_score": 4.6, "max_score": 8.9}, []),
        ({"evaluation_template": "rigor", "min_sd": 0.7}, ["paid"]),
        # Per cent of the range.
        ({"min_score": 55}, ["free", "paid"]),
        ({"min_score": 56}, ["paid"]),
        ({"min_sd": 7}, ["paid"]),
        ({"min_sd": 8}, []),
    ],
)
def test_bounds_are_on_the_scale_that_is_shown(answered, wanted, expected):
    rows, _ = listed(answered, **wanted)
    assert sorted(rows) == expected
    first = cells_of_run(engine_for(answered), "run-1", "generation")[0]
    place = place_in_list(answered, "demo", EssayFilter(**wanted), "id", "asc", first.cell_id)
    assert (place is not None) == ("free" in expected)


def test_the_place_of_an_essay_is_that_of_the_list(answered):
    free, paid = cells_of_run(engine_for(answered), "run-1", "generation")
    place = place_in_list(answered, "demo", EssayFilter(), "mean", "desc", free.cell_id)
    assert (place.position, place.previous, place.next) == (2, paid.cell_id, None)


def test_choices_are_what_the_experiment_has(answered):
    planned_run(answered, "run-2", generation_replicates=2, evaluation_models=["judge"])
    choices = list_choices(answered, "demo")
    assert {name: [c.value for c in found] for name, found in choices.items() if name != "combination"} == {
        "concept": ["search", "moat"],
        "generation_template": ["essay", "tags"],
        "generation_model": ["free", "paid"],
        "generation_replicate": ["1", "2"],
        "evaluation_template": ["rigor", "style"],
        "evaluation_model": ["judge", "free"],
    }
    [only] = choices["combination"]
    assert only == Choice(only.value, "Economic moat + Combinatorial search")
    assert only.value.startswith("combo_v1_")
    assert [c.text for c in choices["concept"]] == ["Combinatorial search", "Economic moat"]


def test_without_frozen_inputs_the_list_is_there_without_names(answered):
    for file in answered.data_root.rglob("inputs.json"):
        file.unlink()
    frozen._read.cache_clear()
    rows, found = listed(answered)
    assert found.concepts == {rows["free"].combo_id: "moat + search"}
    assert list_choices(answered, "demo")["generation_template"] == ()


def test_an_experiment_that_nobody_started_is_refused(settings):
    with pytest.raises(InputError, match="Unknown experiment ID"):
        list_essays(settings, "none", EssayFilter(), "id", "asc", page=1, size=10)


def test_an_experiment_without_answers_has_an_empty_list(settings):
    planned_run(settings)
    _, found = listed(settings)
    assert (found.rows, found.total, found.ranges, found.as_share) == ([], 0, None, False)
