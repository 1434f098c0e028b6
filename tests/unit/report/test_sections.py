from __future__ import annotations

from dataclasses import replace

import pytest

from daydreaming.report.blocks import Code, Facts, Figure, Heading, Items, Paragraph, Table, Text
from daydreaming.report.costs import costs_section
from daydreaming.report.design import design_sentence, question_section
from daydreaming.report.essays import best_section, disputed_section
from daydreaming.report.judges import judges_section
from daydreaming.report.leaderboards import leaderboards_section, ranked_levels
from daydreaming.report.matrix import distributions_section, matrix_section
from daydreaming.report.missing import missing_section
from daydreaming.report.reproduce import reproduce_section
from daydreaming.report.source import Calls, Costs, Level, Money, RunLine
from daydreaming.report.summary import summary_section
from daydreaming.report.variance import next_design_section, variance_section
from tests.support.report_source import (
    DESIGN,
    MONEY,
    ORIGIN,
    alpha,
    audited,
    essay,
    level,
    make_source,
    pair,
    tables,
)


def of(section, kind):
    return [block for block in section.blocks if isinstance(block, kind)]


def facts(section):
    return dict(entry for block in of(section, Facts) for entry in block.entries)


def text_of(section):
    return "\n".join(block.text for block in of(section, Paragraph))


def cells(table):
    return [[cell.text for cell in row] for row in table.rows]


def table_of(section, caption):
    [found] = [table for table in of(section, Table) if caption in table.caption]
    return found


# In short


def test_the_summary_counts_names_the_leader_and_says_how_far_it_is_ahead():
    told = facts(summary_section(make_source()))
    assert told["Scored"] == "7 of 8 evaluations (87.5\u00a0%)"
    assert told["Mean score"] == "6.25 on 0–10; 1 with the highest score of their scale"
    assert told["Best generation template"] == (
        "tags, 7.50 (7.00 to 8.00); in pairs 2.50 points ahead of the next, essay (p 0.031, Holm)"
    )
    assert told["Spent"] == "1.5000 US dollars, 0.2143 for each score"
    assert told["Missing"] == "1 call failed, 0 calls without an answer yet"
    assert "Best generator" not in told  # One generator alone is no contest.


def test_a_leader_by_mean_that_is_behind_in_pairs_is_said_to_be_behind():
    rows = {**tables(), "paired_comparisons": [pair("generation_template", "tags", "essay", -0.1, 0.9)]}
    told = facts(summary_section(make_source(tables=rows)))
    assert "in pairs 0.10 points behind the next, essay (p 0.900, Holm)" in told["Best generation template"]


def test_leaders_with_equal_means_are_all_named_as_equal():
    rows = [level("generation_template", n, m) for n, m in (("tags", 7.0), ("plain", 6.0), ("essay", 7.0))]
    source = make_source(tables={**tables(), "factor_levels": rows})
    assert facts(summary_section(source))["Best generation template"] == "equal first: essay; tags, 7.00 each"
    rows = [level("generation_template", f"t{i}", 7.0) for i in range(6)]
    source = make_source(tables={**tables(), "factor_levels": rows})
    assert facts(summary_section(source))["Best generation template"] == (
        "equal first: t0; t1; t2; t3; 2 more, 7.00 each"
    )


def test_without_a_test_the_next_is_named_with_its_interval():
    rows = {**tables(), "paired_comparisons": []}
    told = facts(summary_section(make_source(tables=rows)))
    assert told["Best generation template"].endswith("; the next is essay, 5.00 (4.00 to 6.00)")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.85], "alpha 0.85: reliable"),
        ([0.7], "alpha 0.70: enough for tentative conclusions"),
        ([0.3, 0.9], "alpha 0.30 to 0.90 by rubric: too weak to build on a single judge"),
    ],
)
def test_the_agreement_of_the_judges_is_put_into_words(values, verdict):
    rows = {**tables(), "judge_reliability": [alpha(v, f"r{i}") for i, v in enumerate(values)]}
    assert facts(summary_section(make_source(tables=rows)))["Agreement of the judges"].endswith(verdict)


# Question and design


def test_the_question_stands_before_the_design_in_words():
    section = question_section(make_source(question="Do more concepts help?"))
    assert text_of(section) == "\n".join(["Do more concepts help?", design_sentence(DESIGN)])
    assert text_of(question_section(make_source())) == design_sentence(DESIGN)


def test_the_design_in_words():
    assert design_sentence(DESIGN) == (
        "1 combination of 2 out of 2 concepts (sentence texts), written up by 2 generators under 2 "
        "generation templates: 4 essays. Judged by 2 judges and 1 rubric: 8 evaluations."
    )
    twice = replace(DESIGN, generation_replicates=2, evaluation_replicates=3)
    assert (
        "templates, 2 times each: 4 essays. Judged by 2 judges and 1 rubric, 3 times each"
        in design_sentence(twice)
    )


# Costs


def test_costs_are_drawn_and_listed_by_model_and_stage():
    section = costs_section(make_source())
    assert facts(section) == {
        "Spent": "1.5000 US dollars in 12 attempts",
        "For each score": "0.2143 US dollars",
    }
    assert [table.caption for table in of(section, Table)] == ["By model", "By stage"]
    assert cells(of(section, Table)[0]) == [["north", "12", "1.5000", "0.0000"]]
    assert "1.5000" in of(section, Figure)[0].chart


def test_what_makes_a_sum_doubtful_is_told():
    money = replace(MONEY, unknown=1, cut_off=2, unpriced=3, reserved_nanousd=10)
    days = {"2026-03-01": money, "2026-03-02": money}
    section = costs_section(make_source(costs=Costs(money, {"m": money}, {}, days)))
    assert facts(section)["Of unknown outcome"] == "1 attempt, counted with their worst case"
    assert facts(section)["Cut off at max_tokens"] == "2 attempts, paid, and of no use"
    assert facts(section)["Of unknown price"] == "3 attempts, counted with nothing"
    assert of(section, Table)[-1].caption == "By day (UTC)"


def test_free_models_need_no_chart():
    free = Money(attempts=3)
    section = costs_section(make_source(costs=Costs(free, {"free": free}, {"generation": free}, {})))
    assert of(section, Figure) == []
    assert "Every model that was called is free." in text_of(section)


# Leaderboards


def test_levels_stand_by_mean_and_those_without_one_last():
    rows = [level("combo_id", n, m) for n, m in (("c", None), ("b", 4.0), ("a", 4.0), ("d", 9.0))]
    source = make_source(tables={"factor_levels": rows})
    assert [row["level"] for row in ranked_levels(source, "combo_id")] == ["d", "a", "b", "c"]


def test_a_leaderboard_has_a_chart_its_numbers_and_the_pairs():
    section = leaderboards_section(make_source())
    assert [h.text for h in of(section, Heading)] == ["Generation templates", "Combinations"]
    board = table_of(section, "Generation templates by mean score")
    assert cells(board) == [
        ["1", "tags", "7.50 (7.00 to 8.00)", "4", "2", "0"],
        ["2", "essay", "5.00 (4.00 to 6.00)", "4", "2", "0"],
    ]
    pairs = table_of(section, "in pairs")
    assert cells(pairs) == [["tags", "essay", "2.50", "1.25", "0.031", "0.031", "6"]]
    assert pairs.rows[0][5].style == "strong"
    assert "mean of all" in of(section, Figure)[0].chart


def test_levels_with_equal_means_share_the_better_place():
    means = {"a": 4.0, "b": 7.0, "c": 7.0, "d": None, "e": 4.0, "f": 3.0}
    rows = [level("generation_template", name, mean) for name, mean in means.items()]
    section = leaderboards_section(make_source(tables={"factor_levels": rows}))
    board = cells(table_of(section, "Generation templates by mean score"))
    assert [(row[0], row[1]) for row in board] == [
        ("1", "b"), ("1", "c"), ("3", "a"), ("3", "e"), ("5", "f"), ("–", "d"),
    ]  # fmt: skip


def test_combinations_are_named_by_their_concepts():
    section = leaderboards_section(make_source())
    assert cells(table_of(section, "Combinations"))[0][1:3] == ["combo_v1_a", "Economic moat + Search"]
    assert "Economic moat + Search" in of(section, Figure)[-1].chart


def test_a_long_leaderboard_is_drawn_by_its_ends():
    rows = [level("generation_template", f"t{i:03}", i / 10) for i in range(90)]
    section = leaderboards_section(make_source(tables={"factor_levels": rows}))
    [chart] = of(section, Figure)
    assert chart.caption == "The first and the last 12; 66 more are between them."
    assert ">t089<" in chart.chart
    assert ">t000<" in chart.chart
    assert ">t045<" not in chart.chart


# Matrix and distributions


def test_the_matrix_paints_means_and_marks_what_is_missing():
    section = matrix_section(make_source())
    [heat_map] = of(section, Table)
    assert [c.name for c in heat_map.columns] == ["template", "north", "south"]
    assert cells(heat_map) == [["tags", "7.50", "–"], ["essay", "5.00", "–"]]  # highest first
    styles = [[cell.style for cell in row[1:]] for row in heat_map.rows]
    assert styles == [["heat-7", "heat-none"], ["heat-1", "heat-none"]]
    assert heat_map.rows[0][1].hover == "4 of 4 scored"


def test_every_judge_has_a_panel():
    [figure] = of(distributions_section(make_source()), Figure)
    assert "n 3, 1 missing" in figure.chart
    assert "mean 7.75" in figure.chart


# Judges


def test_leniency_is_drawn_and_all_habits_are_listed():
    section = judges_section(make_source())
    assert [h.text for h in of(section, Heading)] == [
        "Agreement",
        "Leniency",
        "Self-preference",
        "All habits",
    ]
    assert cells(table_of(section, "What each judge does"))[0][:2] == ["kind", "0.40"]
    assert cells(table_of(section, "Would another judge"))[0][2] == "0.70 (0.10 to 0.90)"


def test_self_preference_is_drawn_where_it_can_be_told_and_else_says_why_not():
    audit = [audited("north", "self_preference", 0.6)]
    section = judges_section(make_source(tables={**tables(), "judge_audit": audit}))
    assert "Self-preference of each judge" in of(section, Figure)[-1].chart
    audit = [audited("north", "self_preference", None, "no other judge")]
    section = judges_section(make_source(tables={**tables(), "judge_audit": audit}))
    assert "cannot be told from these scores (no other judge): this waits for a judge" in text_of(section)


def test_one_judge_alone_waits_for_a_second():
    source = make_source(design=replace(DESIGN, evaluation_models=[Level("kind", "Kind")]))
    assert "One judge alone cannot disagree: this waits for a second judge." in text_of(
        judges_section(source)
    )
    assert "this waits for a second judge" in text_of(disputed_section(source))


# Variance and the next design


def component(name, share, **other):
    row = {"component": name, "levels": 3, "variance": 0.5, "ci_low": 0.1, "ci_high": 2.0, "share": share}
    return {**row, "generalizability": 0.9, "phi": None, "warning": "", **other}


def study(change, se, **other):
    row = {"object": "generator", "change": change, "added": None, "combinations": 10.0, "judges": 2.0}
    row |= {"rubrics": 1.0, "replicates": 1.0, "evaluation_replicates": 1.0, "se": se, "se_absolute": 0.5}
    row |= {"generalizability": 0.8, "added_generations": 0, "added_evaluations": 0, "added_cost_usd": 0}
    return {**row, "note": "", **other}


def test_shares_of_the_variance_are_drawn_and_listed():
    rows = [component("essay", 0.75), component("judge", 0.25), component("residual", None, warning="?")]
    section = variance_section(make_source(tables={"g_study": rows}))
    assert "essay  75 %" in of(section, Figure)[0].chart
    assert [row[3] for row in cells(of(section, Table)[0])] == ["75.0\u00a0%", "25.0\u00a0%", "–"]


def test_the_advice_is_listed_and_the_curves_are_drawn_by_times_as_many():
    rows = [
        study("as it is", 0.4),
        study("more judges", 0.3, added=2.0, judges=4.0, added_evaluations=40, added_cost_usd=1.5),
        study("more judges", 0.25, added=8.0, judges=10.0),
        study("more judges", 0.2, added=38.0, judges=40.0, note="reaches SE 0.2; at best: 1 judge"),
        study("conclusion", None, note="generator: add 3 combinations."),
    ]
    section = next_design_section(make_source(tables={"d_study": rows}))
    [advice] = of(section, Items)
    assert advice.texts == ["generator: add 3 combinations."]
    [figure] = of(section, Figure)
    assert "more judges (at best): 0.4 at 1, 0.3 at 2, 0.25 at 5." in figure.chart
    shown = [row[1:4] for row in cells(of(section, Table)[0])]
    assert shown == [
        ["as it is", "–", "0.400"],
        ["more judges", "2", "0.300"],
        ["more judges", "38", "0.200"],
    ]
    assert cells(of(section, Table)[0])[1][6:8] == ["40", "1.50"]


# Missing


def test_missing_calls_failures_and_reasons_are_listed():
    section = missing_section(make_source())
    assert "3 of 4 planned calls are answered." in text_of(section)
    assert "1 of 8 evaluations have no score." in text_of(section)
    assert cells(table_of(section, "Failed attempts"))[0] == [
        "generation", "north", "LLMTransientError", "3", "1", "HTTP 503",
    ]  # fmt: skip
    assert cells(table_of(section, "Why there is no score")) == [["no SCORE line", "1"]]


def test_what_is_complete_is_said_to_be():
    source = make_source(calls=[Calls("generation", "north", 4, 4, 0, 0)], failures=[], unscored=[])
    text = text_of(missing_section(source))
    assert "Every planned call is answered: 4 of 4." in text
    assert "No attempt has failed." in text
    assert "Every planned evaluation has a score." in text


# Essays and origin


def test_an_essay_is_shown_with_its_concepts_scores_and_why_one_is_missing():
    section = best_section(make_source())
    assert facts(section)["Concepts"] == "Economic moat + Search"
    assert facts(section)["Mean score"] == "9 on 0-9"
    rows = cells(of(section, Table)[0])
    assert rows == [["kind", "rigor", "9", "0–9", ""], ["north", "rigor", "–", "0–9", "no SCORE line"]]
    assert of(section, Table)[0].rows[0][2].style == "heat-8"


def test_a_disputed_essay_is_shown_with_its_verdicts():
    one = essay(value=2.5, verdicts={"g1_rigor_kind": "Splendid."})
    section = disputed_section(make_source(disputed=[one]))
    assert facts(section)["SD of the judges' means"] == "2.5 on 0-9"
    assert [(b.label, b.text) for b in of(section, Text)] == [
        ("Essay", "Moats meet search."),
        ("kind by rigor: 9 on 0–9", "Splendid."),
    ]


def test_the_origin_names_parameters_versions_runs_models_and_hashes():
    section = reproduce_section(make_source())
    code = [block.text for block in of(section, Code)]
    assert code == ["daydreaming verify demo\ndaydreaming run demo", "k_max: 2"]
    assert facts(section)["Statistics made with"] == "Python 3.11.0, numpy 2.0"
    assert cells(table_of(section, "Runs"))[0][0] == "run-1"
    assert cells(table_of(section, "Who answered"))[0][2:4] == ["n/north", "n/north-2"]
    assert cells(table_of(section, "Files that"))[0] == ["factor_levels.csv", "cd" * 32]


def test_an_experiment_without_a_saved_one_is_not_said_to_be_run_by_name():
    origin = replace(ORIGIN, saved_experiment="", runs=[RunLine("x", "", "", 1, "", "")])
    section = reproduce_section(make_source(origin=origin))
    assert of(section, Code)[0].text == "daydreaming verify demo"


def test_calls_given_up_before_they_were_sent_are_no_failed_attempts():
    gave_up = Calls("generation", "north", 2, 0, 2, 0)
    section = missing_section(make_source(calls=[gave_up], failures=[]))
    told = [block.text for block in of(section, Paragraph)]
    assert "2 calls given up before anything was sent: a cap was reached, or another call failed." in told
    assert "No attempt has failed." not in told
