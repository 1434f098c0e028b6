"""The G-study table, its coefficients, and what a D-study advises to buy."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from daydreaming.analysis import reml
from daydreaming.analysis.components import PARTS, RESIDUAL, Components
from daydreaming.analysis.dstudy import CHANGES, MOST, d_study
from daydreaming.analysis.dstudy import KINDS as D_KINDS
from daydreaming.analysis.gstudy import KINDS as G_KINDS
from daydreaming.analysis.gstudy import Design, error_shares, g_study, precision
from daydreaming.analysis.scores import parsed_scores
from daydreaming.errors import InputError
from tests.support.designs import as_scores, crossed, with_values
from tests.unit.analysis.test_variance_components import (
    PERSONS_BY_ITEMS,
    PERSONS_BY_ITEMS_BY_OCCASIONS,
    persons_as_essays,
)

pytestmark = pytest.mark.filterwarnings("error")

P_I_O = PERSONS_BY_ITEMS_BY_OCCASIONS.transpose(2, 1, 0)
VARIANCES = {
    "combination": 0.5, "generation template": 0.4, "essay": 0.6, "judge": 0.3, "essay x judge": 0.5,
    RESIDUAL: 0.8,
}  # fmt: skip


def component(table, name):
    return table[table["component"] == name].iloc[0]


def simulated(seed=1, variances=VARIANCES, costs=(None, None), **size):
    frame = with_values(crossed(**size), np.random.default_rng(seed), variances)
    frame["value"] = frame["value"].clip(0, 10)
    return as_scores(frame, generation_cost_usd=costs[0], evaluation_cost_usd=costs[1])


# --- G study ---


@pytest.mark.parametrize(
    ("table", "generalizability", "phi"),
    [
        (PERSONS_BY_ITEMS, 0.844, 0.773),
        (P_I_O, 0.64, 0.55),
    ],
)
def test_coefficients_of_the_worked_examples(table, generalizability, phi):
    """Brennan's (2001) synthetic data sets 1 and 3, as others quote them: see test_variance_components."""
    essay = component(g_study(as_scores(persons_as_essays(table))), "essay")
    assert essay["generalizability"] == pytest.approx(generalizability, abs=0.005)
    assert essay["phi"] == pytest.approx(phi, abs=0.005)


def test_each_component_has_its_row_its_levels_and_its_share():
    table = g_study(simulated(combos=10, templates=2, generators=2, judges=3, rubrics=2))
    assert table["component"].tolist() == [*PARTS, RESIDUAL]
    assert table["levels"].tolist() == [10, 2, 2, 40, 40, 3, 2, 6, 120, 80, 240, 240]
    assert table["share"].sum() == pytest.approx(1)
    assert table["variance"].min() >= 0
    assert set(table["method"]) == {"REML"}
    assert set(table["n_scores"]) == {240}
    has_phi = table.loc[table["phi"].notna(), "component"].tolist()
    assert has_phi == ["combination", "generation template", "generator", "essay"]


def test_unscored_rows_are_left_out_and_counted():
    frame = with_values(crossed(combos=5, judges=3), np.random.default_rng(1), VARIANCES)
    frame.loc[[2, 7], "value"] = math.nan
    table = g_study(as_scores(frame))
    assert set(table["n_scores"]) == {13}
    assert set(table["left_out"]) == {2}


def test_rubrics_of_other_ranges_are_put_on_one_scale():
    frame = with_values(crossed(combos=8, judges=3), np.random.default_rng(1), VARIANCES)
    whole = g_study(as_scores(frame))
    frame["value"] /= 2
    halved = g_study(as_scores(frame, score_min=0.0, score_max=5.0))
    assert halved["variance"].tolist() == pytest.approx(whole["variance"].tolist(), rel=1e-3, nan_ok=True)


@pytest.mark.parametrize(
    ("size", "name", "warning"),
    [
        ({"combos": 6, "judges": 2}, "judge", "not identified in practice: 2 levels, one difference"),
        ({"combos": 6, "judges": 3}, "judge", "rough: 3 levels"),
        ({"combos": 6, "judges": 5}, "judge", ""),
        ({"combos": 6}, "judge", "not identified: 1 level"),
        ({"combos": 6, "judges": 3}, "combination", "not identified: counted in essay"),
        ({"combos": 6, "judges": 3}, "essay x judge", "not identified: counted in residual"),
        ({}, "essay", "1 score: nothing can be told"),
    ],
)
def test_what_cannot_be_identified_is_said(size, name, warning):
    variances = {"judge": 1.0, "essay": 1.0, RESIDUAL: 0.2}
    row = component(g_study(simulated(variances=variances, **size)), name)
    assert row["warning"] == warning
    assert math.isnan(row["variance"]) == (warning.startswith("not identified: ") or "1 score" in warning)


def test_a_component_below_zero_is_taken_as_zero_and_said():
    row = component(g_study(as_scores(persons_as_essays([[1, 9], [9, 1], [2, 8], [8, 2]]))), "essay")
    assert (row["variance"], row["share"]) == (0, 0)
    assert re.match(r"below 0 by analysis of variance \(-16\.7\); taken as 0$", row["warning"])


def test_a_design_too_large_for_reml_is_analysed_all_the_same(monkeypatch):
    scores = simulated(combos=10, judges=3, rubrics=2)
    fitted = g_study(scores)
    monkeypatch.setattr(reml, "MOST_OPERATIONS", 0)
    table = g_study(scores)
    assert set(table["method"]) == {"ANOVA"}
    assert component(table, "essay")["variance"] == pytest.approx(
        component(fitted, "essay")["variance"], rel=0.1
    )


@pytest.mark.parametrize(("study", "kinds"), [(g_study, G_KINDS), (d_study, D_KINDS)])
def test_no_rows_make_an_empty_table_with_its_columns(study, kinds):
    table = study(parsed_scores([]))
    assert table.empty
    assert list(table.columns) == list(kinds)


def test_no_score_tells_nothing():
    scores = as_scores(crossed(combos=3, judges=2).assign(value=math.nan))
    table = g_study(scores)
    assert set(table["warning"]) == {"no score"}
    assert table[["variance", "share", "phi"]].isna().all(axis=None)
    assert d_study(scores).empty


@pytest.mark.parametrize("values", [5.0, 0.0])
def test_scores_that_are_all_equal_have_no_variance(values):
    table = g_study(as_scores(crossed(combos=3, judges=3).assign(value=values)))
    assert table["variance"].dropna().unique().tolist() == [0]
    assert table["share"].isna().all()
    assert table["phi"].isna().all()


# --- coefficients ---

ONE_EACH = dict.fromkeys([*PARTS, RESIDUAL], 1.0)


@pytest.mark.parametrize(
    ("of", "universe", "relative", "absolute"),
    [
        # 2 combinations, 3 templates, 5 generators, 7 replicates, 11 judges, 13 rubrics, 17 repeats
        ("essay", 5, 1 / 11 + 1 / 13 + 1 / 143 + 1 / 2431, 2 * (1 / 11 + 1 / 13 + 1 / 143) + 1 / 2431),
        (
            "generation template", 1,
            1 / 10 + 1 / 70 * (1 + 1 / 11 + 1 / 13 + 1 / 143 + 1 / 2431),
            1 / 10 + 1 / 70 * (1 + 1 / 11 + 1 / 13 + 1 / 143 + 1 / 2431)
            + 1 / 2 + 1 / 5 + 1 / 11 + 1 / 13 + 1 / 143,
        ),
        (
            "combination", 1,
            1 / 15 + 1 / 105 * (1 + 1 / 11 + 1 / 13 + 1 / 143 + 1 / 2431),
            1 / 15 + 1 / 105 * (1 + 1 / 11 + 1 / 13 + 1 / 143 + 1 / 2431)
            + 1 / 3 + 1 / 5 + 1 / 11 + 1 / 13 + 1 / 143,
        ),
    ],
)  # fmt: skip
def test_error_variances_by_hand(of, universe, relative, absolute):
    components = Components(ONE_EACH, {}, ONE_EACH, {}, "REML")
    found = precision(components, Design(2, 3, 5, 7, 11, 13, 17), of)
    assert (found.universe, found.relative, found.absolute) == pytest.approx((universe, relative, absolute))
    assert found.generalizability == pytest.approx(universe / (universe + relative))
    assert found.phi == pytest.approx(universe / (universe + absolute))


def test_the_standard_error_is_what_means_of_simulated_designs_scatter_by():
    """The mean of one template beside another one, over 300 designs: SE of the difference is √2 · se."""
    size = {"combos": 4, "templates": 2, "judges": 3}
    variances = {"combination": 1.0, "essay": 0.5, "judge": 1.0, "essay x judge": 0.5, RESIDUAL: 0.3}
    cells, rng = crossed(**size, rubrics=2), np.random.default_rng(1)
    differences = []
    for _ in range(300):
        means = with_values(cells, rng, variances).groupby("generation_template")["value"].mean()
        differences.append(means.iloc[0] - means.iloc[1])
    components = Components(ONE_EACH | dict.fromkeys(ONE_EACH, 0.0) | variances, {}, {}, {}, "REML")
    se = math.sqrt(precision(components, Design(4, 2, 1, 1, 3, 2, 1), "generation template").relative)
    assert np.std(differences) == pytest.approx(math.sqrt(2) * se, rel=0.13)


# --- D study ---


def rows_of(table, of, change):
    return table[(table["object"] == of) & (table["change"] == change)]


def test_the_worked_example_with_other_numbers():
    """Arithmetic on the components of synthetic data set 3; no published errors are claimed."""
    table = d_study(as_scores(persons_as_essays(P_I_O)))
    now = rows_of(table, "essay", "as it is").iloc[0]
    assert now[["judges", "rubrics", "added_evaluations"]].tolist() == [4, 2, 0]
    assert now["se"] == pytest.approx(math.sqrt(0.575 / 4 + 0.1009 / 2 + 0.9352 / 8), abs=0.001)
    assert now["se_absolute"] ** 2 - now["se"] ** 2 == pytest.approx(
        0.4417 / 4 + 0.0074 / 2 + 0.1565 / 8, abs=0.001
    )
    eight = rows_of(table, "essay", "more judges").set_index("added").loc[4]
    assert eight["se"] == pytest.approx(math.sqrt(0.575 / 8 + 0.1009 / 2 + 0.9352 / 16), abs=0.001)
    assert eight["added_evaluations"] == 10 * 4 * 2
    assert eight["generalizability"] > now["generalizability"]


def test_dollars_are_calls_times_their_mean_price():
    scores = simulated(combos=6, templates=2, judges=3, rubrics=2, costs=(0.05, 0.01))
    scores.loc[0, "evaluation_cost_usd"] = math.nan
    table = d_study(scores)
    combos = rows_of(table, "generation template", "more combinations").set_index("added").loc[6]
    assert combos[["added_generations", "added_evaluations"]].tolist() == [12, 72]
    assert combos["added_cost_usd"] == pytest.approx(12 * 0.05 + 72 * 0.01)
    judges = rows_of(table, "generation template", "more judges").set_index("added").loc[3]
    assert judges[["added_generations", "added_evaluations"]].tolist() == [0, 72]
    assert judges["added_cost_usd"] == pytest.approx(0.72)


def test_prices_that_nobody_knows_are_empty_unless_nothing_is_bought_for_them():
    scores = simulated(combos=6, templates=2, judges=3, costs=(None, 0.01))
    table = d_study(scores)
    assert rows_of(table, "generation template", "more judges")["added_cost_usd"].notna().all()
    assert rows_of(table, "generation template", "more combinations")["added_cost_usd"].isna().all()


def test_what_has_no_price_is_not_advised_before_what_has_one():
    note = rows_of(
        d_study(simulated(combos=6, templates=2, judges=3, rubrics=3, costs=(None, 0.01)), target_se=0.12),
        "generation template",
        "conclusion",
    )["note"].item()
    assert re.search(r"add \d+ judges \(\$[\d.]+\), not \d+ combinations? \(\d+ calls\)\.$", note), note


def test_the_conclusion_names_the_cheapest_way_and_the_next():
    scores = simulated(combos=6, templates=2, judges=3, rubrics=3, costs=(0.05, 0.01))
    table = d_study(scores, target_se=0.12)
    note = rows_of(table, "generation template", "conclusion")["note"].item()
    said = re.fullmatch(
        r"generation template: the SE of a mean is 0\.17; for SE 0\.12 add (\d+) judges \(\$([\d.]+)\), "
        r"not (\d+) combinations \(\$([\d.]+)\)\.", note,
    )  # fmt: skip
    assert said, note
    reaching = table[table["note"].str.startswith("reaches SE 0.12")].set_index(["object", "change"])
    bought = [reaching.loc["generation template", f"more {noun}"] for noun in ("judges", "combinations")]
    assert [row["added"] for row in bought] == [int(said[1]), int(said[3])]
    assert [row["added_cost_usd"] for row in bought] == pytest.approx([float(said[2]), float(said[4])])
    assert float(said[2]) < float(said[4])
    alone = rows_of(d_study(scores, target_se=0.2), "combination", "conclusion")["note"].item()
    assert alone.endswith("; nothing else does it alone, as far as this design can tell.")


def test_as_many_are_added_as_needed_and_no_more():
    table = d_study(simulated(combos=6, templates=2, judges=3, rubrics=3), target_se=0.12)
    reaching = table[table["note"].str.startswith("reaches")]
    assert len(reaching) >= 3
    for row in reaching.to_dict("records"):
        same = rows_of(table, row["object"], row["change"])
        fewer = same[same["added"] < row["added"]]
        assert row["se"] <= 0.12
        assert (fewer["se"] > 0.12).all()


@pytest.mark.parametrize(
    ("target", "text"),
    [(9, "not above 9: nothing to add"), (1e-6, "no single addition whose effect this design can tell")],
)
def test_conclusions_where_nothing_is_to_be_bought(target, text):
    table = d_study(simulated(combos=6, templates=2, judges=3), target_se=target)
    assert text in rows_of(table, "essay", "conclusion")["note"].item()


def test_calls_stand_in_for_dollars():
    table = d_study(simulated(combos=6, templates=2, judges=3, rubrics=3), target_se=0.12)
    note = rows_of(table, "generation template", "conclusion")["note"].item()
    assert note.endswith("add 7 combinations (140 calls), not 4 judges (144 calls).")


def test_what_one_level_cannot_tell_is_a_bound_and_never_the_advice():
    table = d_study(simulated(combos=6, templates=2, judges=3), target_se=0.3)
    assert rows_of(table, "essay", "as it is")["note"].item() == (
        "what another rubric or evaluation replicate would change is not in the SE"
    )
    rubrics = rows_of(table, "essay", "more rubrics")
    assert rubrics["note"].str.contains("at best: 1 rubric cannot tell what more would do").all()
    for note in table.loc[table["change"] == "conclusion", "note"]:
        assert "rubric" not in note
        assert "replicate" not in note


def test_objects_that_cannot_be_told_have_no_rows():
    table = d_study(simulated(combos=6, judges=3))
    assert table["object"].unique().tolist() == ["essay"]


@pytest.mark.parametrize("target", [0, -1, math.nan])
def test_a_target_that_is_none_is_refused(target):
    with pytest.raises(InputError, match="target_se must be above 0 points"):
        d_study(parsed_scores([]), target_se=target)


@pytest.mark.parametrize("scores", [{"combos": 3, "templates": 2, "rubrics": 3}, {"combos": 2, "judges": 2}])
def test_advice_from_few_essays_is_never_a_hundred_of_anything(scores):
    noisy = {RESIDUAL: 9.0, "essay": 0.1}
    table = d_study(simulated(variances=noisy, **scores))
    for row in table[table["note"].str.startswith("reaches")].to_dict("records"):
        (change,) = (c for c, (noun, _) in CHANGES.items() if row["change"] == f"more {noun}s")
        assert row[change] <= MOST[change]
    notes = table.loc[table["change"] == "conclusion", "note"].tolist()
    assert notes
    for note in notes:
        assert "essays are too few to know more" in note
        if "no single addition" in note:
            assert re.search(r"0\.2 within reason \(up to .*\): \d+ % of the error is ", note), note


def test_shares_of_the_error_are_those_of_the_hand_made_one():
    components = Components(ONE_EACH, {}, ONE_EACH, {}, "REML")
    shares = error_shares(components, Design(2, 3, 5, 7, 11, 13, 17), "essay")
    whole = 1 / 11 + 1 / 13 + 1 / 143 + 1 / 2431
    assert shares == pytest.approx(
        {
            "essay x judge": 1 / 11 / whole,
            "essay x rubric": 1 / 13 / whole,
            "essay x judge x rubric": 1 / 143 / whole,
            RESIDUAL: 1 / 2431 / whole,
        }
    )
    none = Components(dict.fromkeys(ONE_EACH, 0.0), {}, {}, {}, "REML")
    assert error_shares(none, Design(2, 3, 5, 7, 11, 13, 17), "essay") == {}
