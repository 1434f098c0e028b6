"""People beside judges in the report."""

from __future__ import annotations

from typing import Any

from daydreaming.report.blocks import Figure, Table
from daydreaming.report.judges import judges_section
from daydreaming.report.people import people_blocks
from tests.support.report_source import make_source, tables


def agreement(judge: str, difference: float | None = 0.5, **other: Any) -> dict[str, Any]:
    """A row of ``human_agreement``."""
    row: dict[str, Any] = {
        "evaluation_template": "rigor",
        "evaluation_model": judge,
        "essays": 12,
        "raters": 2,
        "left_out": 1,
        "difference": difference,
        "ci_low": -0.25,
        "ci_high": 1.25,
        "limit_low": -1.5,
        "limit_high": 2.5,
        "icc_a1": 0.61,
        "krippendorff_alpha": 0.6,
        "why": "",
    }
    return {**row, **other}


def with_rows(*rows: dict[str, Any]):
    return make_source(tables={**tables(), "human_agreement": list(rows)})


def test_without_ratings_nothing_is_said():
    assert list(people_blocks(make_source())) == []


def test_each_judge_is_drawn_and_listed_beside_people():
    source = with_rows(agreement(""), agreement("kind", -0.5))
    blocks = judges_section(source).blocks
    [figure] = [b for b in blocks if isinstance(b, Figure) and "from people" in b.chart]
    assert "mean of the judges, rigor: 0.5 (-0.25 to 1.25)" in figure.chart.replace("−", "-")
    assert "Reference line: people, 0." in figure.chart
    [table] = [b for b in blocks if isinstance(b, Table) and b.file == "human_agreement.csv"]
    assert [cell.text.replace("−", "-") for cell in table.rows[1]] == [
        "rigor", "kind", "12", "2", "1", "-0.50 (-0.25 to 1.25)", "-1.50 to 2.50", "0.61", "0.60",
    ]  # fmt: skip


def test_what_is_missing_says_why():
    none = dict.fromkeys(
        ("ci_low", "ci_high", "limit_low", "limit_high", "icc_a1", "krippendorff_alpha"), None
    )
    row = agreement("kind", None, **none, essays=0, why="no score of a rated essay")
    blocks = list(people_blocks(with_rows(row)))
    assert not any(isinstance(block, Figure) for block in blocks)
    [table] = [block for block in blocks if isinstance(block, Table)]
    assert [cell.text for cell in table.rows[0]][-5:] == ["–", "–", "–", "–", "no score of a rated essay"]
