"""The figures of all faults, as a table in Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.faults.observed import Figures

_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_HEADER = (
    '| fault | set-up | in flight | sent again | answered twice | "clear only failed" | answers lost | '
    "tables that differ | run took |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(figures: Sequence[Figures]) -> str:
    """One row per fault."""
    return "\n".join([_HEADER, *map(_row, figures)])


def _row(f: Figures) -> str:
    cells = (
        f.fault,
        f.setup,
        f.in_flight,
        f.sent_again,
        f.twice,
        "once" if f.clears else "not needed",
        f.lost,
        len(f.differing),
        f"{f.took_s:.0f} s",
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def write_table(figures: Sequence[Figures], page: str | None) -> None:
    """Print the table; put it between the marks of a page, where one is named.

    Rows of faults that were not tried this time stay as they were.
    """
    print(f"\n{table(figures)}")
    if page:
        path = Path(page)
        marked = re.compile(f"{re.escape(_BEGIN)}(.*){re.escape(_END)}", re.DOTALL)
        before = path.read_text(encoding="utf-8")
        found = marked.search(before)
        assert found, f"{page} has no marks for the table"
        rows = {_fault(line): line for line in found[1].strip().splitlines()[2:]}
        rows |= {_fault(line): line for line in map(_row, figures)}
        text = "\n".join([_BEGIN, _HEADER, *rows.values(), _END])
        path.write_text(marked.sub(lambda _: text, before), encoding="utf-8")


def _fault(line: str) -> tuple[str, str]:
    """What tells rows apart: fault and set-up."""
    _, fault, setup, *_ = line.split("|")
    return fault.strip(), setup.strip()
