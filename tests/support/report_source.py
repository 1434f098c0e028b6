"""What a report is made of, by hand: two templates, two generators, two judges, one rubric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from daydreaming.report.source import (
    Calls,
    Costs,
    Design,
    Essay,
    EssayScore,
    Failures,
    Level,
    Money,
    Origin,
    RunLine,
    Served,
    Source,
)

DESIGN = Design(
    concepts=[Level("moat", "Economic moat"), Level("search", "Search")],
    combinations={"combo_v1_a": ["Economic moat", "Search"]},
    generation_templates=[Level("essay", "Essay"), Level("tags", "Tags")],
    generation_models=[Level("north", "North"), Level("south", "South")],
    evaluation_templates=[Level("rigor", "Rigor", "read by strict on 0–9")],
    evaluation_models=[Level("kind", "Kind"), Level("north", "North")],
    k_max=[2],
    description_levels=["sentence"],
    essays=4,
    evaluations=8,
    generation_replicates=1,
    evaluation_replicates=1,
)
MONEY = Money(attempts=12, spent_nanousd=1_500_000_000)
ORIGIN = Origin(
    spec="k_max: 2\n",
    saved_experiment="demo",
    code_version="0.1.0",
    made_with="Python 3.11.0, numpy 2.0",
    runs=[RunLine("run-1", "demo", "2026-03-01 12:00:00 UTC", 12, "ab" * 32, "02_tasks/demo/inputs/ab")],
    served=[Served("generation", "north", "n/north", "n/north-2", "Host", 2, 100, 200)],
    hashes={"factor_levels.csv": "cd" * 32},
)


def level(factor: str, name: str, mean: float | None, **other: Any) -> dict[str, Any]:
    """A row of ``factor_levels``."""
    row = {"factor": factor, "level": name, "mean": mean, "ci_low": None, "ci_high": None}
    return {**row, "n_scores": 4, "n_clusters": 2, "left_out": 0, "why": "", **other}


def pair(factor: str, one: str, other: str, difference: float, p_holm: float | None) -> dict[str, Any]:
    """A row of ``paired_comparisons``."""
    row = {"factor": factor, "level_a": one, "level_b": other, "difference": difference, "p_holm": p_holm}
    return {**row, "effect_size": difference / 2, "n_combinations": 6, "p_permutation": p_holm, "why": ""}


def mean_of(analysis: str, mean: float | None, **factors: str) -> dict[str, Any]:
    """A row of ``final_results``."""
    return {"analysis": analysis, **factors, "mean_0_10": mean, "count": 4, "planned": 4, "perfect_scores": 1}


def alpha(value: float, rubric: str = "rigor") -> dict[str, Any]:
    """A row of ``judge_reliability``."""
    row = {"evaluation_template": rubric, "statistic": "krippendorff_alpha", "level": "interval"}
    return {**row, "value": value, "ci_low": 0.1, "ci_high": 0.9, "essays": 4, "judges": 2, "why": ""}


def audited(judge: str, statistic: str, value: float | None, why: str = "") -> dict[str, Any]:
    """A row of ``judge_audit``."""
    row = {"evaluation_model": judge, "statistic": statistic, "value": value, "ci_low": None}
    return {**row, "ci_high": None, "essays": 4, "why": why}


def essay(name: str = "g1", text: str | None = "Moats meet search.", **other: Any) -> Essay:
    """An essay with two scores."""
    scores = [
        EssayScore(f"{name}_rigor_kind", "kind", "rigor", 1, 9.0, 0.0, 9.0),
        EssayScore(f"{name}_rigor_north", "north", "rigor", 1, None, 0.0, 9.0, "no SCORE line"),
    ]
    fields = {"combo_id": "combo_v1_a", "generation_template": "essay", "generation_model": "north"}
    known = {"generation_replicate": 1, "value": 9.0, "scale": "0-9", "scores": scores, **fields, **other}
    return Essay(generation_task_id=name, text=text, **known)


def tables() -> dict[str, list[Mapping[str, Any]]]:
    """Some rows of the tables that charts are made of."""
    return {
        "final_results": [
            mean_of("overall", 6.25),
            mean_of("by_template_and_model", 5.0, generation_template="essay", generation_model="north"),
            mean_of("by_template_and_model", 7.5, generation_template="tags", generation_model="north"),
            mean_of("by_template_and_model", None, generation_template="tags", generation_model="south"),
        ],
        "factor_levels": [
            level("generation_template", "essay", 5.0, ci_low=4.0, ci_high=6.0),
            level("generation_template", "tags", 7.5, ci_low=7.0, ci_high=8.0),
            level("combo_id", "combo_v1_a", 6.25),
        ],
        "paired_comparisons": [pair("generation_template", "essay", "tags", -2.5, 0.031)],
        "judge_reliability": [alpha(0.7)],
        "judge_audit": [audited("kind", "leniency", 0.4), audited("north", "leniency", -0.4)],
    }


def make_source(**changes: Any) -> Source:
    """A source of a report, with fields replaced."""
    whole = Source(
        experiment_id="demo",
        question="",
        first_call_at="2026-03-01 12:00:00 UTC",
        last_answer_at="2026-03-01 12:01:00 UTC",
        design=DESIGN,
        tables=tables(),
        distributions={"kind": [9.0, 8.0, 7.0, 7.0], "north": [5.0, 5.0, 5.0, math.nan]},
        unscored=[("no SCORE line", 1)],
        costs=Costs(MONEY, {"north": MONEY}, {"generation": MONEY}, {"2026-03-01": MONEY}),
        calls=[Calls("generation", "north", 4, 3, 1, 0)],
        failures=[Failures("generation", "north", "LLMTransientError", 3, 1, "HTTP 503")],
        best=[essay()],
        disputed=[],
        origin=ORIGIN,
    )
    return replace(whole, **changes)


def nothing_yet() -> Source:
    """An experiment that is planned, and of which no call was made."""
    design = replace(DESIGN, evaluations=8)
    return make_source(
        design=design,
        first_call_at="",
        last_answer_at="",
        tables={},
        distributions={"kind": [math.nan] * 4, "north": [math.nan] * 4},
        unscored=[("not evaluated: generation … has no response", 8)],
        costs=Costs(Money(), {}, {}, {}),
        calls=[Calls("generation", "north", 4, 0, 0, 4)],
        failures=[],
        best=[],
        origin=replace(ORIGIN, runs=[], served=[], hashes={}),
    )
