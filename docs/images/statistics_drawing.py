"""Bars, points and lines as SVG, for the plots of docs/statistics.md. It needs no plotting library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

BLUE, PALE, GREY, RED, GREEN = "#2b6cb0", "#bee3f8", "#a0aec0", "#c53030", "#2f855a"
GRID, INK = "#e2e8f0", "#2d3748"
WIDTH, LEFT, RIGHT, ROW, TOP = 680, 210, 30, 26, 40


def svg(height: float, title: str, parts: Iterable[str], left: float = LEFT) -> str:
    """A whole picture; ``left`` is where its title begins."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="13" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/>{text(left, 22, title, weight="bold")}'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def text(
    x: float, y: float, words: str, anchor: str = "start", weight: str = "normal", colour: str = INK
) -> str:
    """Words at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str = GREY, width: float = 1) -> str:
    """A straight line."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'


def dot(x: float, y: float, colour: str = BLUE, radius: float = 5) -> str:
    """A point."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}"/>'


def bar(x1: float, x2: float, y: float, height: float, colour: str = BLUE) -> str:
    """A filled rectangle between two places, its top at ``y``."""
    low, high = sorted((x1, x2))
    return f'<rect x="{low:.1f}" y="{y:.1f}" width="{high - low:.1f}" height="{height:.1f}" fill="{colour}"/>'


def arrow_head(x: float, y: float, colour: str = BLUE) -> str:
    """Its tip to the right at a place: a line goes on beyond the picture."""
    return f'<path d="M{x - 8:.1f} {y - 5:.1f}L{x:.1f} {y:.1f}L{x - 8:.1f} {y + 5:.1f}Z" fill="{colour}"/>'


def scale(low: float, high: float, right: float = WIDTH - RIGHT) -> Callable[[float], float]:
    """From values to places on the horizontal axis."""
    return lambda value: LEFT + (value - low) / (high - low) * (right - LEFT)


def axis(at: Callable[[float], float], ticks: Sequence[float], bottom: float, label: str) -> list[str]:
    """Ticks, with a line up to the top, and what they mean."""
    marks = [
        line(at(t), TOP - 6, at(t), bottom, GRID) + text(at(t), bottom + 16, f"{t:g}", "middle")
        for t in ticks
    ]
    return [*marks, text((at(ticks[0]) + at(ticks[-1])) / 2, bottom + 36, label, "middle")]


def side(up: Callable[[float], float], ticks: Sequence[float], label: str, above: float) -> list[str]:
    """The same for a vertical axis; its label stands left of the ticks, at the height ``above``."""
    marks = [line(LEFT, up(t), WIDTH - RIGHT, up(t), GRID) for t in ticks]
    marks += [text(LEFT - 8, up(t) + 4, f"{t:g}", "end") for t in ticks]
    return [
        *marks,
        *(text(LEFT - 45, above + 18 * i, words, "end") for i, words in enumerate(label.split("\n"))),
    ]


def row_middle(i: int) -> float:
    """Height of the middle of a row."""
    return TOP + ROW * (i + 0.5)


def row_name(i: int, name: str) -> str:
    """What stands left of a row."""
    return text(LEFT - 8, row_middle(i) + 4, name, "end")


def legend(x: float, y: float, entries: Iterable[tuple[str, str]]) -> list[str]:
    """A dot and words for each colour, below each other."""
    return [
        part
        for i, (colour, words) in enumerate(entries)
        for part in (dot(x, y + 22 * i - 4, colour), text(x + 12, y + 22 * i, words))
    ]
