"""Statistics are computed once for the same scores, and never kept for others."""

from __future__ import annotations

import csv

import pytest

from daydreaming.analysis import tables as analyses
from daydreaming.analysis.export import rows_csv
from daydreaming.pipeline import tables
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.run_tables import complete_run, update_scores, update_summaries
from daydreaming.pipeline.tables import statistics_file, store_statistics, write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.statistics import read_statistics, replace_statistics
from tests.support.experiments import answer_call, tree_of
from tests.support.finished import answer_distinctly, finished_run

LAST = frozenset({("evaluation", 15)})


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    names = ("final_results", "missing_cells", "evaluator_agreement_analysis")
    monkeypatch.setattr(analyses, "ANALYSES", {name: analyses.ANALYSES[name] for name in names})


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """The experiments' scores that statistics were computed of since the test began to look."""
    made: list[str] = []
    compute = tables.statistics_of

    def note(text):
        made.append(text)
        return compute(text)

    monkeypatch.setattr(tables, "statistics_of", note)
    return made


def overall(settings: Settings) -> dict[str, str]:
    with statistics_file(settings, "demo", "final_results").open(newline="") as file:
        return next(row for row in csv.DictReader(file) if row["analysis"] == "overall")


def overall_stored(settings: Settings) -> dict[str, object]:
    rows = read_statistics(engine_for(settings), "demo", "final_results")
    return next(row for row in rows if row["analysis"] == "overall")


def test_the_database_has_the_rows_of_every_table(settings):
    finished_run(settings)
    for name in analyses.ANALYSES:
        with statistics_file(settings, "demo", name).open(newline="") as file:
            header, *shown = csv.reader(file)
        rows = read_statistics(engine_for(settings), "demo", name)
        assert [list(row) for row in rows] == [header] * len(shown)
        assert rows_csv(header, [list(row.values()) for row in rows]) == rows_csv(header, shown)


def test_check_completeness_computes_nothing_where_the_scores_are_the_same(settings, computed):
    finished_run(settings)
    before = tree_of(settings.data_root)
    computed.clear()
    complete_run(settings, "run-1")
    update_summaries(settings, "run-1")
    assert computed == []
    assert {k: v for k, v in tree_of(settings.data_root).items() if k.endswith(".csv")} == {
        k: v for k, v in before.items() if k.endswith(".csv")
    }


def test_answers_that_land_after_a_clear_are_in_tables_and_database(settings, computed):
    finished_run(settings, leave_out=LAST)
    assert (overall(settings)["count"], overall_stored(settings)["count"]) == ("15", 15)
    answer_distinctly(settings, "run-1")
    complete_run(settings, "run-1")
    assert (overall(settings)["count"], overall_stored(settings)["count"]) == ("16", 16)
    assert len(computed) == 2


def test_a_verdict_that_was_replaced_is_read_anew(settings):
    finished_run(settings)
    mean = overall_stored(settings)["mean"]
    call = open_call(settings, "run-1", "evaluation", 0)
    call.files.response("evaluation", call.cell.cell_id).unlink()
    answer_call(settings, "run-1", "evaluation", 0, "SCORE: 9")
    complete_run(settings, "run-1")
    assert overall_stored(settings)["mean"] != mean
    assert float(overall(settings)["mean"]) == overall_stored(settings)["mean"]


@pytest.mark.parametrize("damage", ["edit", "delete"])
def test_a_table_that_was_edited_or_deleted_is_written_anew(settings, damage):
    finished_run(settings)
    file = statistics_file(settings, "demo", "missing_cells")
    before = file.read_bytes()
    file.unlink()
    if damage == "edit":
        file.write_text("edited\n")
    complete_run(settings, "run-1")
    assert file.read_bytes() == before


def test_statistics_that_the_database_lost_come_back(settings):
    finished_run(settings)
    before = read_statistics(engine_for(settings), "demo", "missing_cells")
    replace_statistics(engine_for(settings), "demo", {}, {"made_of": {}, "files": {}})
    complete_run(settings, "run-1")
    assert read_statistics(engine_for(settings), "demo", "missing_cells") == before


def test_other_code_computes_them_anew(settings, computed, monkeypatch):
    finished_run(settings)
    monkeypatch.setattr(tables, "code_digest", lambda: "of another release")
    complete_run(settings, "run-1")
    assert len(computed) == 2


def test_summaries_read_the_scores_and_derive_nothing_again(settings, monkeypatch):
    finished_run(settings)
    monkeypatch.setattr(tables, "refresh_rows", lambda *_: pytest.fail("the rows are derived already"))
    assert "16 of 16 evaluations scored" in update_summaries(settings, "run-1")


@pytest.mark.parametrize("text", [None, "no,scores\n1,2\n", b"\xff"])
def test_summaries_derive_scores_that_are_missing_or_no_table(settings, text):
    finished_run(settings)
    file = tables.scores_file(settings, "demo")
    before = file.read_bytes()
    file.unlink()
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert "16 of 16 evaluations scored" in update_summaries(settings, "run-1")
    assert file.read_bytes() == before


def test_an_edited_score_does_not_outlive_the_next_check(settings):
    finished_run(settings)
    file = tables.scores_file(settings, "demo")
    before = file.read_text()
    file.write_text(before.replace(",9,,", ",1,,"))
    update_summaries(settings, "run-1")
    complete_run(settings, "run-1")
    assert file.read_text() == before
    assert float(overall(settings)["mean"]) == overall_stored(settings)["mean"]
    assert update_scores(settings, "run-1") == (16, 16)


def test_statistics_can_be_stored_without_writing_a_table(settings):
    finished_run(settings)
    before = {name: read_statistics(engine_for(settings), "demo", name) for name in analyses.ANALYSES}
    replace_statistics(engine_for(settings), "demo", {}, {"made_of": {}, "files": {}})
    for name in analyses.ANALYSES:
        statistics_file(settings, "demo", name).unlink()
    store_statistics(settings, "demo")
    assert {name: read_statistics(engine_for(settings), "demo", name) for name in before} == before
    assert not any(statistics_file(settings, "demo", name).exists() for name in before)
    write_all_tables(settings, "demo")
    assert all(statistics_file(settings, "demo", name).exists() for name in before)


def test_the_ledger_is_exported_with_the_errors(settings):
    finished_run(settings)
    folder = settings.data_root / "07_reporting/demo"
    assert {path.name for path in folder.iterdir()} == {"errors.csv", "calls.csv", "failures.csv"}
