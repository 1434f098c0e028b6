"""The ledger and the failures as files: exact, whole, and never less than they were."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update

from daydreaming.errors import StoreError
from daydreaming.pipeline.ledger_export import (
    CALL_COLUMNS,
    FAILURE_COLUMNS,
    calls_file,
    calls_table,
    failures_file,
    failures_table,
    known_calls,
    known_failures,
    read_calls_file,
    read_failures_file,
    write_calls,
)
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import read_calls
from daydreaming.store.migrate import upgrade_database
from daydreaming.store.plans import insert_rows
from daydreaming.store.results import insert_failure, read_failures
from daydreaming.store.schema import CellFailure, LLMCall

NOW = datetime(2026, 3, 1, 12, 0, 0, 7, tzinfo=UTC)


def call(call_id="a", **fields):
    row = {
        "call_id": call_id,
        "owner": "o",
        "experiment_id": "e",
        "run_id": "manual__2026-03-01T12:00:00+00:00",
        "stage": "generation",
        "cell_id": "c",
        "model_id": "m",
        "conn_id": "conn",
        "model_name": 'prov/m, the "best"',
        "attempt": 1,
        "state": "answered",
        "reserved_nanousd": 12_345_678_901,
        "cost_nanousd": 1,
        "price_source": "llm_models.csv",
        "cost_source": "provider",
        "prompt_tokens": 0,
        "completion_tokens": 7,
        "upstream_provider": None,
        "error_class": None,
        "budget_day": "2026-03-01",
        "start_at": 1_772_366_400.1234567,
        "reserved_at": NOW,
        "ended_at": NOW + timedelta(seconds=1),
    }
    return {**row, **fields}


def failure(**fields):
    row = {
        "experiment_id": "e",
        "run_id": "r",
        "stage": "evaluation",
        "cell_id": "c",
        "model": "m",
        "attempt": 0,
        "error_class": "StaleResponseError",
        "message": 'two\nlines, "quoted" – ä',
        "final": True,
        "occurred_at": NOW,
    }
    return {**row, **fields}


@pytest.fixture
def stored(settings):
    """Settings of a data root whose database holds the rows that it is called with."""

    def store(calls=(), failures=()):
        upgrade_database(settings)
        with engine_for(settings).begin() as connection:
            insert_rows(connection, LLMCall, calls)
        for row in failures:
            insert_failure(engine_for(settings), row)
        return settings

    return store


CALLS = [
    call("a"),
    call("b", state="reserved", cost_nanousd=None, cost_source=None, ended_at=None, prompt_tokens=None),
    call("c", state="failed", cost_nanousd=0, cost_source="not billed", error_class="LLMTransientError"),
    call("d", reserved_nanousd=None, cost_nanousd=9_007_199_254_740_993, price_source=None),
]
FAILURES = [failure(), failure(attempt=1, final=False), failure(attempt=1, final=False)]


def test_every_column_of_the_ledger_is_in_the_table():
    named = {name.replace("_usd", "_nanousd") for name in CALL_COLUMNS}
    assert named == {column.name for column in LLMCall.__table__.columns}
    assert {*FAILURE_COLUMNS, "id", "experiment_id"} == {c.name for c in CellFailure.__table__.columns}


@pytest.mark.parametrize(
    ("nanousd", "usd"),
    [
        (None, ""),
        (0, "0"),
        (1, "0.000000001"),
        (10_000_000_000, "10"),
        (1_500_000_000, "1.5"),
        (9_007_199_254_740_993, "9007199.254740993"),
    ],
)
def test_dollars_are_exact(nanousd, usd):
    [row] = calls_table([call(cost_nanousd=nanousd)])
    assert row[CALL_COLUMNS.index("cost_usd")] == usd


def test_what_is_written_is_read_back(stored):
    settings = stored(CALLS, FAILURES)
    assert write_calls(settings, "e") == 4
    assert list(read_calls_file(calls_file(settings, "e"))) == CALLS
    assert list(read_failures_file(failures_file(settings, "e"), "e")) == FAILURES
    with calls_file(settings, "e").open(newline="") as file:
        assert next(csv.reader(file)) == list(CALL_COLUMNS)


FORMULA = '=HYPERLINK("http://x")'


def test_text_of_others_is_no_formula_and_reads_back(stored):
    calls = [
        call("a", model_name=FORMULA, upstream_provider="@x"),
        call("b", cost_nanousd=0, model_name="'=1"),
    ]
    failures = [failure(message=message) for message in (FORMULA, "-1", "\tx", "'+1", "plain")]
    settings = stored(calls, failures)
    write_calls(settings, "e")
    for path in (calls_file(settings, "e"), failures_file(settings, "e")):
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")] == []
    assert list(read_calls_file(calls_file(settings, "e"))) == calls
    assert list(read_failures_file(failures_file(settings, "e"), "e")) == failures


def test_a_carriage_return_ends_no_row_and_makes_no_failure_twice(stored):
    settings = stored([call("a", upstream_provider="a\rb")], [failure(message="one\r\ntwo\rthree")])
    for _ in range(2):
        write_calls(settings, "e")
    [read] = read_failures_file(failures_file(settings, "e"), "e")
    assert read["message"] == "one\ntwo\nthree"
    [read] = read_calls_file(calls_file(settings, "e"))
    assert read["upstream_provider"] == "a\nb"


def test_writing_again_leaves_the_same_and_adds_what_came_since(stored):
    settings = stored(CALLS, FAILURES)
    write_calls(settings, "e")
    before = calls_file(settings, "e").read_bytes(), failures_file(settings, "e").read_bytes()
    write_calls(settings, "e")
    assert (calls_file(settings, "e").read_bytes(), failures_file(settings, "e").read_bytes()) == before
    settled = {"state": "unknown", "cost_nanousd": 5, "cost_source": "worst case", "ended_at": NOW}
    with engine_for(settings).begin() as connection:
        connection.execute(update(LLMCall).where(LLMCall.call_id == "b").values(**settled))
    insert_failure(engine_for(settings), failure(cell_id="later"))
    write_calls(settings, "e")
    states = {row["call_id"]: row["state"] for row in read_calls_file(calls_file(settings, "e"))}
    assert states == {"a": "answered", "b": "unknown", "c": "failed", "d": "answered"}
    assert [r["cell_id"] for r in read_failures_file(failures_file(settings, "e"), "e")][-1] == "later"


def test_a_database_that_was_lost_takes_nothing_from_the_files(stored):
    settings = stored(CALLS, FAILURES)
    write_calls(settings, "e")
    with engine_for(settings).begin() as connection:
        connection.execute(delete(LLMCall))
        connection.execute(delete(CellFailure))
        insert_rows(connection, LLMCall, [call("new", reserved_at=NOW + timedelta(days=1))])
    assert write_calls(settings, "e") == 5
    assert list(read_failures_file(failures_file(settings, "e"), "e")) == FAILURES


def test_an_attempt_that_was_settled_stays_as_it_was(stored):
    settings = stored(CALLS)
    write_calls(settings, "e")
    with engine_for(settings).begin() as connection:
        connection.execute(update(LLMCall).values(cost_nanousd=0))
    found = known_calls(settings, "e", read_calls(engine_for(settings), "e"))
    assert {row["call_id"]: row["cost_nanousd"] for row in found} == {
        "a": 1,
        "b": 0,
        "c": 0,
        "d": 9_007_199_254_740_993,
    }


def test_failures_are_joined_one_for_one(stored):
    settings = stored((), FAILURES)
    write_calls(settings, "e")
    insert_failure(engine_for(settings), FAILURES[1])
    found = known_failures(settings, "e", read_failures(engine_for(settings), "e"))
    assert found == [*FAILURES, FAILURES[1]]


def test_other_experiments_are_left_out(stored):
    settings = stored([call("a"), call("b", experiment_id="other")], [failure(experiment_id="other")])
    assert write_calls(settings, "e") == 1
    assert list(failures_table(read_failures(engine_for(settings), "e"))) == []
    with engine_for(settings).connect() as connection:
        assert len(connection.execute(select(LLMCall.__table__)).all()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: cannot be read .the columns must be call_id"),
        ("call_id\nx\n", "line 1: cannot be read"),
        (",".join(CALL_COLUMNS) + "\n1\n", "line 2: cannot be read"),
        (
            ",".join(CALL_COLUMNS) + "\n" + ",".join("x" for _ in CALL_COLUMNS) + "\n",
            "line 2: cannot be read .*Restore the file from a backup",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_not_written_over(stored, text, message):
    settings = stored(CALLS)
    path = calls_file(settings, "e")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(StoreError, match=f"calls.csv, {message}"):
        write_calls(settings, "e")
    assert path.read_text() == text
