"""How the factor matrix and the judges' agreement look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daydreaming.pipeline.matrix import Level, Matrix, MatrixCell, Unit
from daydreaming.ui.agreement_chart import agreement_chart
from daydreaming.ui.matrix_view import MatrixQuery, view_of

ROWS, COLUMNS = [Level("t", "T"), Level("u", "U")], [Level("m", "M")]


def made(unit: Unit, *values: float | None, **fields: object) -> Matrix:
    cells = {(row.key, "m"): MatrixCell(v, 1000) for row, v in zip(ROWS, values, strict=False)}
    shown = {"scale": None, "unpriced": 0, **fields}
    return Matrix(
        "generation_template", "generation_model", unit, ROWS, COLUMNS, cells, {}, {}, 2, 1, **shown
    )


@pytest.mark.parametrize(
    ("unit", "value", "shown"),
    [
        ("points", 7.0, "7.00"),
        ("share", 0.4249, "42 %"),
        ("scores", 12345.0, "12,345"),
        ("usd", 0.00421, "$0.0042"),
        ("usd", None, "–"),
    ],
)
def test_a_value_is_written_in_its_unit(unit: Unit, value: float | None, shown: str) -> None:
    matrix = made(unit, value)
    assert view_of(matrix).text(matrix.cells["t", "m"]) == shown
    assert view_of(matrix).text(None) == "–"


def test_colours_go_from_the_lowest_to_the_highest_value() -> None:
    matrix = made("points", 2.0, 6.0, scale=(0.0, 10.0))
    view = view_of(matrix)
    assert [view.style(cell) for cell in matrix.cells.values()] == ["heat-0", "heat-8"]
    assert view.style(None) == "heat-none"
    assert view.unit == "points, 0 to 10"
    assert view.legend is not None
    assert ">6<" in view.legend
    share = view_of(made("share", 0.2, 0.6)).legend
    assert share is not None
    assert "% of the range" in share
    assert ">60<" in share


def test_without_a_value_there_is_nothing_to_colour() -> None:
    assert view_of(made("points")).legend is None
    assert view_of(made("points", None)).legend is None


def test_what_is_behind_a_cell_is_counted() -> None:
    assert view_of(made("points", 1.0)).behind(MatrixCell(1.0, 1)) == "1 score"
    assert view_of(made("usd", 1.0)).behind(MatrixCell(1.0, 1000)) == "1,000 attempts"
    assert view_of(made("usd", 1.0)).behind(None) == "0 attempts"


def test_a_cell_asks_for_the_essays_of_both_levels_and_a_sum_for_those_of_one() -> None:
    view = view_of(made("points", 1.0))
    assert view.filters(ROWS[0], COLUMNS[0]) == {"generation_template": "t", "generation_model": "m"}
    assert view.filters(None, COLUMNS[0]) == {"generation_model": "m"}
    concepts = replace(view.matrix, rows_by="concept")
    assert view_of(concepts).filters(ROWS[0], None) == {"concept": "t"}


def test_rows_and_columns_change_places() -> None:
    query = MatrixQuery("concept", "generation_model", "cost")
    assert query.swapped == {"rows": "generation_model", "columns": "concept", "value": "cost"}
    assert MatrixQuery(**query.swapped).swapped == query.given  # type: ignore[arg-type]


def row(**fields: object) -> dict[str, object]:
    known = {
        "evaluation_template": "rigor",
        "statistic": "krippendorff_alpha",
        "level": "ordinal",
        "value": 0.71,
        "ci_low": 0.6,
        "ci_high": 0.8,
        "essays": 12,
    }
    return {**known, **fields}


def test_alpha_is_drawn_with_its_interval() -> None:
    chart = agreement_chart([row(), row(statistic="ICC(A,1)", value=0.11), row(level="interval", value=None)])
    assert chart is not None
    assert "rigor (ordinal): 0.71 (0.6 to 0.8)" in chart
    assert "0.11" not in chart
    assert "reliable" in chart


def test_without_alpha_nothing_is_drawn() -> None:
    assert agreement_chart([]) is None
    assert agreement_chart([row(value=None)]) is None
