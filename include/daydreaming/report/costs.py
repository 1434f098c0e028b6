"""What the experiment cost."""

from __future__ import annotations

from collections.abc import Mapping

from daydreaming.charts.bars import Bar, bars
from daydreaming.llm.price import to_nanousd, to_usd, usd_text
from daydreaming.report.blocks import (
    Block,
    Cell,
    Column,
    Facts,
    Paragraph,
    Section,
    Table,
    count,
    drawn,
    table,
)
from daydreaming.report.source import Costs, Money, Source

#: More models than this make no readable chart; the table has them all.
_MOST_BARS = 40


def costs_section(source: Source) -> Section:
    """Money by model, stage and day."""
    costs = source.costs
    if not costs.total.attempts:
        waiting = (
            "No call was made for this experiment: its answers were there already, or there are none yet. "
            "This waits for the first call."
        )
        return Section("costs", "Costs", [Paragraph(waiting, "waiting")])
    blocks: list[Block] = [Facts(_facts(costs, source.scored)), *_chart(costs)]
    blocks.append(_table("By model", "model", costs.by_model))
    blocks.append(_table("By stage", "stage", costs.by_stage))
    if len(costs.by_day) > 1:
        blocks.append(_table("By day (UTC)", "day", costs.by_day))
    return Section("costs", "Costs", blocks)


def _facts(costs: Costs, scored: int) -> list[tuple[str, str]]:
    total = costs.total
    facts = [("Spent", f"{usd_text(total.spent_nanousd)} US dollars in {count(total.attempts, 'attempt')}")]
    if scored:
        facts.append(("For each score", f"{usd_text(total.spent_nanousd // scored)} US dollars"))
    if total.reserved_nanousd:
        facts.append(("Reserved for calls in flight", f"{usd_text(total.reserved_nanousd)} US dollars"))
    for name, number, what in (
        ("Of unknown outcome", total.unknown, "counted with their worst case"),
        ("Cut off at max_tokens", total.cut_off, "paid, and of no use"),
        ("Of unknown price", total.unpriced, "counted with nothing"),
    ):
        if number:
            facts.append((name, f"{count(number, 'attempt')}, {what}"))
    return facts


def _chart(costs: Costs) -> list[Block]:
    spent = sorted(costs.by_model.items(), key=lambda item: (-item[1].spent_nanousd, item[0]))
    if not spent[0][1].spent_nanousd:
        return [Paragraph("Every model that was called is free.", "note")]
    shown = spent[:_MOST_BARS]
    left = len(spent) - len(shown)
    caption = f"The {_MOST_BARS} dearest models; {left} more in the table." if left else ""
    figure = drawn(
        bars,
        [Bar(model, to_usd(money.spent_nanousd)) for model, money in shown],
        title="Money spent by model",
        unit="US dollars",
        label=lambda usd: usd_text(to_nanousd(usd)),
        caption=caption,
    )
    return [figure]


def _table(caption: str, what: str, groups: Mapping[str, Money]) -> Table:
    columns = [Column(what, "code"), *(Column(c, "number") for c in ("attempts", "spent $", "reserved $"))]
    rows = [
        [
            Cell(name),
            Cell(f"{money.attempts:,}"),
            Cell(usd_text(money.spent_nanousd)),
            Cell(usd_text(money.reserved_nanousd)),
        ]
        for name, money in groups.items()
    ]
    return table(caption, columns, rows)
