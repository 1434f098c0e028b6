"""Parts of a whole as one bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from daydreaming.charts.colours import CATEGORIES, paint
from daydreaming.charts.labels import number, shorten, text_width, wrap
from daydreaming.charts.rows import is_number
from daydreaming.charts.svg import SIZE, SMALL, WIDTH, empty, figure, rect, text

_BAR_HEIGHT = 34.0
_LEGEND_TOP = 58.0
_LEGEND_ROW = 20.0
_BEFORE_NAME = 40.0
_MOST_COLUMNS = 2


@dataclass(frozen=True)
class Part:
    """One part; its value counts in proportion to the sum of all."""

    name: str
    value: float | None


def stacked_shares(parts: Sequence[Part], *, title: str, width: float = WIDTH) -> Markup:
    """One bar that is cut in proportion, with the parts lettered and named below it.

    Args:
        parts: From left to right. One without a value, or of 0 and less, has no place in the bar; all such
            are named together below, as 0 % or as not known.
        title: What is shown.
        width: Of the drawing.
    """
    total = sum(_size(part) for part in parts)
    if not total:
        return empty(title, "Nothing to show yet.", width=width)
    there = [part for part in parts if _size(part)]
    entries = [f"{part.name}  {_share(part, total)}" for part in there]
    widest = max(text_width(entry, SIZE) for entry in entries) + _BEFORE_NAME
    columns = _MOST_COLUMNS if widest <= width / _MOST_COLUMNS else 1
    drawn, x = [], 0.0
    for i, (part, entry) in enumerate(zip(there, entries, strict=True)):
        wide = _size(part) / total * width
        drawn += _segment(i, part, x, wide, total)
        drawn += _entry(i, entry, columns, width)
        x += wide
    height = _LEGEND_TOP + -(-len(there) // columns) * _LEGEND_ROW
    for content in _without_place(parts):
        lines = wrap(content, width, SMALL, lines=len(parts))
        for one in lines:
            drawn.append(text(0, height, one, size=SMALL, fill=paint("chart-muted")))
            height += _LEGEND_ROW
    told = "; ".join(f"{part.name}: {_share(part, total)}" for part in parts)
    return figure(height, title, f"{told}.", drawn, width=width)


def _without_place(parts: Sequence[Part]) -> Iterator[str]:
    none = [part.name for part in parts if is_number(part.value) and not _size(part)]
    unknown = [part.name for part in parts if not is_number(part.value)]
    if none:
        yield f"0 %: {', '.join(none)}"
    if unknown:
        yield f"not known: {', '.join(unknown)}"


def _letter(i: int) -> str:
    # A number in a bar would be read as its value.
    return chr(ord("A") + i % 26)


def _size(part: Part) -> float:
    return max(part.value, 0.0) if is_number(part.value) else 0.0


def _share(part: Part, total: float) -> str:
    return f"{number(100 * _size(part) / total, 1)} %" if is_number(part.value) else "not known"


def _segment(i: int, part: Part, x: float, wide: float, total: float) -> list[Markup]:
    colour = i % len(CATEGORIES)
    hover = f"{part.name}: {_share(part, total)}"
    # A hair of the page's background between neighbours.
    drawn = [rect(x, 0, max(wide - 1, 0.5), _BAR_HEIGHT, paint(f"chart-part-{colour}"), hover=hover)]
    if wide >= text_width(_letter(i), SIZE) + 6:
        fill = paint(f"chart-part-text-{colour}")
        drawn.append(text(x + wide / 2, _BAR_HEIGHT / 2 + SIZE / 3, _letter(i), anchor="middle", fill=fill))
    return drawn


def _entry(i: int, entry: str, columns: int, width: float) -> list[Markup]:
    wide = width / columns
    x, y = i % columns * wide, _LEGEND_TOP + i // columns * _LEGEND_ROW
    shown = shorten(entry, wide - _BEFORE_NAME, SIZE)
    return [
        rect(x, y - 10, 12, 12, paint(f"chart-part-{i % len(CATEGORIES)}")),
        text(x + 34, y, _letter(i), anchor="end", size=SMALL, fill=paint("chart-muted")),
        text(x + _BEFORE_NAME, y, shown, hover="" if shown == entry else entry),
    ]
