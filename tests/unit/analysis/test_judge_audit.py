"""Habits of judges: those that were put into simulated scores are found again."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from daydreaming.analysis import bias, bootstrap
from daydreaming.analysis.judge_audit import AUDIT_KINDS, RANKING_KINDS, adjusted_ranking, judge_audit
from daydreaming.analysis.scores import parsed_scores

pytestmark = pytest.mark.filterwarnings("error")

LENIENCY = {"acme/a": 0.5, "bolt/b": 0.0, "core/c": -0.5}
OWN, KIN = 0.8, 0.4


def judged(
    row, *, seed=1, combos=40, judges=LENIENCY, generators=("acme/a", "bolt/b", "acme/d"), rubrics=2,
    noise=0.5, missing=0.0, own=OWN, kin=KIN, **other,
):  # fmt: skip
    """Essays of known quality, each judged by all, with leniency, self- and family preference added."""
    rng = np.random.default_rng(seed)
    rows = []
    for combo in range(combos):
        for generator in generators:
            quality = rng.normal(5, 0.7)
            for rubric in range(rubrics):
                for judge, leniency in judges.items():
                    liked = own * (judge == generator)
                    liked += kin * (judge != generator and judge.split("/")[0] == generator.split("/")[0])
                    score = float(np.clip(quality + leniency + liked + rng.normal(0, noise), 0, 10))
                    absent = rng.random() < missing
                    rows.append(
                        row(None if absent else score, combo=f"c{combo:03}", model=generator, judge=judge,
                            rubric=f"r{rubric}", **other)
                    )  # fmt: skip
    return parsed_scores(rows)


def statistic(table, judge, name):
    return table[(table["evaluation_model"] == judge) & (table["statistic"] == name)].iloc[0]


def test_each_judge_has_every_statistic(row):
    table = judge_audit(judged(row, combos=3), resamples=50)
    assert list(table.columns) == list(AUDIT_KINDS)
    names = [
        "leniency", "self_preference", "family_preference", "length_slope", "retest_sd", "retest_reliability",
        "at_minimum", "at_maximum", "parse_failures",
    ]  # fmt: skip
    for judge in LENIENCY:
        assert table.loc[table["evaluation_model"] == judge, "statistic"].tolist() == names
    pooled = table.loc[table["evaluation_model"] == "", "statistic"].tolist()
    assert pooled == ["self_preference", "family_preference"]


@pytest.mark.parametrize("missing", [0, 0.3])
def test_known_biases_are_recovered_within_their_intervals(row, missing):
    table = judge_audit(judged(row, missing=missing), resamples=400)
    known = {(judge, "leniency"): value for judge, value in LENIENCY.items()}
    known |= {("acme/a", "self_preference"): OWN, ("bolt/b", "self_preference"): OWN}
    known |= {("acme/a", "family_preference"): KIN, ("", "self_preference"): OWN}
    for (judge, name), value in known.items():
        found = statistic(table, judge, name)
        assert found["value"] == pytest.approx(value, abs=0.25)
        assert found["ci_low"] - 0.05 < value < found["ci_high"] + 0.05
        assert 0.05 < found["ci_high"] - found["ci_low"] < 0.8
    assert table.loc[table["statistic"] == "leniency", "value"].sum() == pytest.approx(0, abs=1e-6)


def test_intervals_cover_as_often_as_they_say(row):
    """Of 60 simulated tables about 57 intervals hold the truth; fewer than 52 has a chance below 1 in 100."""
    covered = 0
    for seed in range(60):
        table = judge_audit(judged(row, seed=seed, combos=20, rubrics=1), resamples=200)
        found = statistic(table, "bolt/b", "self_preference")
        covered += found["ci_low"] <= OWN <= found["ci_high"]
    assert covered >= 52


def test_an_essay_that_only_lenient_judges_read_does_not_make_them_strict(row):
    rows = [row(8, combo=f"good{i}", judge="lenient") for i in range(5)]
    rows += [row(3, combo=f"bad{i}", judge="strict") for i in range(5)]
    rows += [row(5 + (judge == "lenient"), combo="both", judge=judge) for judge in ("lenient", "strict")]
    table = judge_audit(parsed_scores(rows), resamples=0)
    assert statistic(table, "lenient", "leniency")["value"] == pytest.approx(0.5)
    assert statistic(table, "strict", "leniency")["value"] == pytest.approx(-0.5)


def test_judges_that_no_essay_connects_are_not_compared(row):
    rows = [row(8, combo="a", judge=j) for j in ("j1", "j2")] + [
        row(3, combo="b", judge=j) for j in ("j3", "j4")
    ]
    table = judge_audit(parsed_scores(rows), resamples=20)
    leniency = table[table["statistic"] == "leniency"]
    assert leniency["value"].isna().all()
    assert set(leniency["why"]) == {"no essay connects this judge with the others"}


def test_two_judges_that_write_are_told_together_only(row):
    judges = {"acme/a": 0.3, "bolt/b": -0.3}
    table = judge_audit(judged(row, judges=judges, generators=("acme/a", "bolt/b")), resamples=100)
    alone = statistic(table, "acme/a", "self_preference")
    assert math.isnan(alone["value"])
    assert alone["why"] == (
        "cannot be told from leniency: needs more judges, or generators that do not judge"
    )
    assert statistic(table, "", "self_preference")["value"] == pytest.approx(OWN, abs=0.15)
    # Without the effects that stand in its way; each likes its own alike, so nothing is lost.
    assert statistic(table, "acme/a", "leniency")["value"] == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ({}, None),
        ({"generation_family": "acme", "evaluation_family": "acme"}, 0.4),
        ({"generation_family": "acme", "evaluation_family": ""}, None),
    ],
)
def test_families_come_from_their_columns_where_ids_have_none(row, columns, value):
    names = {"generation_family": "", "evaluation_family": ""} | columns
    rows = []
    for combo in range(20):
        for generator in ("w1", "w2"):
            for judge in ("j1", "j2", "j3"):
                related = generator == "w1" and judge == "j1"
                families = {k: v if related else k for k, v in names.items()} if columns else names
                score = 5 + 0.4 * related + 0.1 * (combo % 3)
                rows.append(row(score, combo=f"c{combo}", model=generator, judge=judge, **families))
    found = statistic(judge_audit(parsed_scores(rows), resamples=20), "j1", "family_preference")
    if value is None:
        assert math.isnan(found["value"])
        assert "famil" in found["why"]
    else:
        assert found["value"] == pytest.approx(value)


@pytest.mark.parametrize(
    ("judge", "name", "why"),
    [
        ("core/c", "self_preference", "is no generator here"),
        ("bolt/b", "family_preference", "no essay of another model of its family"),
        ("acme/a", "length_slope", "no length of essays in the table"),
        ("acme/a", "retest_sd", "no essay was judged twice by one rubric"),
    ],
)
def test_what_is_missing_has_its_reason(row, judge, name, why):
    found = statistic(judge_audit(judged(row, combos=4), resamples=20), judge, name)
    assert math.isnan(found["value"])
    assert found["why"] == why


def test_the_slope_on_length_is_within_generators(row):
    """The long-winded generator is the better one; within a generator each 1,000 characters give 0.5."""
    rng = np.random.default_rng(1)
    rows = []
    for combo in range(60):
        for generator, base, typical in (("short", 3.0, 1000), ("long", 7.0, 5000)):
            chars = int(typical + rng.normal(0, 400))
            score = base + 0.5 * (chars - typical) / 1000 + rng.normal(0, 0.1)
            rows.append(row(score, combo=f"c{combo}", model=generator, essay_chars=chars))
    found = statistic(judge_audit(parsed_scores(rows), resamples=200), "j1", "length_slope")
    assert found["value"] == pytest.approx(0.5, abs=0.06)
    assert found["ci_low"] < 0.5 < found["ci_high"]


def test_essays_of_one_length_have_no_slope(row):
    rows = [row(i, combo=f"c{i}", essay_chars=900) for i in range(5)]
    found = statistic(judge_audit(parsed_scores(rows), resamples=20), "j1", "length_slope")
    assert found["why"] == "the essays of a generator are all of one length"


def test_a_slope_through_two_essays_is_none(row):
    rows = [row(5 - i, combo=f"c{i}", essay_chars=1000 + 10 * i) for i in range(2)]
    found = statistic(judge_audit(parsed_scores(rows), resamples=20), "j1", "length_slope")
    assert math.isnan(found["value"])
    assert found["why"] == "too few essays for a slope: 2"


def test_a_second_reading_measures_noise(row):
    rng = np.random.default_rng(1)
    rows = [
        row(
            float(np.clip(quality + rng.normal(0, 0.5), 0, 10)), combo=f"c{combo}", evaluation_replicate=again
        )
        for combo, quality in enumerate(rng.normal(5, 1.5, 300))
        for again in (1, 2)
    ]
    table = judge_audit(parsed_scores(rows), resamples=200)
    sd = statistic(table, "j1", "retest_sd")
    assert sd["value"] == pytest.approx(0.5, abs=0.06)
    assert sd["ci_low"] < 0.5 < sd["ci_high"]
    assert statistic(table, "j1", "retest_reliability")["value"] == pytest.approx(0.9, abs=0.02)


def test_a_judge_that_repeats_itself_is_wholly_reliable(row):
    rows = [row(c, combo=f"c{c}", evaluation_replicate=again) for c in range(4) for again in (1, 2)]
    table = judge_audit(parsed_scores(rows), resamples=20)
    assert statistic(table, "j1", "retest_sd")["value"] == 0
    assert statistic(table, "j1", "retest_reliability")["value"] == 1


def test_ends_of_the_scale_are_those_of_the_rubric(row):
    rows = [row(s, combo=f"c{i}", scale=(0, 9)) for i, s in enumerate([9, 9, 0, 5])]
    rows += [row(9, combo=f"c{i}", rubric="r2") for i in range(4)]
    table = judge_audit(parsed_scores(rows), resamples=100)
    assert statistic(table, "j1", "at_maximum")["value"] == 2 / 8
    assert statistic(table, "j1", "at_minimum")["value"] == 1 / 8
    assert statistic(table, "j1", "at_maximum")["ci_high"] > 2 / 8


def test_only_answers_can_fail_to_be_parsed(row):
    rows = [row(5, combo="a"), row(None, combo="b"), row(None, combo="c", evaluation_response_path="")]
    failures = statistic(judge_audit(parsed_scores(rows), resamples=20), "j1", "parse_failures")
    rough = "only 2 essays: the interval is rough, likely too narrow"
    assert failures[["value", "n", "left_out", "why"]].tolist() == [0.5, 2, 1, rough]
    anywhere = parsed_scores({**r, "evaluation_response_path": ""} for r in rows)
    failures = statistic(judge_audit(anywhere, resamples=20), "j1", "parse_failures")
    assert failures["value"] == pytest.approx(2 / 3)
    assert failures["why"].endswith("; no paths of answers: every unscored row counts")


def test_an_interval_without_width_is_left_empty_and_one_of_few_essays_is_called_rough(row):
    def audit(combos):
        rows = [
            row(4 + combo % 3 + (judge == "j2") * (combo % 2), combo=f"c{combo}", judge=judge)
            for combo in range(combos)
            for judge in ("j1", "j2")
        ]
        return judge_audit(parsed_scores(rows), resamples=100)

    alike = statistic(audit(12), "j1", "parse_failures")
    assert (alike["value"], alike["why"]) == (0, "no interval: the 12 essays are all alike in it")
    assert math.isnan(alike["ci_low"])
    assert statistic(audit(12), "j1", "leniency")["why"] == ""
    few = statistic(audit(6), "j1", "leniency")
    assert few["ci_low"] < few["value"] < few["ci_high"]
    assert few["why"] == "only 6 essays: the interval is rough, likely too narrow"


@pytest.mark.parametrize("judges_name", ["acme/one", "acme/one:free"])
def test_a_judge_that_is_the_generator_under_another_id_is_found_by_the_models_name(row, judges_name):
    names = {"w": "acme/one", "x": "bolt/two", "j": judges_name, "k": "core/three", "l": "dune/four:8b"}
    rows = [
        row(5 + (combo % 4) / 2 + OWN * (writer == "w" and judge == "j"), combo=f"c{combo}", model=writer,
            judge=judge, generation_model_name=names[writer], evaluation_model_name=names[judge])
        for combo in range(20) for writer in "wx" for judge in "jkl"
    ]  # fmt: skip
    scores = parsed_scores(rows)
    found = statistic(judge_audit(scores, resamples=50), "j", "self_preference")
    assert found["value"] == pytest.approx(OWN)
    ranking = adjusted_ranking(scores).set_index("level")
    assert ranking.loc["w", "adjusted_mean"] == pytest.approx(ranking.loc["x", "adjusted_mean"])
    assert ranking.loc["w", "mean"] > ranking.loc["x", "mean"]


def test_the_table_depends_on_the_seed_alone(row):
    scores = judged(row, combos=4)
    first = judge_audit(scores, resamples=50)
    pd.testing.assert_frame_equal(first, judge_audit(scores.sample(frac=1, random_state=1), resamples=50))
    other = judge_audit(scores, resamples=50, seed=1)
    assert first["value"].equals(other["value"])
    assert not first["ci_low"].equals(other["ci_low"])


def test_memory_does_not_grow_with_essays_at_once(row, monkeypatch):
    scores = judged(row, combos=6)
    whole = judge_audit(scores, resamples=50)
    monkeypatch.setattr(bias, "CHUNK", 100)
    monkeypatch.setattr(bootstrap, "CHUNK", 100)
    pieces = judge_audit(scores, resamples=50)
    effects = ["leniency", "self_preference", "family_preference"]
    of_regression = whole["statistic"].isin(effects)
    pd.testing.assert_frame_equal(whole[of_regression], pieces[of_regression], rtol=1e-6)


@pytest.mark.parametrize("table", [judge_audit, adjusted_ranking])
def test_no_rows_make_an_empty_table_with_its_columns(table):
    found = table(parsed_scores([]))
    assert found.empty
    assert list(found.columns) == list(AUDIT_KINDS if table is judge_audit else RANKING_KINDS)


def test_no_score_gives_reasons_and_no_numbers(row):
    scores = parsed_scores([row(None, combo=f"c{i}", judge=j) for i in range(3) for j in ("j1", "j2")])
    table = judge_audit(scores, resamples=20)
    audited = table[table["statistic"] != "parse_failures"]
    assert audited["value"].isna().all()
    assert (audited["why"] != "").all()
    assert set(audited["left_out"]) == {3, 6}
    ranking = adjusted_ranking(scores)
    assert ranking["rank"].isna().all()
    assert set(ranking["why"]) == {"no score"}


def test_one_judge_has_no_leniency(row):
    table = judge_audit(parsed_scores([row(i, combo=f"c{i}") for i in range(4)]), resamples=20)
    assert statistic(table, "j1", "leniency")["why"] == "only one judge"
    assert adjusted_ranking(parsed_scores([row(3)]))["why"].unique().tolist() == [
        "cannot be told, so not taken out: leniency"
    ]


def test_one_essay_has_no_interval(row):
    table = judge_audit(judged(row, combos=1, generators=("w",)), resamples=20)
    assert not math.isnan(statistic(table, "acme/a", "leniency")["value"])
    assert statistic(table, "acme/a", "leniency")["why"] == "no interval: too few essays"
    assert statistic(table, "acme/a", "at_maximum")["why"] == "no interval: 1 essay"


# --- ranking ---


def ranked(table, factor="generation_model"):
    return table[table["factor"] == factor].set_index("level")


def test_a_generator_that_praises_itself_falls_when_that_is_taken_out(row):
    """The outsider is better by 0.3, but the other two have a judge each that adds 2 to its own essays."""
    judges = {"acme/a": 0.0, "bolt/b": 0.0, "core/c": 0.0}
    scores = judged(row, judges=judges, generators=("acme/a", "bolt/b", "outsider"), own=2.0, noise=0.1)
    lifted = scores["generation_model"] == "outsider"
    scores.loc[lifted, "score"] = (scores.loc[lifted, "score"] + 0.3).clip(upper=10)
    table = ranked(adjusted_ranking(scores))
    assert table.loc["outsider", ["rank", "adjusted_rank", "rank_change"]].tolist() == [3, 1, 2]
    lost = table["mean"] - table["adjusted_mean"]
    assert lost.loc[["acme/a", "bolt/b", "outsider"]].tolist() == pytest.approx([2 / 3, 2 / 3, 0], abs=0.1)


def test_leniency_is_taken_out_where_judges_read_different_essays(row):
    """The strict judge read the better template's essays, the lenient one the other's; some essays both."""
    rng = np.random.default_rng(1)
    rows = []
    for combo in range(30):
        for template, quality in (("good", 6.0), ("poor", 5.0)):
            for judge, leniency in (("strict", -1.0), ("lenient", 1.0)):
                if combo < 10 or (template == "good") == (judge == "strict"):
                    score = quality + leniency + rng.normal(0, 0.2)
                    rows.append(row(score, combo=f"c{combo}", template=template, judge=judge))
    table = ranked(adjusted_ranking(parsed_scores(rows)), "generation_template")
    assert table["rank"].to_dict() == {"poor": 1, "good": 2}
    assert table["adjusted_rank"].to_dict() == {"poor": 2, "good": 1}
    assert table["adjusted_mean"].to_dict() == pytest.approx({"good": 6, "poor": 5}, abs=0.15)


def test_nothing_moves_where_all_judge_all_and_none_has_a_liking(row):
    table = adjusted_ranking(judged(row, own=0, kin=0, generators=("w1", "w2", "w3")))
    assert set(table["rank_change"]) == {0}
    assert table["adjusted_mean"].tolist() == pytest.approx(table["mean"].tolist())
    assert set(table["why"]) == {""}
