"""An axis: from values to places, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from daydreaming.charts.labels import number

_ROUND_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_DIGITS = 12


@dataclass(frozen=True)
class Axis:
    """A straight scale.

    Attributes:
        low, high: The range of values, which ends at ticks.
        start, end: Places of both; ``end`` may be the smaller, for an axis that goes up.
        step: Between ticks.
    """

    low: float
    high: float
    start: float
    end: float
    step: float

    def at(self, value: float) -> float:
        """The place of a value; what is outside the range is put at its end."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Values of the ticks, ascending."""
        count = round((self.high - self.low) / self.step)
        return [round(self.low + i * self.step, _DIGITS) + 0.0 for i in range(count + 1)]

    def tick_label(self, value: float) -> str:
        """A tick's value with as many decimals as the step has."""
        return number(value, _decimals(self.step))


def axis_over(values: Iterable[float], start: float, end: float, *, count: int = 5) -> Axis:
    """An axis that holds all finite values and ends at round numbers.

    Args:
        values: Of any number; without one the axis is from 0 to 1.
        start: Place of the lowest value.
        end: Place of the highest.
        count: About how many steps.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low <= abs(high) * 1e-9:
        # One value alone: something has to be around it.
        margin = abs(high) / 2 or 1.0
        low, high = low - margin, high + margin
    step = nice_step(high - low, count)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Axis(round(low, _DIGITS), round(high, _DIGITS), start, end, step)


def nice_step(span: float, count: int) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that covers a span in so many steps."""
    raw = span / count
    magnitude = 10.0 ** math.floor(math.log10(raw))
    factor = next(step for step in _ROUND_STEPS if raw <= step * magnitude * (1 + 1e-9))
    return round(factor * magnitude, _DIGITS) or factor * magnitude


def _decimals(step: float) -> int:
    return next((digits for digits in range(_DIGITS) if math.isclose(step, round(step, digits))), _DIGITS)
