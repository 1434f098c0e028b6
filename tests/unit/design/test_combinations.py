from __future__ import annotations

import pytest

from daydreaming.design import combinations as module
from daydreaming.design.combinations import combine
from daydreaming.errors import DesignError


def test_only_combinations_of_exactly_k_concepts_are_made():
    made = combine(list("fedcba"), 4, "paragraph")
    assert len(made) == 15
    assert made[0].concept_ids == ("a", "b", "c", "d")
    assert {len(c.concept_ids) for c in made} == {4}


def test_the_order_of_concepts_does_not_matter():
    assert combine(["b", "a", "c"], 2, "article") == combine(["c", "b", "a"], 2, "article")


@pytest.mark.parametrize(
    ("concepts", "k_max", "message"),
    [
        (["a", "b"], 3, r"k_max must be between 1 and 2 \(selected concepts\); got 3\. Lower k_max"),
        (["a", "b"], 0, r"k_max must be between 1 and 2 .*got 0"),
        (["a", "a"], 1, r"each concept may be given once; got more of a"),
        ([str(i) for i in range(100)], 10, r"at most 1,000,000 combinations; 100 concepts at k_max 10"),
    ],
)
def test_a_plan_that_cannot_be_made_is_refused(concepts, k_max, message):
    with pytest.raises(DesignError, match=message):
        combine(concepts, k_max, "paragraph")


def test_two_combinations_with_one_id_are_refused(monkeypatch):
    monkeypatch.setattr(module, "combo_id", lambda *_: "combo_v1_0")
    with pytest.raises(DesignError, match=r"combo_v1_0 stands for two combinations: a .* and b "):
        combine(["a", "b"], 1, "paragraph")


def test_an_id_known_for_other_parts_is_refused():
    (made,) = combine(["a"], 1, "paragraph")
    assert combine(["a"], 1, "paragraph", {made.combo_id: made.parts}) == [made]
    with pytest.raises(DesignError, match=r"stands for two combinations: z .* and a "):
        combine(["a"], 1, "paragraph", {made.combo_id: (frozenset({"z"}), "paragraph", 1)})
