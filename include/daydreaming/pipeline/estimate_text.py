"""An estimate as lines for a log, as a table for a person who approves it, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from daydreaming.llm.price import to_usd, usd_text
from daydreaming.pipeline.budgets import Cap

if TYPE_CHECKING:
    from daydreaming.pipeline.estimate import Estimate, ModelEstimate

_COLUMNS = (
    "stage",
    "model",
    "new",
    "prompt tokens",
    "answer tokens",
    "expected $",
    "at most $",
    "prices from",
)
#: Of the columns above.
_TEXTS = (0, 1, 7)
#: What a narrow terminal does without: prices' origin, then tokens.
_LEFT_OUT_FIRST = (7, 3, 4)
_UNKNOWN = "unknown"
_ON_STALE = {
    "fail": (
        "these calls fail. Set on_stale to archive to keep the old answers aside and ask again, to reuse to "
        "take them as they are, or give the changed template or model an ID of its own."
    ),
    "archive": "they are kept aside, and asked for again where no fitting answer is archived.",
    "reuse": "they are taken as they are.",
}
_STOPPED = "Calls that may pass it are not sent, and fail."
_UNITS_S = (("day", "days", 86_400), ("h", "h", 3_600), ("min", "min", 60), ("s", "s", 1))


def estimate_lines(estimate: Estimate, width: int | None = None) -> list[str]:
    """The estimate as a person reads it in a terminal or a log.

    Args:
        estimate: The estimate.
        width: Columns of the terminal; None for no limit.
    """
    lines = [
        f"{estimate.combinations:,} combinations",
        f"{estimate.generations:,} generations, {estimate.answered('generation'):,} answered already",
        f"{estimate.evaluations:,} evaluations, {estimate.answered('evaluation'):,} answered already",
    ]
    lines += [
        f"  {m.stage} by {m.model}: {m.planned:,} planned, {_kept(estimate, m)}, {m.new:,} new"
        for m in estimate.models
    ]
    lines += _stale(estimate)
    if estimate.new_calls:
        lines += ["What the new calls are expected to take:", *_fitted([_COLUMNS, *_rows(estimate)], width)]
    return [*lines, *_facts(estimate)]


def estimate_markdown(estimate: Estimate) -> str:
    """The estimate as Markdown: a table, and below it what a person should know."""
    reused = estimate.answered("generation") + estimate.answered("evaluation")
    head = [f"**{estimate.new_calls:,} new calls**; {reused:,} answers are reused.", ""]
    table = [
        _markdown_row(_COLUMNS),
        _markdown_row(["---"] * len(_COLUMNS)),
        *map(_markdown_row, _rows(estimate)),
    ]
    return "\n".join([*head, *table, "", *(f"- {fact}" for fact in (*_stale(estimate), *_facts(estimate)))])


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """The estimate as JSON values; null for what is unknown."""
    return {
        "combinations": estimate.combinations,
        "generations": estimate.generations,
        "evaluations": estimate.evaluations,
        "generations_answered": estimate.answered("generation"),
        "evaluations_answered": estimate.answered("evaluation"),
        "new_calls": estimate.new_calls,
        "stale": estimate.stale,
        "on_stale": estimate.on_stale,
        "expected_usd": estimate.expected_usd,
        "worst_case_usd": estimate.worst_case_usd,
        "wall_time_s": estimate.wall_time_s,
        "models": [_model_json(model) for model in estimate.models],
    }


def _kept(estimate: Estimate, m: ModelEstimate) -> str:
    """What has an answer: reused, or of no use."""
    if not m.stale or estimate.on_stale != "fail":
        return f"{m.answered:,} reused"
    return f"{m.answered - m.stale:,} reused, {m.stale:,} stale"


def _stale(estimate: Estimate) -> list[str]:
    if not estimate.stale:
        return []
    answers = "1 stored answer is" if estimate.stale == 1 else f"{estimate.stale:,} stored answers are"
    why = f"{answers} stale: a prompt, model or parameter has changed since."
    return [f"{why} on_stale is {estimate.on_stale}: {_ON_STALE[estimate.on_stale]}"]


def no_price_text(estimate: Estimate) -> str:
    """Why calls of a model without a price are refused."""
    cap, models = estimate.caps[0], ", ".join(estimate.unpriced)
    return (
        f"{_cap_text(cap)}, but of this plan's models {models} has no price in llm_models.csv "
        "(usd_per_1m_input, usd_per_1m_output), nor in the list of genai-prices. Fill it in, or lift the cap."
    )


def duration_text(seconds: float) -> str:
    """A duration in its two largest units, rounded up."""
    left = math.ceil(seconds)
    parts: list[str] = []
    for one, many, unit_s in _UNITS_S:
        count, left = divmod(left, unit_s)
        if count or parts:
            parts.append(f"{count} {one if count == 1 else many}" if count else "")
    return " ".join(filter(None, parts[:2])) or "0 s"


def _rows(estimate: Estimate) -> list[tuple[str, ...]]:
    return [
        (
            m.stage,
            m.model,
            f"{m.new:,}",
            f"{m.prompt_tokens:,}",
            f"{m.completion_tokens:,}",
            _usd(m.expected_nanousd),
            _usd(m.worst_nanousd),
            m.price.source if m.price else _UNKNOWN,
        )
        for m in estimate.models
        if m.new
    ]


def _facts(estimate: Estimate) -> list[str]:
    if not estimate.new_calls:
        why = "no call would be sent" if estimate.stale else "all are answered"
        return [f"Price of the new calls: nothing, for {why}", *estimate.notes]
    price = f"{_usd(estimate.expected_nanousd)} US dollars expected, {_usd(estimate.worst_nanousd)} at worst"
    return [
        f"Price of the new calls: {price}{_why_unknown(estimate)}",
        "At worst: the longest answers, in the longest prompts; one attempt at each call",
        _lengths(estimate),
        _wall_time(estimate),
        *(_cap_line(estimate, cap) for cap in estimate.caps),
        *_approval(estimate),
        *estimate.notes,
    ]


def _why_unknown(estimate: Estimate) -> str:
    return f" (no price is known of {', '.join(estimate.unpriced)})" if estimate.unpriced else ""


def _lengths(estimate: Estimate) -> str:
    said = []
    for m in estimate.models:
        if m.new:
            seen = f"the mean of {m.answers_seen:,}" if m.answers_seen else "assumed"
            said.append(f"{m.stage} by {m.model} {m.tokens_each:,} ({seen})")
    return f"Tokens expected of an answer: {'; '.join(said)}"


def _wall_time(estimate: Estimate) -> str:
    where = " and in ".join(estimate.limit_sources or ("llm_models.csv",))
    if not estimate.wall_time_s:
        return f"Wall time: the limits in {where} let all start at once; the models' own latency decides"
    return (
        f"Wall time: at least {duration_text(estimate.wall_time_s)} at the limits in {where} "
        "(rpm, tpm, rpd, burst), without the models' own latency"
    )


def _cap_line(estimate: Estimate, cap: Cap) -> str:
    left = f"{_cap_text(cap)} and {usd_text(cap.used_nanousd)} of it are gone"
    expected, worst = estimate.expected_nanousd, estimate.worst_nanousd
    if expected is None or worst is None:
        return no_price_text(estimate)
    if expected > cap.left_nanousd:
        return f"{left}: the expected price passes what is left. {_STOPPED}"
    if worst > cap.left_nanousd:
        return f"{left}: the worst case passes what is left, the expected price does not. {_STOPPED}"
    return f"{left}: even the worst case fits in what is left."


def _approval(estimate: Estimate) -> list[str]:
    if not estimate.needs_approval:
        return []
    return [
        f"The worst case is above approve_above_usd ({estimate.approve_above_usd:g}): a person has to approve"
    ]


def _cap_text(cap: Cap) -> str:
    return f"{cap.name} is {to_usd(cap.nanousd):g}"


def _usd(nanousd: int | None) -> str:
    return _UNKNOWN if nanousd is None else usd_text(nanousd)


def _model_json(m: ModelEstimate) -> dict[str, Any]:
    return {
        "stage": m.stage,
        "model": m.model,
        "planned": m.planned,
        "reused": m.answered,
        "stale": m.stale,
        "new": m.new,
        "prompt_tokens": m.prompt_tokens,
        "completion_tokens": m.completion_tokens,
        "answers_seen": m.answers_seen,
        "expected_usd": None if m.expected_nanousd is None else to_usd(m.expected_nanousd),
        "worst_case_usd": None if m.worst_nanousd is None else to_usd(m.worst_nanousd),
        "usd_per_1m_input": m.price.usd_per_1m_input if m.price else None,
        "usd_per_1m_output": m.price.usd_per_1m_output if m.price else None,
        "price_source": m.price.source if m.price else None,
        "wall_time_s": m.wall_time_s,
    }


def _fitted(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """The table; on a narrow terminal without the columns that matter least."""
    for left_out in range(len(_LEFT_OUT_FIRST) + 1):
        places = [i for i in range(len(_COLUMNS)) if i not in _LEFT_OUT_FIRST[:left_out]]
        lines = _aligned(rows, places)
        if width is None or max(map(len, lines)) <= width:
            break
    return lines


def _aligned(rows: Sequence[Sequence[str]], places: Sequence[int]) -> list[str]:
    widths = {i: max(len(row[i]) for row in rows) for i in places}
    return [
        "  "
        + "  ".join(
            row[i].ljust(width) if i in _TEXTS else row[i].rjust(width) for i, width in widths.items()
        ).rstrip()
        for row in rows
    ]


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
