"""The short tables that a person reads in the terminal when a run has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RANKINGS: Final[Mapping[str, tuple[str, str]]] = {
    "generation template": ("by_generation_template", "generation_template"),
    "combination": ("by_combination", "combo_id"),
}
"""What is ranked: the analysis of ``final_results`` and the column that names its groups."""

COLUMNS: Final = ("ranking", "rank", "name", "mean", "sd", "count", "planned", "scale")


def leaderboard(final_results: pd.DataFrame, top: int = 10) -> pd.DataFrame:
    """The best generation templates and combinations by mean score.

    Args:
        final_results: As ``final_results`` returns.
        top: Rows of each ranking, at most.

    Returns:
        Columns ``ranking`` (a key of ``RANKINGS``), ``rank`` (from 1; NA where nothing is scored), ``name``,
        ``mean``, ``sd``, ``count`` (scored), ``planned``, ``scale``. Ranked by the mean on 0–10, so that
        groups on different scales compare; equal means share a rank and stand by name; groups without a
        score come last.
    """
    tables = [_rank(final_results, ranking, *source).head(top) for ranking, source in RANKINGS.items()]
    return pd.concat(tables, ignore_index=True)


def summary_text(final_results: pd.DataFrame, top: int = 5) -> str:
    """The leaderboard and the counts as plain text for a terminal: no colour, no trailing line end.

    Args:
        final_results: As ``final_results`` returns.
        top: Rows of each ranking, at most.
    """
    overall = final_results.loc[final_results["analysis"] == "overall"]
    if overall.empty:
        return "No evaluations are planned."
    board = leaderboard(final_results, top)
    parts = [_overall_line(overall.iloc[0])]
    for ranking in RANKINGS:
        rows = board.loc[board["ranking"] == ranking]
        total = int((final_results["analysis"] == RANKINGS[ranking][0]).sum())
        parts.append(f"By {ranking}{_shown(len(rows), total)}\n{_text_table(rows)}")
    return "\n\n".join(parts)


def _rank(final: pd.DataFrame, ranking: str, analysis: str, name: str) -> pd.DataFrame:
    rows = final.loc[final["analysis"] == analysis].sort_values(
        ["mean_0_10", name], ascending=[False, True], na_position="last"
    )
    rank = rows["mean_0_10"].rank(method="min", ascending=False).astype("Int64")
    return rows.assign(ranking=ranking, rank=rank, name=rows[name])[list(COLUMNS)]


def _overall_line(overall: pd.Series[Any]) -> str:
    line = f"{overall['count']} of {overall['planned']} evaluations scored"
    if not overall["count"]:
        return f"{line}."
    return (
        f"{line}: mean {_number(overall['mean'])}, SD {_number(overall['sd'])} on {overall['scale']}; "
        f"{overall['perfect_scores']} perfect ({overall['perfect_percentage']:.1f} %)."
    )


def _shown(rows: int, total: int) -> str:
    return f" (top {rows} of {total})" if rows < total else ""


def _text_table(board: pd.DataFrame) -> str:
    header = ("rank", "name", "mean", "SD", "scored", "scale")
    body = [
        ("–" if pd.isna(rank) else str(rank), name, _number(mean), _number(sd), f"{count}/{planned}", scale)
        for _, rank, name, mean, sd, count, planned, scale in board.itertuples(index=False)
    ]
    lines = [header, *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(_text_line(line, widths) for line in lines)


def _text_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    rank, name, *numbers, scale = cells
    parts = [rank.rjust(widths[0]), name.ljust(widths[1])]
    parts += [number.rjust(width) for number, width in zip(numbers, widths[2:-1], strict=True)]
    return "  ".join([*parts, scale]).rstrip()


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2f}"
