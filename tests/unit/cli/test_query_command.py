"""`daydreaming query`."""

from __future__ import annotations

import io
import json

import pandas as pd
import pytest

from daydreaming.analysis.cross_experiment import EVALUATION_RESULT_KINDS
from daydreaming.settings import Settings
from tests.support.experiments import answer_all, answer_call, planned_run


@pytest.fixture
def answered(settings: Settings) -> Settings:
    """`demo`: 16 verdicts of 7, but the first, which begins as a formula and has no score."""
    planned_run(settings)
    for index in range(4):
        answer_call(settings, "run-1", "generation", index)
    answer_call(settings, "run-1", "evaluation", 0, "=HYPERLINK(1)\nSCORE: eleven")
    answer_all(settings, "run-1")
    return settings


def test_a_terminal_sees_a_short_table_and_the_counts(answered, daydreaming):
    result = daydreaming("query", "--evaluation-template", "style", "--evaluation-model", "judge")
    assert (result.code, result.err) == (0, "")
    head, *rows, counts = result.out.splitlines()
    assert head.split() == [
        "experiments", "combo_id", "generation_template", "generation_model", "evaluation_template",
        "evaluation_model", "evaluation_timestamp", "score",
    ]  # fmt: skip
    assert len(rows) == 4
    assert all(row.startswith("demo ") and row.endswith(" 7") for row in rows)
    assert counts == "4 evaluations: 4 scored, mean 7.00 on 0-10, 0 unscored."


def test_a_terminal_is_told_of_rows_that_are_not_shown(answered, daydreaming):
    result = daydreaming("query", "--limit", "3", "--columns", "evaluation_task_id,score")
    assert len(result.out.splitlines()) == 1 + 3 + 1
    assert result.out.endswith("1 unscored. 3 are shown: see --limit, --csv and --out.\n")


def test_an_unscored_row_is_shown_without_a_score(answered, daydreaming):
    first = daydreaming("query", "--columns", "score,score_error", "--limit", "1").out.splitlines()[1]
    assert first.split(maxsplit=1)[0] == "–"


def test_repeated_options_are_alternatives(answered, daydreaming):
    one = daydreaming("query", "--generation-model", "paid", "--json")
    both = daydreaming("query", "--generation-model", "paid", "--generation-model", "free", "--json")
    assert (len(json.loads(one.out)), len(json.loads(both.out))) == (8, 16)


def test_json_has_every_column_and_null_where_nothing_is_known(answered, daydreaming):
    rows = json.loads(daydreaming("query", "--json", "--experiment", "demo", "--until", "2026-03-01").out)
    assert len(rows) == 16
    assert list(rows[0]) == list(EVALUATION_RESULT_KINDS)
    assert [row["score"] for row in rows].count(None) == 1


def test_csv_has_all_rows_and_no_cell_that_a_spreadsheet_runs(answered, daydreaming):
    out = daydreaming("query", "--csv", "--limit", "2", "--columns", "evaluation_task_id,score_error").out
    table = pd.read_csv(io.StringIO(out))
    assert list(table.columns) == ["evaluation_task_id", "score_error"]
    assert len(table) == 16
    assert not table["score_error"].dropna().str.startswith("=").any()


@pytest.mark.parametrize(("suffix", "read"), [(".csv", pd.read_csv), (".parquet", pd.read_parquet)])
def test_a_file_holds_all_rows(answered, daydreaming, tmp_path, suffix, read):
    file = tmp_path / f"best{suffix}"
    result = daydreaming("query", "--min-score", "7", "--out", str(file))
    assert result.out == f"15 evaluations: 15 scored, mean 7.36 on 0-10, 0 unscored. Written to {file}.\n"
    table = read(file)
    assert (len(table), table["score"].min()) == (15, 7)


def test_a_query_that_finds_nothing_says_so_and_succeeds(answered, daydreaming):
    result = daydreaming("query", "--min-score", "8")
    assert result.code == 0
    assert result.out.endswith("0 evaluations: 0 scored, 0 unscored.\n")
    assert json.loads(daydreaming("query", "--min-score", "8", "--json").out) == []


def test_before_the_first_run_there_is_nothing(settings, daydreaming):
    assert daydreaming("query").out.endswith("0 evaluations: 0 scored, 0 unscored.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--experiment", "dem"], "No experiment has the ID 'dem'. Did you mean demo? Known: demo."),
        (
            ["--generation-model", "piad"],
            "No stored evaluation has the generation model 'piad'. Did you mean paid? Known: free, paid.",
        ),
        (["--parser", "x"], "No stored evaluation has the parser 'x'. Known: in_last_line, strict."),
        (["--since", "1.3.2026"], "since must be a day (UTC) as YYYY-MM-DD; got '1.3.2026'."),
        (["--min-score", "9", "--max-score", "1"], "min_score must not be above max_score; got 9 and 1."),
        (["--min-score", "nan"], "min_score must be a number on the template's own scale; got 'nan'."),
        (["--csv", "--json"], "--csv, --json and --out exclude each other: give one of them."),
        (["--out", "x.xlsx"], "--out must end in .csv or .parquet; got 'x.xlsx'."),
        (["--out", "no/such/x.csv"], "--out no/such/x.csv: there is no folder no/such. Make it first."),
    ],
)
def test_a_mistake_is_one_clear_line(answered, daydreaming, arguments, message):
    result = daydreaming("query", *arguments)
    assert (result.code, result.out, result.err) == (2, "", f"Error: {message}\n")


def test_an_unknown_column_is_told_with_those_that_there_are(answered, daydreaming):
    result = daydreaming("query", "--columns", "scor")
    assert result.code == 2
    assert result.err.startswith("Error: --columns: there is no column 'scor'. Did you mean score? Columns: ")


def test_a_file_that_cannot_be_written_is_named(answered, daydreaming, tmp_path):
    folder = tmp_path / "taken.csv"
    folder.mkdir()
    result = daydreaming("query", "--out", str(folder))
    assert result.code == 2
    assert result.err == f"Error: --out {folder}: Is a directory. Name a file that can be written.\n"
