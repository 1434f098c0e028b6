"""How often each value came, one panel per group, all on one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from daydreaming.charts.axis import Axis, axis_over
from daydreaming.charts.colours import paint
from daydreaming.charts.labels import number, shorten
from daydreaming.charts.rows import AXIS_HEIGHT, GAP, TOP, grid, is_number, names_width, tick_steps
from daydreaming.charts.svg import SIZE, SMALL, WIDTH, empty, figure, line, rect, text

_PANEL = 58.0
_PANEL_GAP = 10.0
_EDGE = 16.0
_LEAST_NAMES_WIDTH = 120.0


@dataclass(frozen=True)
class Group:
    """Values of one panel; those that are not finite are counted as missing."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class _Panel:
    name: str
    counts: Sequence[int]
    mean: float | None
    missing: int

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def note(self) -> str:
        missing = f", {self.missing:,} missing" if self.missing else ""
        return f"n {self.total:,}{missing}"


def histogram(
    groups: Sequence[Group],
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    step: float,
    width: float = WIDTH,
) -> Markup:
    """Small multiples: the share of a group's values in each bin, with a line at their mean.

    Args:
        groups: From top to bottom.
        title: What is shown.
        unit: What the axis counts.
        low: Lowest value that is expected; what is below counts there.
        high: Highest likewise.
        step: Width of a bin. Bins are centred on ``low``, ``low + step``, …, so that whole numbers
            do not lie on their edges.
        width: Of the drawing.

    Raises:
        ValueError: ``low`` is not below ``high``, or ``step`` not above 0.
    """
    if not (low < high and step > 0):
        raise ValueError(f"low must be below high and step above 0; got {low}, {high} and {step}.")
    if not groups:
        return empty(title, "Nothing to show yet.", width=width)
    panels = [_panel(group, low, high, step) for group in groups]
    names = names_width([text for panel in panels for text in (panel.name, panel.note)], width)
    names = max(names, _LEAST_NAMES_WIDTH)
    start, end = names + GAP + _EDGE, width - _EDGE
    axis = axis_over((low, high), start, end, count=tick_steps(start, end))
    bottom = TOP + len(panels) * (_PANEL + _PANEL_GAP)
    parts = grid(axis, TOP, bottom, unit, width)
    highest = max((max(panel.counts) / panel.total for panel in panels if panel.total), default=1.0)
    for i, panel in enumerate(panels):
        floor = TOP + (i + 1) * (_PANEL + _PANEL_GAP)
        parts += _names(panel, floor, names)
        parts += _bars(panel, axis, floor, low, step, highest)
    return figure(bottom + AXIS_HEIGHT, title, _description(panels, unit), parts, width=width)


def _panel(group: Group, low: float, high: float, step: float) -> _Panel:
    values = [value for value in group.values if is_number(value)]
    last = round((high - low) / step)
    counts = [0] * (last + 1)
    for value in values:
        counts[min(max(round((value - low) / step), 0), last)] += 1
    mean = sum(values) / len(values) if values else None
    return _Panel(group.name, counts, mean, len(group.values) - len(values))


def _names(panel: _Panel, floor: float, width: float) -> Iterator[Markup]:
    shown = shorten(panel.name, width, SIZE)
    hover = "" if shown == panel.name else panel.name
    yield text(width, floor - 32, shown, anchor="end", hover=hover)
    muted = paint("chart-muted")
    yield text(width, floor - 17, shorten(panel.note, width, SMALL), anchor="end", size=SMALL, fill=muted)
    yield text(width, floor - 3, f"mean {number(panel.mean)}", anchor="end", size=SMALL, fill=muted)


def _bars(
    panel: _Panel, axis: Axis, floor: float, low: float, step: float, highest: float
) -> Iterator[Markup]:
    yield line(axis.start - _EDGE, floor, axis.end + _EDGE, floor, paint("chart-muted"))
    wide = (axis.end - axis.start) / (axis.high - axis.low) * step
    for i, count in enumerate(panel.counts):
        if count:
            value = low + i * step
            tall = count / panel.total / highest * _PANEL
            hover = f"{panel.name}, {number(value)}: {count:,} of {panel.total:,}"
            x = axis.at(value) - wide / 2 + 0.5
            yield rect(x, floor - tall, wide - 1, tall, paint("chart-soft"), hover=hover)
    if panel.mean is not None:
        x = axis.at(panel.mean)
        yield line(x, floor - _PANEL, x, floor, paint("chart-accent"), width=2, dash="5 3")


def _description(panels: Sequence[_Panel], unit: str) -> str:
    told = "; ".join(f"{panel.name}: {panel.note}, mean {number(panel.mean)}" for panel in panels)
    return f"Share of values by {unit}; the dashed line is the mean. {told}."
