"""Names are read by what is known, from the right, and never split."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daydreaming.inputs.legacy_names import (
    EvaluationName,
    GenerationName,
    KnownNames,
    match_evaluation,
    match_generation,
)

STABLE = "combo_v1_0123456789ab"


def known(generation="", evaluation="", models="", combos=""):
    """Names given as words."""
    words = (frozenset(text.split()) for text in (combos, generation, evaluation, models))
    return KnownNames(*words)


@pytest.mark.parametrize(
    ("name", "readings"),
    [
        ("combo_001_t_m", [("combo_001", "t", "m")]),
        (f"{STABLE}_t_m", [(STABLE, "t", "m")]),
        (
            "combo_001_02_problem_solving_deepseek_r1_f",
            [("combo_001", "02_problem_solving", "deepseek_r1_f")],
        ),
        # One ID ends another.
        ("combo_001_t_big_m", [("combo_001", "t", "big_m")]),
        ("combo_001_old_t_m", [("combo_001", "old_t", "m")]),
        ("combo_001_t_deepseek/deepseek-r1:free", [("combo_001", "t", "deepseek/deepseek-r1:free")]),
        # Both fit: nobody can tell.
        ("combo_001_t_x_m", [("combo_001", "t", "x_m"), ("combo_001", "t_x", "m")]),
        # Almost.
        ("combo_001_t_n", []),
        ("combo_001_u_m", []),
        ("combo_001t_m", []),
        ("combo_001_tm", []),
        ("combo_001__t_m", []),
        ("combo__t_m", []),
        ("combo_v1_0123456789AB_t_m", []),
        ("combo_v1_0123456789_t_m", []),
        ("combo_001_5_t_m", []),
        ("t_m", []),
        ("m", []),
        ("", []),
    ],
)
def test_a_generation_is_read_in_every_way_that_known_names_allow(name, readings):
    names = known("t old_t t_x 02_problem_solving", "", "m big_m x_m deepseek_r1_f deepseek/deepseek-r1:free")
    assert match_generation(name, names) == [GenerationName(*reading) for reading in readings]


def test_a_combination_of_another_form_must_be_known():
    assert match_generation("mix_9_t_m", known("t", "", "m")) == []
    assert match_generation("mix_9_t_m", known("t", "", "m", "mix_9")) == [("mix_9", "t", "m")]


def test_an_evaluation_is_read_with_its_generation():
    names = known("02_problem_solving", "creativity_metrics", "deepseek deepseek/deepseek-r1:free")
    generation = "combo_v1_1f3a9c2d7b2c_02_problem_solving_deepseek"
    [found] = match_evaluation(f"{generation}_creativity_metrics_deepseek/deepseek-r1:free", names, {})
    assert found == EvaluationName(
        generation,
        GenerationName("combo_v1_1f3a9c2d7b2c", "02_problem_solving", "deepseek"),
        "creativity_metrics",
        "deepseek/deepseek-r1:free",
    )


def test_a_generation_of_the_task_table_is_not_read_again():
    row = GenerationName("mix", "any", "thing")
    [found] = match_evaluation("odd_name_e_m", known("", "e", "m"), {"odd_name": row})
    assert found == EvaluationName("odd_name", row, "e", "m")


def test_generation_templates_are_not_taken_for_rubrics():
    assert match_evaluation("combo_001_t_m_t_m", known("t", "e", "m"), {}) == []


#: Few letters, so that IDs end, begin and contain each other all the time.
_IDS = st.text("ab_-/", min_size=1, max_size=4)


@st.composite
def _vocabularies(draw):
    """Sets of IDs in which some are endings of others."""
    groups = []
    for _ in range(3):
        ids = draw(st.sets(_IDS, min_size=1, max_size=4))
        longer = {f"{draw(_IDS)}_{i}" for i in draw(st.sets(st.sampled_from(sorted(ids))))}
        groups.append(frozenset(ids | longer))
    combos = frozenset(draw(st.sets(st.sampled_from(["combo_1", "combo_1_a", "a_b", STABLE]))))
    return KnownNames(combos | {"combo_001"}, *groups)


@given(_vocabularies(), st.data())
def test_the_readings_of_a_generation_are_exactly_the_cells_that_make_its_name(names, data):
    cells = list(itertools.product(names.combo_ids, names.generation_templates, names.models))
    made = data.draw(st.sampled_from(cells))
    name = "_".join(made)
    found = match_generation(name, names)
    # `combo_1` is a combination by its form alone.
    every = [*cells, *itertools.product({"combo_1", STABLE}, names.generation_templates, names.models)]
    assert set(found) == {cell for cell in every if "_".join(cell) == name}
    assert len(found) == len(set(found))
    assert made in found


@given(_vocabularies(), st.data())
def test_the_readings_of_an_evaluation_are_exactly_the_cells_that_make_its_name(names, data):
    generations = list(itertools.product(names.combo_ids, names.generation_templates, names.models))
    made = data.draw(st.sampled_from(generations))
    template = data.draw(st.sampled_from(sorted(names.evaluation_templates)))
    model = data.draw(st.sampled_from(sorted(names.models)))
    name = "_".join([*made, template, model])
    found = {
        (*reading.generation, reading.template, reading.model)
        for reading in match_evaluation(name, names, {})
    }
    combos = names.combo_ids | {"combo_1", STABLE}
    every = itertools.product(
        combos, names.generation_templates, names.models, names.evaluation_templates, names.models
    )
    assert found == {cell for cell in every if "_".join(cell) == name}
    assert (*made, template, model) in found


@given(_vocabularies(), st.data())
def test_underscores_within_ids_are_characters_like_any_other(names, data):
    """With each ID's underscores replaced, but not those that join, every reading is there still."""
    cells = list(itertools.product(names.combo_ids, names.generation_templates, names.models))
    made = data.draw(st.sampled_from(cells))

    def other(text):
        return text.replace("_", "~")

    renamed = KnownNames(
        frozenset(map(other, names.combo_ids)),
        frozenset(map(other, names.generation_templates)),
        frozenset(),
        frozenset(map(other, names.models)),
    )
    # Only the joints are underscores now, so that there is one reading, and it is the one that was made.
    assert match_generation("_".join(map(other, made)), renamed) == [tuple(map(other, made))]
    assert made in match_generation("_".join(made), names)
