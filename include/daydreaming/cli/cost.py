"""How `daydreaming cost` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from daydreaming.errors import InputError
from daydreaming.llm.price import to_usd, usd_text
from daydreaming.pipeline.cost import (
    DayCost,
    ExperimentCost,
    Spending,
    change_cap,
    experiment_costs,
    today_cost,
)
from daydreaming.settings import Settings

_GO_ON = (
    "The cap holds for calls from now on. To go on with calls that were refused, clear the failed instances."
)


def run_cost(
    settings: Settings,
    experiment_id: str | None,
    cap_usd: float | None,
    no_cap: bool,
    as_json: bool,
    out: TextIO,
) -> None:
    """Print what experiments cost; set or lift the cap of one first where that is asked.

    Args:
        settings: The deployment's settings.
        experiment_id: None for all, one line each, and the day's budget.
        cap_usd: The new cap; None to leave it.
        no_cap: Lift the cap.
        as_json: One JSON object instead of text.
        out: Where the text goes.

    Raises:
        InputError: No such experiment, or options that do not go together; nothing is changed then.
    """
    _check_options(experiment_id, cap_usd, no_cap)
    if experiment_id is None:
        costs, day = experiment_costs(settings), today_cost(settings, datetime.now(UTC))
        out.write((json.dumps(_all_json(costs, day)) if as_json else _all_text(costs, day)) + "\n")
        return
    changes = no_cap or cap_usd is not None
    if changes:
        change_cap(settings, experiment_id, cap_usd)
    (cost,) = experiment_costs(settings, experiment_id)
    if as_json:
        out.write(json.dumps(_one_json(cost)) + "\n")
        return
    out.write(_one_text(cost) + "\n" + (f"\n{_GO_ON}\n" if changes else ""))


def _check_options(experiment_id: str | None, cap_usd: float | None, no_cap: bool) -> None:
    if no_cap and cap_usd is not None:
        raise InputError("--cap and --no-cap cannot go together: give one of them.")
    if experiment_id is None and (no_cap or cap_usd is not None):
        option = "--no-cap" if no_cap else "--cap"
        raise InputError(f"{option} needs an EXPERIMENT_ID: a cap belongs to one experiment.")


def _all_json(costs: Sequence[ExperimentCost], day: DayCost) -> dict[str, Any]:
    return {
        "experiments": [_summary_json(cost) for cost in costs],
        "today": {
            "day": day.day,
            "cap_usd": _usd_or_none(day.cap_nanousd),
            "spent_usd": to_usd(day.spent_nanousd),
            "reserved_usd": to_usd(day.reserved_nanousd),
        },
    }


def _one_json(cost: ExperimentCost) -> dict[str, Any]:
    groups = (("model", cost.by_model), ("stage", cost.by_stage), ("day", cost.by_day))
    return {
        **_summary_json(cost),
        **{
            f"by_{name}": [{name: key, **_spending_json(one)} for key, one in group.items()]
            for name, group in groups
        },
    }


def _summary_json(cost: ExperimentCost) -> dict[str, Any]:
    return {
        "experiment_id": cost.experiment_id,
        "cap_usd": _usd_or_none(cost.cap_nanousd),
        **_spending_json(cost.total),
        "cut_off": cost.total.cut_off,
        "scored": cost.scored,
        "usd_per_score": cost.usd_per_score,
    }


def _spending_json(one: Spending) -> dict[str, Any]:
    return {
        "attempts": one.attempts,
        "spent_usd": to_usd(one.spent_nanousd),
        "reserved_usd": to_usd(one.reserved_nanousd),
        "in_flight": one.in_flight,
        "unknown": one.unknown,
        "unpriced": one.unpriced,
    }


def _all_text(costs: Sequence[ExperimentCost], day: DayCost) -> str:
    lines = ["No experiment has been run yet."]
    if costs:
        head = ("experiment_id", "spent $", "reserved $", "cap $", "attempts", "scored", "$ per score")
        rows = [
            (
                cost.experiment_id,
                usd_text(cost.total.spent_nanousd),
                usd_text(cost.total.reserved_nanousd),
                _cap(cost.cap_nanousd),
                f"{cost.total.attempts:,}",
                f"{cost.scored:,}",
                _per_score(cost),
            )
            for cost in costs
        ]
        lines = _aligned([head, *rows])
    return "\n".join([*lines, _day_line(day)])


def _day_line(day: DayCost) -> str:
    money = _money(day.spent_nanousd, day.reserved_nanousd)
    cap = "no cap" if day.cap_nanousd is None else f"the cap is {_cap(day.cap_nanousd)}"
    return f"Today ({day.day}, UTC): {money}; {cap} (DAYDREAMING_DAILY_BUDGET_USD)"


def _one_text(cost: ExperimentCost) -> str:
    total = cost.total
    money = _money(total.spent_nanousd, total.reserved_nanousd)
    lines = [
        f"{cost.experiment_id}: {money} (calls in flight: {total.in_flight:,})",
        _cap_line(cost),
        f"Attempts at calls: {_counts(total)}",
        _score_line(cost),
    ]
    groups = (("model", cost.by_model), ("stage", cost.by_stage), ("day (UTC)", cost.by_day))
    for name, group in groups:
        if group:
            lines += ["", *_table(name, group)]
    return "\n".join(lines)


def _cap_line(cost: ExperimentCost) -> str:
    if cost.cap_nanousd is None:
        return "No cap (max_cost_usd)"
    left = cost.cap_nanousd - cost.total.spent_nanousd - cost.total.reserved_nanousd
    if left < 0:
        return f"Cap (max_cost_usd): {_cap(cost.cap_nanousd)}, passed: nothing more is sent"
    return f"Cap (max_cost_usd): {_cap(cost.cap_nanousd)}, {_cap(left)} left"


def _counts(total: Spending) -> str:
    parts = [f"{total.attempts:,}"]
    if total.unknown:
        parts.append(f"{total.unknown:,} of unknown outcome (they count with their worst case)")
    if total.cut_off:
        parts.append(f"{total.cut_off:,} cut off at max_tokens (paid, and of no use)")
    if total.unpriced:
        parts.append(f"{total.unpriced:,} of unknown price (they count with nothing)")
    return ", ".join(parts)


def _score_line(cost: ExperimentCost) -> str:
    if cost.usd_per_score is None:
        return "Price per score: no evaluation has a score yet"
    return (
        f"Price per score: {_per_score(cost)} US dollars for each of {cost.scored:,} scored evaluations "
        "(answers that were reused cost nothing)"
    )


def _table(name: str, group: Mapping[str, Spending]) -> list[str]:
    rows = [
        (key, f"{one.attempts:,}", usd_text(one.spent_nanousd), usd_text(one.reserved_nanousd))
        for key, one in group.items()
    ]
    return _aligned([(name, "attempts", "spent $", "reserved $"), *rows])


def _money(spent_nanousd: int, reserved_nanousd: int) -> str:
    return f"{usd_text(spent_nanousd)} US dollars spent, {usd_text(reserved_nanousd)} reserved"


def _per_score(cost: ExperimentCost) -> str:
    return "–" if cost.usd_per_score is None else f"{cost.usd_per_score:.6f}"


def _cap(nanousd: int | None) -> str:
    return "–" if nanousd is None else f"{to_usd(nanousd):,.4f}"


def _usd_or_none(nanousd: int | None) -> float | None:
    return None if nanousd is None else to_usd(nanousd)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
