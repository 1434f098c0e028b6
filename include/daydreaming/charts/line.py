"""Lines through points, one per series: how something falls or rises with a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from daydreaming.charts.axis import Axis, axis_over
from daydreaming.charts.colours import CATEGORIES, paint
from daydreaming.charts.intervals import Reference
from daydreaming.charts.labels import number, text_width, wrap
from daydreaming.charts.rows import AXIS_HEIGHT, grid, is_number, tick_steps
from daydreaming.charts.svg import SIZE, SMALL, WIDTH, circle, empty, figure, path, rect, text
from daydreaming.charts.svg import line as straight

_LEFT, _RIGHT = 54.0, 16.0
_PLOT_HEIGHT = 220.0
_LEGEND_ROW = 18.0
_LEGEND_COLUMNS = 2
_BEFORE_NAME = 32.0
_NAME_LINES = 5
_DIGITS = 6
_DASHES = ("", "6 3", "2 3", "8 3 2 3")


@dataclass(frozen=True)
class Series:
    """Points (x, y) of one line, in the order in which it goes; those that are not finite are left out."""

    name: str
    points: Sequence[tuple[float, float]]


def line(
    series: Sequence[Series],
    *,
    title: str,
    x_unit: str,
    y_unit: str,
    reference: Reference | None = None,
    width: float = WIDTH,
) -> Markup:
    """Lines with a mark at each point; told apart by colour and by dashes.

    Args:
        series: Each a line. Those that run through the same points are drawn as one, with all names.
        title: What is shown.
        x_unit: What the horizontal axis counts.
        y_unit: What the vertical axis counts; it holds 0.
        reference: A value of the vertical axis to compare with.
        width: Of the drawing.
    """
    lines = [Series(one.name, [p for p in one.points if all(map(is_number, p))]) for one in series]
    lines = _drawn_once([one for one in lines if one.points])
    if not lines:
        return empty(title, "Nothing to show yet.", width=width)
    widest = max(text_width(one.name, SIZE) for one in lines) + _BEFORE_NAME + 8
    columns = _LEGEND_COLUMNS if widest <= width / _LEGEND_COLUMNS else 1
    names = [wrap(one.name, width / columns - _BEFORE_NAME, SIZE, lines=_NAME_LINES) for one in lines]
    heights = [
        _LEGEND_ROW * max(map(len, names[first : first + columns])) for first in range(0, len(lines), columns)
    ]
    top = sum(heights) + 30
    bottom = top + _PLOT_HEIGHT
    right = width - _RIGHT
    steps = tick_steps(_LEFT, right)
    across = axis_over((x for one in lines for x, _ in one.points), _LEFT, right, count=steps)
    levels = [y for one in lines for _, y in one.points] + ([reference.value] if reference else [])
    up = axis_over([0.0, *levels], bottom, top)
    parts = [*grid(across, top, bottom, x_unit, width), *_rungs(up, y_unit, top, right)]
    if reference:
        y = up.at(reference.value)
        parts.append(straight(_LEFT, y, right, y, paint("chart-accent"), width=1.5, dash="4 3"))
        parts.append(
            text(right, y - 5, reference.label, anchor="end", size=SMALL, fill=paint("chart-accent"))
        )
    for i, one in enumerate(lines):
        place = (i % columns * width / columns, 12 + sum(heights[: i // columns]))
        parts += [*_entry(i, names[i], place), *_curve(i, one, across, up)]
    told = "; ".join(
        f"{one.name}: {', '.join(f'{number(y)} at {number(x)}' for x, y in one.points)}" for one in lines
    )
    return figure(bottom + AXIS_HEIGHT, title, f"{y_unit} by {x_unit}. {told}.", parts, width=width)


def _drawn_once(lines: Sequence[Series]) -> list[Series]:
    """Series that lie on each other as one; so do those of which one ends earlier on another's way."""
    found: list[Series] = []
    for one in sorted(lines, key=lambda s: -len(s.points)):
        for i, other in enumerate(found):
            if _lies_on(one, other):
                found[i] = Series(f"{other.name}, {one.name}", other.points)
                break
        else:
            found.append(one)
    return found


def _lies_on(one: Series, other: Series) -> bool:
    near = [(round(x, _DIGITS), round(y, _DIGITS)) for x, y in other.points]
    return {(round(x, _DIGITS), round(y, _DIGITS)) for x, y in one.points} <= set(near)


def _rungs(up: Axis, y_unit: str, top: float, right: float) -> Iterator[Markup]:
    yield text(0, top - 12, y_unit, size=SMALL, fill=paint("chart-muted"))
    for tick in up.ticks():
        y = up.at(tick)
        yield straight(_LEFT, y, right, y, paint("chart-grid"))
        label = up.tick_label(tick)
        yield text(_LEFT - 8, y + SMALL / 3, label, anchor="end", size=SMALL, fill=paint("chart-muted"))


def _entry(i: int, names: Sequence[str], place: tuple[float, float]) -> Iterator[Markup]:
    x, y = place
    yield straight(x, y - 4, x + 26, y - 4, _colour(i), width=2, dash=_dash(i))
    yield rect(x + 10, y - 7, 6, 6, _colour(i))
    for j, shown in enumerate(names):
        yield text(x + _BEFORE_NAME, y + j * _LEGEND_ROW, shown)


def _curve(i: int, one: Series, across: Axis, up: Axis) -> Iterator[Markup]:
    places = [(across.at(x), up.at(y)) for x, y in one.points]
    yield path(places, _colour(i), dash=_dash(i))
    for (x, y), (value, level) in zip(places, one.points, strict=True):
        yield circle(x, y, 3.5, _colour(i), hover=f"{one.name}: {number(level)} at {number(value)}")


def _colour(i: int) -> str:
    return paint(f"chart-part-{i % len(CATEGORIES)}")


def _dash(i: int) -> str:
    return _DASHES[i % len(_DASHES)]
