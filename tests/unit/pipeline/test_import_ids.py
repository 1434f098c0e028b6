"""From the original's model IDs to ours."""

from __future__ import annotations

import pytest

from daydreaming.inputs.legacy_models import LegacyModel
from daydreaming.pipeline.import_ids import ModelIds, PlacingError

LEGACY = (
    LegacyModel("r1", "deepseek/deepseek-r1:free", "", "", ""),
    LegacyModel("twin_a", "lab/twin", "", "", ""),
    LegacyModel("twin_b", "lab/twin", "", "", ""),
    LegacyModel("", "lab/nameless:beta", "nameless", "", ""),
    LegacyModel("bad id", "lab/bad", "", "", ""),
)
OURS = {"ours_r1": "deepseek/deepseek-r1:free", "ours_gemma": "google/gemma:free", "two words": "lab/x"}


def ids(*spellings):
    known = {s for model in LEGACY for s in model.spellings} | {*OURS, *OURS.values(), *spellings}
    return ModelIds(frozenset(known), LEGACY, OURS)


@pytest.mark.parametrize(
    ("spelling", "ours", "why"),
    [
        ("r1", "r1", "unchanged"),
        ("never-heard_of.it", "never-heard_of.it", "unchanged"),
        # A spelling that ours may be stays, though the model has an ID.
        ("deepseek__deepseek-r1_free", "deepseek__deepseek-r1_free", "unchanged"),
        ("deepseek/deepseek-r1:free", "r1", "the id of this model in the folder's llm_models.csv"),
        ("google/gemma:free", "ours_gemma", "the id of this model in our llm_models.csv"),
        # Two IDs in the folder: which of them was meant is not known.
        ("lab/twin", "lab--twin", "slash became --, other characters -"),
        ("lab/nameless:beta", "lab--nameless-beta", "slash became --, other characters -"),
        # An ID that ours may not be is none.
        ("lab/bad", "lab--bad", "slash became --, other characters -"),
        ("bad id", "bad-id", "slash became --, other characters -"),
        ("a/b/c", "a--b--c", "slash became --, other characters -"),
    ],
)
def test_a_model_keeps_its_id_or_gets_one_by_the_first_rule_that_gives_one(spelling, ours, why):
    found = ids(spelling).our_id(spelling)
    assert (found.legacy, found.ours, found.why) == (spelling, ours, why)


@pytest.mark.parametrize("other", ["lab/nameless-beta", "lab--nameless-beta", "lab/nameless beta"])
def test_two_models_never_get_one_id_by_replacing(other):
    with pytest.raises(
        PlacingError, match=r"'lab/nameless:beta' and '.*' would both become 'lab--nameless-beta'"
    ):
        ids(other).our_id("lab/nameless:beta")


@pytest.mark.parametrize("spelling", ["m_rep2", "lab/m_rep3", "..", "m" * 251])
def test_an_id_that_ours_may_not_be_by_any_rule_is_refused(spelling):
    with pytest.raises(PlacingError, match=r"model ID must .*Rename it in the folder"):
        ids(spelling).our_id(spelling)
