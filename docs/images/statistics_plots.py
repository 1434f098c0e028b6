"""Draw the plots of docs/statistics.md from simulated scores: ``python docs/images/statistics_plots.py``.

Run it in the project's root, with the project installed. It needs no plotting library.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from daydreaming.analysis.comparisons import factor_levels  # noqa: E402
from daydreaming.analysis.dstudy import d_study  # noqa: E402
from daydreaming.analysis.gstudy import g_study  # noqa: E402
from daydreaming.analysis.judge_audit import judge_audit  # noqa: E402
from daydreaming.analysis.missing import missing_cells  # noqa: E402
from tests.support.designs import as_scores, crossed, with_values  # noqa: E402

KNOWN = {
    "combination": 0.5, "generation template": 0.15, "generator": 0.25, "essay": 0.7, "rubric": 0.1,
    "essay x judge": 0.35, "essay x rubric": 0.15, "residual": 0.5,
}  # fmt: skip
LENIENCY = {"acme/judge": 0.6, "bolt/judge": 0.1, "core/judge": -0.7}
OWN = 0.9
BLUE, GREY, RED = "#2b6cb0", "#a0aec0", "#c53030"
WIDTH, LEFT, RIGHT, ROW = 680, 210, 30, 26


def simulated() -> pd.DataFrame:
    """Scores of 14 combinations by two templates, three generators, three judges and two rubrics."""
    rng = np.random.default_rng(6)
    cells = crossed(combos=14, templates=2, generators=3, judges=3, rubrics=2)
    frame = with_values(cells, rng, KNOWN)
    judges = list(LENIENCY)
    # The first judge is the first generator too.
    frame["generation_model"] = frame["generation_model"].map(
        {"g0000": judges[0], "g0001": "delta/writer", "g0002": "edge/writer"}
    )
    frame["evaluation_model"] = frame["evaluation_model"].map(
        {f"j{i:04}": judge for i, judge in enumerate(judges)}
    )
    frame["value"] += frame["evaluation_model"].map(LENIENCY)
    frame["value"] += OWN * (frame["evaluation_model"] == frame["generation_model"])
    frame["value"] = frame["value"].clip(0, 10).round(1)
    # One judge's answers are often unreadable, and more so for one generator.
    lost = (frame["evaluation_model"] == judges[2]) & (rng.random(len(frame)) < 0.12)
    lost |= (frame["generation_model"] == "edge/writer") & (rng.random(len(frame)) < 0.08)
    frame.loc[lost, "value"] = float("nan")
    return as_scores(frame, generation_cost_usd=0.02, evaluation_cost_usd=0.004)


def svg(height: float, title: str, parts: Iterable[str]) -> str:
    """A whole picture."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'font-family="sans-serif" font-size="13" role="img"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="white"/>{text(LEFT, 22, title, weight="bold")}'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, anchor: str = "start", weight: str = "normal") -> str:
    """Words at a place."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="#2d3748">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, colour: str = GREY, width: float = 1) -> str:
    """A straight line."""
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'


def dot(x: float, y: float, colour: str = BLUE) -> str:
    """A point."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'


def scale(low: float, high: float) -> Callable[[float], float]:
    """From values to places on the horizontal axis."""
    return lambda value: LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def axis(at: Callable[[float], float], ticks: Sequence[float], bottom: float, label: str) -> list[str]:
    """Ticks, with a line up to the top, and what they mean."""
    marks = [
        line(at(t), 34, at(t), bottom, "#e2e8f0") + text(at(t), bottom + 16, f"{t:g}", "middle")
        for t in ticks
    ]
    return [*marks, text((LEFT + WIDTH - RIGHT) / 2, bottom + 36, label, "middle")]


def shares(scores: pd.DataFrame) -> str:
    """Bars: the share of each component; a line where it was simulated."""
    table = g_study(scores)
    table = table[table["variance"].notna()]
    truth = KNOWN | {"judge": float(np.var(list(LENIENCY.values()), ddof=1))}
    whole = sum(truth.values())
    at, bottom = scale(0, 0.4), 40 + ROW * len(table)
    parts = axis(at, [0, 0.1, 0.2, 0.3, 0.4], bottom, "share of the variance of a score (line: as simulated)")
    for i, row in enumerate(table.to_dict("records")):
        y, known = 40 + ROW * i, at(truth.get(row["component"], 0.0) / whole)
        bar = at(row["share"]) - LEFT
        parts += [
            text(LEFT - 8, y + 17, row["component"], "end"),
            f'<rect x="{LEFT}" y="{y + 4}" width="{bar:.1f}" height="{ROW - 8}" fill="{BLUE}"/>',
            line(known, y + 1, known, y + ROW - 1, RED, 2),
        ]
    return svg(bottom + 48, "Where the spread of the scores comes from (g_study)", parts)


def intervals(
    title: str, label: str, rows: Sequence[tuple[str, float, float, float]], ticks: Sequence[float],
    truth: Sequence[float | None],
) -> str:  # fmt: skip
    """A point and its interval in each row."""
    at, bottom = scale(ticks[0], ticks[-1]), 40 + ROW * len(rows)
    parts = axis(at, ticks, bottom, label)
    for i, ((name, value, low, high), known) in enumerate(zip(rows, truth, strict=True)):
        y = 40 + ROW * (i + 0.5)
        parts += [
            text(LEFT - 8, y + 4, name, "end"),
            line(at(low), y, at(high), y, BLUE, 2),
            dot(at(value), y),
        ]
        if known is not None:
            parts.append(line(at(known), y - 10, at(known), y + 10, RED, 2))
    return svg(bottom + 48, title, parts)


def audit(scores: pd.DataFrame) -> str:
    """Leniency and self-preference with their intervals."""
    table = judge_audit(scores)
    chosen = table[table["statistic"].isin(["leniency", "self_preference"]) & table["ci_low"].notna()]
    chosen = chosen[chosen["evaluation_model"] != ""]
    rows = [
        (
            f"{r['evaluation_model']}: {r['statistic'].replace('_', '-')}",
            r["value"],
            r["ci_low"],
            r["ci_high"],
        )
        for r in chosen.to_dict("records")
    ]
    truth = [LENIENCY[r[0].split(":")[0]] if r[0].endswith("leniency") else OWN for r in rows]
    label = "points on 0–10 (line: as simulated)"
    return intervals(
        "What each judge adds by itself (judge_audit)", label, rows, [-1, -0.5, 0, 0.5, 1, 1.5], truth
    )


def levels(scores: pd.DataFrame) -> str:
    """Means of the generators: bootstrap interval, and the bounds of what is missing."""
    table = factor_levels(scores)
    bounds = missing_cells(scores).set_index(["factor", "level"])
    at, ticks = scale(3.5, 7), [3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7]
    chosen = table[table["factor"].isin(["generation_template", "generation_model"])].to_dict("records")
    bottom = 40 + ROW * len(chosen)
    parts = axis(at, ticks, bottom, "mean on 0–10; dark: 95 % interval; pale: whatever is missing")
    for i, row in enumerate(chosen):
        y = 40 + ROW * (i + 0.5)
        worst, best = bounds.loc[(row["factor"], row["level"]), ["mean_worst", "mean_best"]]
        parts += [
            text(LEFT - 8, y + 4, row["level"], "end"),
            line(at(worst), y, at(best), y, "#bee3f8", 10),
            line(at(row["ci_low"]), y, at(row["ci_high"]), y, BLUE, 2),
            dot(at(row["mean"]), y),
        ]
    return svg(bottom + 48, "Levels with their uncertainty (factor_levels, missing_cells)", parts)


def curves(scores: pd.DataFrame) -> str:
    """The standard error of a template's mean against the dollars that more of each thing costs."""
    table = d_study(scores)
    table = table[(table["object"] == "generation template") & (table["change"] != "conclusion")]
    start = table[table["change"] == "as it is"].iloc[0]
    at = scale(0, 8)
    top, bottom = 56, 300

    def up(se: float) -> float:
        return bottom - se / 0.2 * (bottom - top)

    parts = axis(at, range(9), bottom, "dollars added")
    parts += [line(LEFT, up(s), WIDTH - RIGHT, up(s), "#e2e8f0") for s in (0, 0.05, 0.1, 0.15, 0.2)]
    parts += [text(LEFT - 8, up(s) + 4, f"{s:g}", "end") for s in (0, 0.05, 0.1, 0.15, 0.2)]
    parts.append(text(LEFT - 45, top + 4, "SE of a template's mean", "end"))
    kinds = ((BLUE, "more combinations"), (RED, "more judges"), ("#2f855a", "more rubrics"))
    for i, (colour, name) in enumerate(kinds):
        rows = table[table["change"] == name]
        points = [(0.0, start["se"]), *zip(rows["added_cost_usd"], rows["se"], strict=True)]
        shown = [(at(x), up(y)) for x, y in points if x <= 8]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in shown)
        parts.append(f'<path d="M{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts += [dot(x, y, colour) for x, y in shown]
        parts += [dot(LEFT + 20, 216 + 22 * i, colour), text(LEFT + 32, 220 + 22 * i, name)]
    return svg(bottom + 48, "What more of each thing buys (d_study)", parts)


def main() -> None:
    """Write every picture beside this file."""
    scores = simulated()
    pictures = {
        "statistics-g-study.svg": shares, "statistics-d-study.svg": curves, "statistics-judges.svg": audit,
        "statistics-levels.svg": levels,
    }  # fmt: skip
    for name, draw in pictures.items():
        (HERE / name).write_text(draw(scores), encoding="utf-8")
    for note in d_study(scores, target_se=0.12).query("change == 'conclusion'")["note"]:
        sys.stdout.write(f"{note}\n")


if __name__ == "__main__":
    main()
