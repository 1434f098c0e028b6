"""Draw the plots of docs/statistics.md from simulated scores: ``python docs/images/statistics_plots.py``.

Run it in the project's root, with the project installed. It needs no plotting library.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from statistics_drawing import (
    BLUE,
    GREEN,
    GREY,
    LEFT,
    PALE,
    RED,
    ROW,
    TOP,
    WIDTH,
    arrow_head,
    axis,
    bar,
    dot,
    legend,
    line,
    row_middle,
    row_name,
    scale,
    side,
    svg,
    text,
)

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from daydreaming.analysis.agreement import evaluator_agreement  # noqa: E402
from daydreaming.analysis.comparisons import factor_levels, friedman, paired_comparisons  # noqa: E402
from daydreaming.analysis.dstudy import d_study  # noqa: E402
from daydreaming.analysis.gstudy import g_study  # noqa: E402
from daydreaming.analysis.human_agreement import human_agreement  # noqa: E402
from daydreaming.analysis.judge_audit import adjusted_ranking, judge_audit  # noqa: E402
from daydreaming.analysis.missing import missing_cells  # noqa: E402
from daydreaming.analysis.power import detectable_effects  # noqa: E402
from daydreaming.analysis.reliability import judge_reliability  # noqa: E402
from daydreaming.analysis.variance import comprehensive_variance  # noqa: E402
from tests.support.designs import as_scores, crossed, with_values  # noqa: E402

KNOWN = {
    "combination": 0.5, "generation template": 0.15, "generator": 0.25, "essay": 0.7, "rubric": 0.1,
    "essay x judge": 0.35, "essay x rubric": 0.15, "residual": 0.5,
}  # fmt: skip
LENIENCY = {"acme/judge": 0.6, "bolt/judge": 0.1, "core/judge": -0.7}
OWN = 0.9
NAMES = {
    # The first judge is the first generator too.
    "generation_model": {"g0000": "acme/judge", "g0001": "delta/writer", "g0002": "edge/writer"},
    "evaluation_model": {f"j{i:04}": judge for i, judge in enumerate(LENIENCY)},
    "generation_template": {"t0000": "dialogue", "t0001": "free essay"},
    "evaluation_template": {"r0000": "creativity", "r0001": "rigour"},
}
FACTORS = {
    "generation_template": "templates", "generation_model": "generators", "evaluation_template": "rubrics",
    "evaluation_model": "judges", "combo_id": "combinations",
}  # fmt: skip


def simulated() -> pd.DataFrame:
    """Scores of 14 combinations by two templates, three generators, three judges and two rubrics."""
    rng = np.random.default_rng(6)
    cells = crossed(combos=14, templates=2, generators=3, judges=3, rubrics=2)
    frame = with_values(cells, rng, KNOWN)
    for column, names in NAMES.items():
        frame[column] = frame[column].map(names)
    frame["value"] += frame["evaluation_model"].map(LENIENCY)
    frame["value"] += OWN * (frame["evaluation_model"] == frame["generation_model"])
    frame["value"] = frame["value"].clip(0, 10).round(1)
    # One judge's answers are often unreadable, and more so for one generator.
    lost = (frame["evaluation_model"] == "core/judge") & (rng.random(len(frame)) < 0.12)
    lost |= (frame["generation_model"] == "edge/writer") & (rng.random(len(frame)) < 0.08)
    frame.loc[lost, "value"] = float("nan")
    return as_scores(frame, generation_cost_usd=0.02, evaluation_cost_usd=0.004)


def intervals(
    title: str, label: str, rows: Sequence[tuple[str, float, float, float]], ticks: Sequence[float],
    truth: Sequence[float | None],
) -> str:  # fmt: skip
    """A point and its interval in each row."""
    at, bottom = scale(ticks[0], ticks[-1]), TOP + ROW * len(rows)
    parts = axis(at, ticks, bottom, label)
    for i, ((name, value, low, high), known) in enumerate(zip(rows, truth, strict=True)):
        y = row_middle(i)
        parts += [row_name(i, name), line(at(low), y, at(high), y, BLUE, 2), dot(at(value), y)]
        if known is not None:
            parts.append(line(at(known), y - 10, at(known), y + 10, RED, 2))
    return svg(bottom + 48, title, parts)


def reliability(scores: pd.DataFrame) -> str:
    """Every coefficient by rubric; those of alpha with intervals."""
    table = judge_reliability(scores)
    at, bottom = scale(0, 1), TOP + ROW * len(table)
    parts = axis(at, [0, 0.2, 0.4, 0.6, 0.8, 1], bottom, "1: the judges agree entirely; 0: as by chance")
    parts += [line(at(t), TOP - 6, at(t), bottom, RED) for t in (0.67, 0.8)]
    for i, row in enumerate(table.to_dict("records")):
        name = row["statistic"].replace("krippendorff_alpha", f"alpha, {row['level']}")
        y = row_middle(i)
        parts.append(row_name(i, f"{row['evaluation_template']}: {name}"))
        if not np.isnan(row["ci_low"]):
            parts.append(line(at(row["ci_low"]), y, at(row["ci_high"]), y, BLUE, 2))
        parts.append(dot(at(row["value"]), y))
    parts.append(
        text(
            LEFT, bottom + 56, "Red: 0.67, below which alpha is too weak, and 0.8, from which it is reliable"
        )
    )
    return svg(bottom + 68, "How far the judges agree (judge_reliability)", parts)


def ranges(scores: pd.DataFrame) -> str:
    """How many essays the judges disagree on, and by how much."""
    table = evaluator_agreement(scores)
    found = table.loc[table["judges"] >= 2, "range_0_10"]
    counts, edges = np.histogram(found, np.arange(0, 6.01, 0.5))
    at, top, bottom = scale(0, 6), 60, 240

    def up(count: float) -> float:
        return bottom - count / 40 * (bottom - top)

    parts = axis(at, range(7), bottom, "points between the highest and the lowest judge")
    parts += side(up, [0, 10, 20, 30, 40], "essays\nand rubrics", top + 4)
    parts += [
        bar(at(low) + 1, at(low + 0.5) - 1, up(count), bottom - up(count))
        for low, count in zip(edges.tolist(), counts.tolist(), strict=False)
    ]
    parts += [line(at(t), top - 14, at(t), bottom, RED) for t in (1, 2, 3)]
    places = zip((0.5, 1.5, 2.5, 4.5), ("high", "moderate", "low", "poor"), strict=True)
    parts += [text(at(x), top - 10, word, "middle") for x, word in places]
    return svg(bottom + 48, "On how many essays the judges disagree (evaluator_agreement_analysis)", parts)


def instability(scores: pd.DataFrame) -> str:
    """Each essay by how far its rubrics and its judges differ."""
    table = comprehensive_variance(scores)
    most = 3.5
    at, top, bottom = scale(0, most), 50, 330

    def up(sd: float) -> float:
        return bottom - sd / most * (bottom - top)

    ticks = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    colours = {"stable": BLUE, "moderate": GREY, "unstable": RED}
    parts = axis(at, ticks, bottom, "SD of the essay's means by rubric, in points")
    parts += side(up, ticks, "SD of the\nessay's means\nby judge", top + 4)
    parts.append(line(at(0), up(0), at(most), up(most), GREY, 1))
    for row in table.to_dict("records"):
        sds = row["evaluation_template_variance"] ** 0.5, row["evaluation_model_variance"] ** 0.5
        parts.append(dot(at(sds[0]), up(sds[1]), colours[row["stability"]], 4))
    parts += [text(at(1.3), up(2.9), "judges differ more"), text(at(2.45), up(0.6), "rubrics differ more")]
    parts += legend(at(0.1), up(3.1), [(colour, name) for name, colour in colours.items()])
    return svg(bottom + 48, "What makes an essay's score unstable (comprehensive_variance_analysis)", parts)


def levels(scores: pd.DataFrame) -> str:
    """Means of the generators: bootstrap interval, and the bounds of what is missing."""
    table = factor_levels(scores)
    bounds = missing_cells(scores).set_index(["factor", "level"])
    at, ticks = scale(4.5, 7), [4.5, 5, 5.5, 6, 6.5, 7]
    chosen = table[table["factor"].isin(["generation_template", "generation_model"])].to_dict("records")
    bottom = TOP + ROW * len(chosen)
    parts = axis(at, ticks, bottom, "mean on 0–10; dark: 95 % interval; pale: whatever is missing")
    for i, row in enumerate(chosen):
        y = row_middle(i)
        worst, best = bounds.loc[(row["factor"], row["level"]), ["mean_worst", "mean_best"]]
        parts += [
            row_name(i, row["level"]),
            line(at(worst), y, at(best), y, PALE, 10),
            line(at(row["ci_low"]), y, at(row["ci_high"]), y, BLUE, 2),
            dot(at(row["mean"]), y),
        ]
    return svg(bottom + 48, "Levels with their uncertainty (factor_levels, missing_cells)", parts)


def pairs(scores: pd.DataFrame) -> str:
    """The difference of each pair; dark where chance is an unlikely reason."""
    table = paired_comparisons(scores)
    at, bottom = scale(-1, 1.5, WIDTH - 110), TOP + ROW * len(table)
    parts = axis(at, [-1, -0.5, 0, 0.5, 1, 1.5], bottom, "mean difference in points on 0–10")
    parts.append(line(at(0), TOP - 6, at(0), bottom, GREY, 2))
    for i, row in enumerate(table.to_dict("records")):
        y, sure = row_middle(i), row["p_holm"] <= 0.05
        parts += [
            row_name(i, f"{row['level_a']} − {row['level_b']}"),
            bar(at(0), at(row["difference"]), y - 7, 14, BLUE if sure else PALE),
            text(WIDTH - 96, y + 4, f"p {row['p_holm']:.3f}" if row["p_holm"] >= 0.0005 else "p < 0.001"),
        ]
    parts.append(text(LEFT, bottom + 56, "p: corrected by Holm; dark where it is 0.05 or less"))
    return svg(bottom + 68, "Which of two is better (paired_comparisons)", parts)


def concordance(scores: pd.DataFrame) -> str:
    """How alike the combinations rank the levels of a factor."""
    table = friedman(scores)
    at, bottom = scale(0, 1, WIDTH - 110), TOP + ROW * len(table)
    parts = axis(
        at, [0, 0.2, 0.4, 0.6, 0.8, 1], bottom, "Kendall's W: 1 where all combinations rank them alike"
    )
    for i, row in enumerate(table.to_dict("records")):
        y, sure = row_middle(i), row["p_permutation"] <= 0.05
        p = row["p_permutation"]
        parts += [
            row_name(i, f"{row['levels']} {FACTORS[row['factor']]}"),
            bar(at(0), at(row["kendalls_w"]), y - 7, 14, BLUE if sure else PALE),
            text(WIDTH - 96, y + 4, f"p {p:.3f}" if p >= 0.0005 else "p < 0.001"),
        ]
    return svg(bottom + 48, "Is there a common order at all (friedman)", parts)


def components(scores: pd.DataFrame) -> str:
    """Bars: the components; dark lines their intervals; red lines what was simulated."""
    table = g_study(scores)
    table = table[table["variance"].notna()]
    truth = KNOWN | {"judge": float(np.var(list(LENIENCY.values()), ddof=1))}
    most = 2.5
    at, bottom = scale(0, most), TOP + ROW * len(table)
    parts = axis(
        at, [0, 0.5, 1, 1.5, 2, 2.5], bottom, "variance in squared points; arrow: the interval goes on"
    )
    for i, row in enumerate(table.to_dict("records")):
        y, known = row_middle(i), at(truth.get(row["component"], 0.0))
        parts += [
            row_name(i, row["component"]),
            bar(LEFT, at(row["variance"]), y - 9, 18, PALE),
            line(at(row["ci_low"]), y, at(min(row["ci_high"], most)), y, BLUE, 2),
            line(known, y - 11, known, y + 11, RED, 2),
        ]
        if row["ci_high"] > most:
            parts.append(arrow_head(at(most), y))
    parts.append(text(LEFT, bottom + 56, "Pale: estimate; dark: 95 % interval; red: as simulated"))
    return svg(bottom + 68, "Where the spread of the scores comes from (g_study)", parts)


def curves(scores: pd.DataFrame) -> str:
    """The standard error of a template's mean against the dollars that more of each thing costs."""
    table = d_study(scores)
    table = table[(table["object"] == "generation template") & (table["change"] != "conclusion")]
    start = table[table["change"] == "as it is"].iloc[0]
    at, top, bottom = scale(0, 8), 56, 300

    def up(se: float) -> float:
        return bottom - se / 0.2 * (bottom - top)

    parts = axis(at, range(9), bottom, "dollars added")
    parts += side(up, [0, 0.05, 0.1, 0.15, 0.2], "SE of a template's\nmean, in points", top + 4)
    kinds = ((BLUE, "more combinations"), (RED, "more judges"), (GREEN, "more rubrics"))
    for colour, name in kinds:
        rows = table[table["change"] == name]
        points = [(0.0, start["se"]), *zip(rows["added_cost_usd"], rows["se"], strict=True)]
        shown = [(at(x), up(y)) for x, y in points if x <= 8]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in shown)
        parts.append(f'<path d="M{path}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts += [dot(x, y, colour) for x, y in shown]
    parts += legend(LEFT + 20, 240, kinds)
    return svg(bottom + 48, "What more of each thing buys (d_study)", parts)


def power(scores: pd.DataFrame) -> str:
    """The smallest difference that the design finds, beside the differences that were found."""
    table = detectable_effects(scores)
    found = paired_comparisons(scores)
    at, bottom = scale(0, 2.5), TOP + ROW * len(table)
    parts = axis(at, [0, 0.5, 1, 1.5, 2, 2.5], bottom, "points on 0–10")
    for i, row in enumerate(table.to_dict("records")):
        y = row_middle(i)
        parts += [
            row_name(i, f"{row['levels']} {FACTORS[row['factor']]}"),
            bar(at(0), at(row["detectable_difference"]), y - 8, 16, PALE),
        ]
        for difference in found.loc[found["factor"] == row["factor"], "difference"].abs():
            parts.append(dot(at(difference), y, BLUE if difference > row["detectable_difference"] else GREY))
    parts.append(
        text(
            LEFT,
            bottom + 56,
            "Pale: too small to be found in 4 of 5 experiments; points: differences of pairs",
        )
    )
    return svg(bottom + 68, "What this design can find (detectable_effects)", parts)


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


def adjusted(scores: pd.DataFrame) -> str:
    """Means as they are, and without the judges' habits."""
    table = adjusted_ranking(scores)
    at, bottom = scale(5, 6.5, WIDTH - 130), TOP + ROW * len(table)
    parts = axis(at, [5, 5.25, 5.5, 5.75, 6, 6.25, 6.5], bottom, "mean on 0–10")
    for i, row in enumerate(table.to_dict("records")):
        y = row_middle(i)
        parts += [
            row_name(i, row["level"]),
            line(at(row["mean"]), y, at(row["adjusted_mean"]), y, BLUE, 2),
            dot(at(row["mean"]), y, GREY),
            dot(at(row["adjusted_mean"]), y),
            text(WIDTH - 112, y + 4, f"place {row['rank']} → {row['adjusted_rank']}"),
        ]
    parts += [dot(LEFT + 6, bottom + 52, GREY), text(LEFT + 18, bottom + 56, "as it is")]
    parts += [
        dot(LEFT + 96, bottom + 52),
        text(LEFT + 108, bottom + 56, "without leniency, self- and family preference"),
    ]
    return svg(bottom + 68, "What is left of a lead (adjusted_ranking)", parts)


def places(scores: pd.DataFrame) -> str:
    """The place of each combination, and the places that the missing scores leave open."""
    table = missing_cells(scores)
    table = table[table["factor"] == "combo_id"]
    at, bottom = scale(1, len(table)), TOP + ROW * len(table)
    parts = axis(at, range(1, len(table) + 1), bottom, "place; pale: what missing scores could make of it")
    for i, row in enumerate(table.to_dict("records")):
        y = row_middle(i)
        parts += [
            row_name(i, f"{row['level']} ({row['unscored']} unscored)"),
            line(at(row["rank_best"]), y, at(row["rank_worst"]), y, PALE, 12),
            dot(at(row["rank"]), y),
        ]
    return svg(bottom + 48, "How firm a place is (missing_cells)", parts)


def people(scores: pd.DataFrame) -> str:
    """How far each judge is from people who rated 40 of the essays, by rubric."""
    rng = np.random.default_rng(11)
    cells = scores.groupby(["generation_task_id", "evaluation_template"])["score"].mean().dropna()
    chosen = rng.choice(cells.index.get_level_values(0).unique(), 40, replace=False)
    rated = cells[cells.index.get_level_values(0).isin(chosen)].reset_index()
    heard = (rated["score"] + rng.normal(0, 0.6, len(rated))).clip(0, 10).round(1)
    ratings = rated.assign(score=heard, rater="ada", score_min=0.0, score_max=10.0)
    table = human_agreement(scores, ratings)
    rows = [
        (f"{row['evaluation_model'] or 'all judges'}, {row['evaluation_template']}", row["difference"],
         row["ci_low"], row["ci_high"])
        for row in table.to_dict("records")
    ]  # fmt: skip
    truth = [LENIENCY.get(name.partition(",")[0]) for name, *_ in rows]
    label = "points above (below) people; red: the leniency that was put in"
    return intervals(
        "Judges beside people (human_agreement)", label, rows, [-1.5, -1, -0.5, 0, 0.5, 1, 1.5], truth
    )


PICTURES = {
    "statistics-reliability.svg": reliability, "statistics-agreement.svg": ranges,
    "statistics-instability.svg": instability, "statistics-levels.svg": levels, "statistics-pairs.svg": pairs,
    "statistics-friedman.svg": concordance, "statistics-g-study.svg": components,
    "statistics-d-study.svg": curves, "statistics-power.svg": power, "statistics-judges.svg": audit,
    "statistics-adjusted.svg": adjusted, "statistics-missing.svg": places,
    "statistics-people.svg": people,
}  # fmt: skip


def main() -> None:
    """Write every picture beside this file."""
    scores = simulated()
    for name, draw in PICTURES.items():
        (HERE / name).write_text(draw(scores), encoding="utf-8")
    for note in d_study(scores, target_se=0.12).query("change == 'conclusion'")["note"]:
        sys.stdout.write(f"{note}\n")


if __name__ == "__main__":
    main()
