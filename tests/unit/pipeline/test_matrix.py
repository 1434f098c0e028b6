from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import update

from daydreaming.pipeline import frozen
from daydreaming.pipeline import matrix as module
from daydreaming.pipeline.matrix import Axis, Level, Matrix, matrix
from daydreaming.pipeline.overview import overviews
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import read_responses
from daydreaming.store.schema import EvaluationResponse
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly

#: With two concepts of three there are three combinations.
THREE: Mapping[str, object] = {"concepts": ["search", "moat", "mind-wandering"], "k_max": 2}


@pytest.fixture
def scored(settings: Settings) -> Settings:
    """Three combinations, each with 4 essays and 16 verdicts."""
    planned_run(settings, **THREE)
    answer_distinctly(settings, "run-1")
    return settings


def of(settings: Settings, rows: Axis, columns: Axis, measure: module.Measure = "mean") -> Matrix:
    return matrix(settings, "demo", rows, columns, measure)


def one_scale(settings: Settings) -> None:
    with engine_for(settings).begin() as connection:
        connection.execute(update(EvaluationResponse).values(score_min=0.0, score_max=10.0))


def test_a_cell_is_the_mean_of_its_scores(scored: Settings) -> None:
    one_scale(scored)
    found = of(scored, "generation_model", "evaluation_model")
    assert (found.unit, found.scale) == ("points", (0.0, 10.0))
    rows = read_responses(engine_for(scored), "evaluation")
    mine = [r["score"] for r in rows if (r["generation_model"], r["evaluation_model"]) == ("paid", "judge")]
    assert found.cells["paid", "judge"].n == len(mine) == 12
    assert found.cells["paid", "judge"].value == pytest.approx(sum(mine) / 12)
    everything = [r["score"] for r in rows if r["generation_model"] == "paid"]
    assert found.row_totals["paid"].value == pytest.approx(sum(everything) / 24)


def test_the_total_is_the_mean_that_the_list_of_experiments_shows(scored: Settings) -> None:
    (row,) = overviews(scored, NOW)
    assert row.score is not None
    for rows, columns in (("generation_template", "evaluation_template"), ("concept", "combination")):
        total = of(scored, rows, columns).total
        assert total is not None
        assert (total.n, total.value) == (48, pytest.approx(row.score.mean_share))


def test_scores_of_different_ranges_are_shares(scored: Settings) -> None:
    found = of(scored, "evaluation_template", "evaluation_model")
    assert (found.unit, found.scale) == ("share", None)
    rows = read_responses(engine_for(scored), "evaluation")
    rigor = [r["score"] / 9 for r in rows if r["evaluation_template"] == "rigor"]
    assert found.row_totals["rigor"].value == pytest.approx(sum(rigor) / len(rigor))


def test_levels_stand_highest_first_and_unscored_ones_last(settings: Settings) -> None:
    planned_run(settings, **THREE)
    without = {
        ("evaluation", c.map_index)
        for c in cells_of_run(engine_for(settings), "run-1", "evaluation")
        if c.generation_model == "free"
    }
    answer_distinctly(settings, "run-1", leave_out=frozenset(without))
    found = of(settings, "generation_model", "combination")
    assert [level.key for level in found.rows] == ["paid", "free"]
    assert "free" not in found.row_totals
    shown = [found.column_totals[level.key].value or 0 for level in found.columns]
    assert shown == sorted(shown, reverse=True)


def test_a_concept_counts_with_each_of_its_combinations(scored: Settings) -> None:
    found = of(scored, "concept", "evaluation_model", "count")
    assert {level.label for level in found.rows} == {
        "Combinatorial search",
        "Economic moat",
        "Mind wandering",
    }
    assert {cell.n for cell in found.row_totals.values()} == {32}
    # 48 verdicts in all: the sum over the concepts would be twice as many.
    assert sum(cell.n for cell in found.column_totals.values()) == 48
    assert found.cells["moat", "judge"].value == 16


def test_replicates_stand_by_number(settings: Settings) -> None:
    planned_run(settings, generation_replicates=11)
    answer_distinctly(settings, "run-1")
    found = of(settings, "generation_replicate", "generation_model")
    assert [level.key for level in found.rows] == [str(n) for n in range(1, 12)]


def test_what_is_too_much_to_look_at_is_cut(scored: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    monkeypatch.setattr(module, "MOST_COLUMNS", 1)
    whole = of(scored, "combination", "generation_template")
    assert (len(whole.rows), whole.all_rows, len(whole.columns), whole.all_columns) == (2, 3, 1, 2)
    # The rest still counts in the sums, and not among the values that are shown.
    assert {cell.n for cell in whole.row_totals.values()} == {16}
    assert len(whole.values) == 2


def test_nothing_is_scored_yet(settings: Settings) -> None:
    planned_run(settings)
    found = of(settings, "generation_template", "generation_model")
    assert found.values == []
    assert [level.key for level in found.rows] == ["essay", "tags"]
    assert of(settings, "combination", "concept", "cost").unit == "usd"


def test_names_that_cannot_be_read_are_ids(scored: Settings) -> None:
    (folder,) = (scored.data_root / "02_tasks" / "demo" / "inputs").iterdir()
    (folder / "inputs.json").unlink()
    frozen._read.cache_clear()
    found = of(scored, "concept", "evaluation_model")
    assert Level("moat", "moat") in found.rows
