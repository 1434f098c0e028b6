from __future__ import annotations

import pytest

from daydreaming.design.cells import (
    PlanSize,
    plan_evaluations,
    plan_generations,
    plan_size,
)
from daydreaming.design.combinations import combine
from daydreaming.errors import DesignError
from daydreaming.inputs.records import LLMModel

COMBINATIONS = combine(["a", "b", "c"], 2, "paragraph")


def model(model_id: str) -> LLMModel:
    return LLMModel(model_id, f"prov/{model_id}", "prov", "", True, True, "", "conn", "pool")


def models(*ids: str) -> list[LLMModel]:
    return [model(i) for i in ids]


def test_generations_are_the_cross_product_with_all_columns():
    cells = plan_generations(COMBINATIONS, ["t", "u"], models("m", "n"), 2)
    assert len(cells) == 3 * 2 * 2 * 2
    combo = COMBINATIONS[0].combo_id
    assert cells[0] == (f"{combo}_t_m", combo, "t", "m", "prov/m", 1)
    assert cells[2] == (f"{combo}_t_m_rep2", combo, "t", "m", "prov/m", 2)
    assert len({c.generation_task_id for c in cells}) == len(cells)


def test_consecutive_generations_alternate_models():
    cells = plan_generations(COMBINATIONS, ["t"], models("m", "n"), 1)
    assert [c.generation_model for c in cells] == ["m", "n"] * 3


def test_evaluations_follow_the_order_of_generations():
    generations = plan_generations(COMBINATIONS, ["t"], models("m"), 2)
    cells = plan_evaluations(generations, ["e"], models("j", "k"), 2)
    assert len(cells) == 6 * 4
    first = generations[1].generation_task_id
    assert [c.evaluation_task_id for c in cells[4:8]] == [
        f"{first}_e_j", f"{first}_e_k", f"{first}_e_j_rep2", f"{first}_e_k_rep2",
    ]  # fmt: skip
    assert cells[4] == (f"{first}_e_j", first, "e", "j", "prov/j", 1)


def test_nothing_to_plan_is_an_empty_plan():
    assert plan_generations([], ["t"], models("m"), 1) == []
    assert plan_evaluations([], ["t"], models("m"), 1) == []


@pytest.mark.parametrize(
    ("templates", "model_ids", "replicates", "message"),
    [
        (["a_b", "a"], ["c", "b_c"], 1, r"two generation cells would have the same ID, …_a_b_c\. Rename"),
        (["t", "t"], ["m"], 1, r"each generation template must be given once; got 't'"),
        (["t"], ["m", "m"], 1, r"each generation model must be given once; got 'm'"),
        (["t_rep2"], ["m"], 1, r"generation template must not end in '_rep' and digits"),
        (["t"], ["m m"], 1, r"generation model must be made of letters"),
        (["t" * 200], ["m" * 28], 1, r"an ID may have at most 250 characters; got 251"),
        (["t"], ["m"], 0, r"generation_replicates must be at least 1; got 0"),
    ],
)
def test_ambiguous_or_unfit_generations_are_refused(templates, model_ids, replicates, message):
    with pytest.raises(DesignError, match=message):
        plan_generations(COMBINATIONS, templates, models(*model_ids), replicates)


def test_evaluations_that_share_an_id_across_generations_are_refused():
    generations = plan_generations(COMBINATIONS, ["t"], models("m", "m_x"), 1)
    with pytest.raises(DesignError, match=r"two evaluation cells would have the same ID, …_t_m_x_y_j"):
        plan_evaluations(generations, ["x_y", "y"], models("j"), 1)


def test_combination_ids_of_other_lengths_are_checked_cell_by_cell():
    old = [c._replace(combo_id=name) for c, name in zip(COMBINATIONS, ["combo_1", "combo_1_t"], strict=False)]
    with pytest.raises(DesignError, match="two generation cells would have the same ID"):
        plan_generations(old, ["t", "t_t"], models("m"), 1)


def test_a_plan_is_counted_without_making_it():
    size = plan_size(20, 4, generation_levels=(3, 4, 1), evaluation_levels=(4, 2, 1))
    assert size == PlanSize(4845, 58140, 465120)
