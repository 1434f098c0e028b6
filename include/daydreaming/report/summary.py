"""The report on half a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from daydreaming.charts.labels import fixed
from daydreaming.llm.price import usd_text
from daydreaming.report.blocks import Block, Facts, Paragraph, Section, count, p_value, percent, with_interval
from daydreaming.report.leaderboards import ranked_levels
from daydreaming.report.source import Source

#: Below the first alpha is too weak to build on; from the second it counts as reliable.
WEAK_ALPHA, RELIABLE_ALPHA = 0.67, 0.8
#: Levels that share the first place; more are counted.
_EQUALS_NAMED = 4
_LEADERS = {
    "generation_template": "Best generation template",
    "generation_model": "Best generator",
    "combo_id": "Best combination",
}


def summary_section(source: Source) -> Section:
    """What a reader needs who reads nothing else."""
    if not source.scored:
        return Section("summary", "In short", [Paragraph(_not_yet(source), "waiting")])
    entries = [*_counts(source), *_leaders(source), *_judges(source), *_rest(source)]
    blocks: list[Block] = [Facts(entries)]
    blocks.append(
        Paragraph(
            "All scores are put on 0–10 by a straight line. Intervals are 95 % intervals, made by drawing "
            "whole combinations (or essays) again; an evaluation without a score is in no mean.",
            "note",
        )
    )
    return Section("summary", "In short", blocks)


def _not_yet(source: Source) -> str:
    planned = source.design.evaluations
    answered = sum(calls.answered for calls in source.calls)
    if not planned:
        return "Nothing is planned yet: everything below waits for the first run."
    return (
        f"{count(planned, 'evaluation')} planned, {count(answered, 'call')} answered, none scored yet: what "
        "is said of scores waits for the first verdict that can be read."
    )


def _counts(source: Source) -> Iterator[tuple[str, str]]:
    planned = source.design.evaluations
    share = percent(source.scored / planned)
    yield "Scored", f"{source.scored:,} of {count(planned, 'evaluation')} ({share})"
    for row in source.table("final_results"):
        if row["analysis"] == "overall" and row["mean_0_10"] is not None:
            highest = f"{row['perfect_scores']:,} with the highest score of their scale"
            yield "Mean score", f"{fixed(row['mean_0_10'])} on 0–10; {highest}"


def _leaders(source: Source) -> Iterator[tuple[str, str]]:
    for factor, title in _LEADERS.items():
        levels = [row for row in ranked_levels(source, factor) if row["mean"] is not None]
        if len(levels) > 1:
            name = source.design.combination if factor == "combo_id" else str
            first, second = levels[0], levels[1]
            equal = [name(row["level"]) for row in levels if row["mean"] == first["mean"]]
            if len(equal) > 1:
                yield title, f"equal first: {_some(equal)}, {fixed(first['mean'])} each"
                continue
            told = f"{name(first['level'])}, {with_interval(first, 'mean')}"
            yield title, told + _lead(source, factor, first, second, name(second["level"]))


def _some(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    more = len(names) - _EQUALS_NAMED
    return "; ".join([*names[:_EQUALS_NAMED], *([f"{more:,} more"] if more > 0 else [])])


def _lead(
    source: Source, factor: str, first: Mapping[str, Any], second: Mapping[str, Any], second_name: str
) -> str:
    names = {first["level"], second["level"]}
    for row in source.table("paired_comparisons"):
        if (
            row["factor"] == factor
            and {row["level_a"], row["level_b"]} == names
            and row["p_holm"] is not None
        ):
            ahead = row["difference"] if row["level_a"] == first["level"] else -row["difference"]
            points = f"{fixed(abs(ahead))} points {'ahead of' if ahead >= 0 else 'behind'}"
            return f"; in pairs {points} the next, {second_name} (p {p_value(row['p_holm'])}, Holm)"
    return f"; the next is {second_name}, {with_interval(second, 'mean')}"


def _judges(source: Source) -> Iterator[tuple[str, str]]:
    alphas = [
        row["value"]
        for row in source.table("judge_reliability")
        if row["statistic"] == "krippendorff_alpha"
        and row["level"] == "interval"
        and row["value"] is not None
    ]
    if alphas:
        low, high = min(alphas), max(alphas)
        shown = fixed(low) if low == high else f"{fixed(low)} to {fixed(high)} by rubric"
        yield "Agreement of the judges", f"Krippendorff's alpha {shown}: {_verdict(low)}"


def _verdict(alpha: float) -> str:
    if alpha >= RELIABLE_ALPHA:
        return "reliable"
    if alpha >= WEAK_ALPHA:
        return "enough for tentative conclusions"
    return "too weak to build on a single judge"


def _rest(source: Source) -> Iterator[tuple[str, str]]:
    spent = source.costs.total
    if spent.attempts:
        each = usd_text(spent.spent_nanousd // source.scored)
        yield "Spent", f"{usd_text(spent.spent_nanousd)} US dollars, {each} for each score"
    failed = sum(calls.failed for calls in source.calls)
    waiting = sum(calls.waiting for calls in source.calls)
    if failed or waiting:
        yield "Missing", f"{count(failed, 'call')} failed, {count(waiting, 'call')} without an answer yet"
