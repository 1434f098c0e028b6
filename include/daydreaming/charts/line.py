"""Lines through points, one per series: how something falls or rises with a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from daydreaming.charts.axis import Axis, axis_over
from daydreaming.charts.colours import CATEGORIES, paint
from daydreaming.charts.intervals import Reference
from daydreaming.charts.labels import number, shorten
from daydreaming.charts.rows import AXIS_HEIGHT, grid, is_number
from daydreaming.charts.svg import SIZE, SMALL, WIDTH, circle, empty, figure, path, rect, text
from daydreaming.charts.svg import line as straight

_LEFT, _RIGHT = 54.0, 16.0
_PLOT_HEIGHT = 220.0
_LEGEND_ROW = 18.0
_LEGEND_COLUMNS = 2
_DASHES = ("", "6 3", "2 3", "8 3 2 3")


@dataclass(frozen=True)
class Series:
    """Points (x, y) of one line, in the order in which it goes; those that are not finite are left out."""

    name: str
    points: Sequence[tuple[float, float]]


def line(
    series: Sequence[Series], *, title: str, x_unit: str, y_unit: str, reference: Reference | None = None
) -> Markup:
    """Lines with a mark at each point; told apart by colour and by dashes.

    Args:
        series: Each a line.
        title: What is shown.
        x_unit: What the horizontal axis counts.
        y_unit: What the vertical axis counts; it holds 0.
        reference: A value of the vertical axis to compare with.
    """
    lines = [Series(one.name, [p for p in one.points if all(map(is_number, p))]) for one in series]
    lines = [one for one in lines if one.points]
    if not lines:
        return empty(title, "Nothing to show yet.")
    top = -(-len(lines) // _LEGEND_COLUMNS) * _LEGEND_ROW + 30
    bottom = top + _PLOT_HEIGHT
    across = axis_over((x for one in lines for x, _ in one.points), _LEFT, WIDTH - _RIGHT)
    levels = [y for one in lines for _, y in one.points] + ([reference.value] if reference else [])
    up = axis_over([0.0, *levels], bottom, top)
    parts = [*grid(across, top, bottom, x_unit), *_rungs(up, y_unit, top)]
    if reference:
        y = up.at(reference.value)
        parts.append(straight(_LEFT, y, WIDTH - _RIGHT, y, paint("chart-accent"), width=1.5, dash="4 3"))
        parts.append(
            text(WIDTH - _RIGHT, y - 5, reference.label, anchor="end", size=SMALL, fill=paint("chart-accent"))
        )
    for i, one in enumerate(lines):
        parts += [*_entry(i, one), *_curve(i, one, across, up)]
    told = "; ".join(
        f"{one.name}: {', '.join(f'{number(y)} at {number(x)}' for x, y in one.points)}" for one in lines
    )
    return figure(bottom + AXIS_HEIGHT, title, f"{y_unit} by {x_unit}. {told}.", parts)


def _rungs(up: Axis, y_unit: str, top: float) -> Iterator[Markup]:
    yield text(0, top - 12, y_unit, size=SMALL, fill=paint("chart-muted"))
    for tick in up.ticks():
        y = up.at(tick)
        yield straight(_LEFT, y, WIDTH - _RIGHT, y, paint("chart-grid"))
        label = up.tick_label(tick)
        yield text(_LEFT - 8, y + SMALL / 3, label, anchor="end", size=SMALL, fill=paint("chart-muted"))


def _entry(i: int, one: Series) -> Iterator[Markup]:
    wide = WIDTH / _LEGEND_COLUMNS
    x, y = i % _LEGEND_COLUMNS * wide, 12 + i // _LEGEND_COLUMNS * _LEGEND_ROW
    yield straight(x, y - 4, x + 26, y - 4, _colour(i), width=2, dash=_dash(i))
    yield rect(x + 10, y - 7, 6, 6, _colour(i))
    yield text(x + 32, y, shorten(one.name, wide - 40, SIZE), hover=one.name)


def _curve(i: int, one: Series, across: Axis, up: Axis) -> Iterator[Markup]:
    places = [(across.at(x), up.at(y)) for x, y in one.points]
    yield path(places, _colour(i), dash=_dash(i))
    for (x, y), (value, level) in zip(places, one.points, strict=True):
        yield circle(x, y, 3.5, _colour(i), hover=f"{one.name}: {number(level)} at {number(value)}")


def _colour(i: int) -> str:
    return paint(f"chart-part-{i % len(CATEGORIES)}")


def _dash(i: int) -> str:
    return _DASHES[i % len(_DASHES)]
