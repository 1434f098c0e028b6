"""`daydreaming report`: what it prints and writes."""

from __future__ import annotations

import json

import pytest

from daydreaming.pipeline.report import report_file
from tests.support.experiments import answer_all, planned_run, tree_of


@pytest.fixture(autouse=True)
def _few_statistics(monkeypatch):
    from daydreaming.analysis import tables

    kept = {name: tables.ANALYSES[name] for name in ("final_results", "comprehensive_variance_analysis")}
    monkeypatch.setattr(tables, "ANALYSES", kept)


def test_it_brings_the_tables_up_to_date_and_says_where_the_report_is(settings, daydreaming):
    planned_run(settings)
    answer_all(settings, "run-1")
    result = daydreaming("report", "demo")
    path = report_file(settings, "demo")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{path} written (")
    assert "16 of 16 evaluations" in path.read_text(encoding="utf-8")
    assert (settings.data_root / "05_parsing/demo/parsed_scores.csv").exists()
    assert daydreaming("report", "demo").out.startswith(f"{path} is up to date (")


def test_the_question_can_be_given_and_stays(settings, daydreaming):
    planned_run(settings)
    daydreaming("report", "demo", "--question", "Do moats <meet> search?")
    result = json.loads(daydreaming("report", "demo", "--json").out)
    path = report_file(settings, "demo")
    assert result == {
        "experiment_id": "demo",
        "path": str(path),
        "bytes": path.stat().st_size,
        "changed": False,
        "question": "Do moats <meet> search?",
    }
    assert "Do moats &lt;meet&gt; search?" in path.read_text(encoding="utf-8")


def test_an_unknown_experiment_is_one_line_and_nothing_is_written(settings, daydreaming):
    planned_run(settings)
    before = tree_of(settings.data_root).keys()
    result = daydreaming("report", "nope", "--question", "Why?")
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert "'nope'" in result.err
    assert tree_of(settings.data_root).keys() == before


def test_an_empty_question_is_one_line(settings, daydreaming):
    planned_run(settings)
    result = daydreaming("report", "demo", "--question", " ")
    assert result.code == 2
    assert result.err.startswith("Error: the question must have 1 to 2,000 characters; got 0.")
