"""The results database again from the files alone: equal, or not touched."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from daydreaming.errors import StoreError
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.ledger_export import calls_file, failures_file, write_calls
from daydreaming.pipeline.plan import note_refusal, set_cap
from daydreaming.pipeline.rebuild import rebuild_database
from daydreaming.pipeline.rebuild_progress import LineProgress
from daydreaming.pipeline.status import experiment_status
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.pipeline.verify import verify
from daydreaming.pipeline.verify_findings import Kind
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import Settlement, insert_calls, reserve, settle
from daydreaming.store.migrate import upgrade_database
from daydreaming.store.plans import read_call, read_run
from daydreaming.store.replace_tables import rebuilt_tables
from daydreaming.store.schema import (
    Base,
    Budget,
    CallStart,
    Claim,
    EvaluationResponse,
    Experiment,
    GenerationResponse,
    LLMCall,
    Membership,
    ModelRate,
    PlannedCall,
    Score,
)
from tests.support.attempts import reservation
from tests.support.experiments import NOW, answer_all, answer_call, make_settings, planned_run, tree_of
from tests.support.finished_root import make_finished_root, read_tables

FIRST = "manual__2026-03-01T12:00:00+00:00"


class Silent:
    """Shows nothing."""

    def begin(self, step: str, total: int) -> None:
        """Say nothing."""

    def advance(self) -> None:
        """Say nothing."""


@pytest.fixture(params=["sqlite", "postgres"])
def each_settings(request, tmp_path) -> Iterator[Settings]:
    """A small inputs tree and an empty data root, with each kind of database."""
    if request.param == "sqlite":
        yield make_settings(tmp_path)
        return
    with request.getfixturevalue("postgres").database(request.getfixturevalue("migrated_template")) as uri:
        yield make_settings(tmp_path, results_conn=uri)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Settings:
    """A finished data root on SQLite; tests work on copies."""
    folder = tmp_path_factory.mktemp("finished")
    settings = make_settings(folder)
    make_finished_root(settings, folder / "legacy")
    engine_for(settings).dispose()
    return settings


@pytest.fixture
def copied(finished, tmp_path) -> Settings:
    """A copy of it, database and all."""
    return _copy(finished, tmp_path)


@pytest.fixture
def small(settings) -> Settings:
    """One finished run of 20 calls."""
    planned_run(settings)
    answer_all(settings, "run-1")
    return settings


def _copy(settings: Settings, target: Path) -> Settings:
    shutil.copytree(settings.data_root, target / "copy")
    return replace(settings, data_root=target / "copy", results_conn="")


def _drop_database(settings: Settings) -> None:
    engine_for(settings).dispose()
    writing_engine(settings).dispose()
    for file in settings.data_root.glob(f"{SQLITE_NAME}*"):
        file.unlink()


def _empty(settings: Settings) -> None:
    with engine_for(settings).begin() as connection:
        for table in Base.metadata.sorted_tables:
            connection.execute(delete(table))


def _rebuild(settings: Settings):
    return rebuild_database(settings, Silent())


def test_a_rebuild_of_a_finished_data_root_equals_what_the_runs_had_written(each_settings, tmp_path):
    make_finished_root(each_settings, tmp_path / "legacy")
    written = read_tables(each_settings)
    assert all(written.values()), "each table is put to the test"
    copy = each_settings
    if each_settings.results_conn:
        _empty(copy)
    else:
        copy = _copy(each_settings, tmp_path)
        _drop_database(copy)
    files = tree_of(copy.data_root)

    rebuilt = _rebuild(copy)

    assert read_tables(copy) == written
    assert rebuilt.notes == ()
    assert rebuilt.rows == {table: len(rows) for table, rows in written.items()}
    # No file of a run changes, no answer, no essay, no table.
    after = tree_of(copy.data_root)
    assert {n for n in files if not n.startswith(SQLITE_NAME)} <= after.keys()
    assert {n for n, data in files.items() if not n.startswith(SQLITE_NAME) and after[n] != data} == set()


def test_the_data_root_of_this_test_holds_what_is_hard(finished):
    tables = read_tables(finished)
    members = {row[:2] for row in tables["experiment_members"]}
    assert {e for e, _ in members} == {"demo", "other", "legacy", "stale", "planned"}
    scales = {row[1:3] for row in tables["scores"]}
    assert {("strict", "0-9"), ("strict", "0-10"), ("strict", "0-8"), ("complex", "0-10")} <= scales
    assert {row[2] is None for row in tables["budgets"]} | {row[1] is None for row in tables["budgets"]}


def test_a_database_that_was_meddled_with_is_as_it_was_before(copied):
    written = read_tables(copied)
    with engine_for(copied).begin() as connection:
        for table in (GenerationResponse, PlannedCall, Experiment, Membership, LLMCall, Budget):
            connection.execute(delete(table))
        connection.execute(update(EvaluationResponse).values(score=0.0))
        connection.execute(update(Score).values(score=1.0))
        connection.execute(
            insert(Membership), {"experiment_id": "ghost", "stage": "generation", "cell_id": "x"}
        )
    _rebuild(copied)
    assert read_tables(copied) == written
    _rebuild(copied)
    assert read_tables(copied) == written


def test_an_instance_that_is_cleared_afterwards_means_the_same_call(copied):
    before = [open_call(copied, FIRST, "evaluation", index).cell for index in range(4)]
    _drop_database(copied)
    _rebuild(copied)
    assert [open_call(copied, FIRST, "evaluation", index).cell for index in range(4)] == before
    assert read_run(engine_for(copied), f"{FIRST}~shard-2-of-4").parent_run_id == FIRST


def test_status_says_the_same_afterwards(copied):
    before = experiment_status(copied)
    _drop_database(copied)
    _rebuild(copied)
    assert experiment_status(copied) == before


@pytest.mark.parametrize(
    "spoil",
    [
        "02_tasks/demo/runs/run-2.json",
        "02_tasks/demo/runs/run-2.evaluation.csv",
        "07_reporting/demo/calls.csv",
        "07_reporting/demo/failures.csv",
        "02_tasks/other/max_cost_usd.json",
        "02_tasks/demo/scoring.csv",
        "04_evaluation/ratings/0123456789abcdef0123456789abcdef.json",
        "a response",
        "a record",
        "frozen inputs",
    ],
)
def test_one_unreadable_file_leaves_the_old_database_and_nothing_beside_it(copied, spoil):
    files = DataRoot(copied.data_root)
    run, cell, _ = read_call(engine_for(copied), FIRST, "evaluation", 0)
    path = {
        "a response": files.response("evaluation", cell.cell_id),
        "a record": files.provenance("evaluation", cell.cell_id),
        "frozen inputs": copied.data_root / run.inputs_path / "inputs.json",
    }.get(spoil, copied.data_root / spoil)
    assert path.exists()
    path.write_bytes(b"\xff broken")
    written = read_tables(copied)
    with pytest.raises(StoreError, match=path.name.replace("+", r"\+")):
        _rebuild(copied)
    assert read_tables(copied) == written
    assert list(copied.data_root.glob(".~*")) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run_id", None),
        ("cell_id", ""),
        ("started_at", "yesterday"),
        ("ended_at", "2026-03-01T12:00:02"),
        ("model_returned", ["a"]),
        ("prompt_tokens", "many"),
    ],
)
def test_a_record_that_cannot_be_used_is_named_and_nothing_is_taken_over(small, field, value):
    path = DataRoot(small.data_root).provenance(
        "evaluation", open_call(small, "run-1", "evaluation", 0).cell.cell_id
    )
    path.write_text(json.dumps({**json.loads(path.read_bytes()), field: value}))
    written = read_tables(small)
    with pytest.raises(StoreError, match=rf"{re.escape(str(path))}: {field} .*Restore it, or delete it"):
        _rebuild(small)
    assert read_tables(small) == written
    [finding] = [found for found in verify(small).findings if found.kind is Kind.UNREADABLE]
    assert str(path) in finding.detail


def test_a_process_that_is_killed_half_way_leaves_nothing_that_matters(small):
    written = read_tables(small)
    left = small.data_root / ".~rebuild-dead"
    left.mkdir()
    (left / SQLITE_NAME).write_text("half")
    _rebuild(small)
    assert not left.exists()
    assert read_tables(small)["evaluations"] == written["evaluations"]


def test_while_calls_are_made_nothing_is_rebuilt(small):
    claim = {"stage": "generation", "cell_id": "c", "owner": "o"}
    with engine_for(small).begin() as connection:
        connection.execute(insert(Claim), {**claim, "expires_at": datetime.now(UTC) + timedelta(minutes=1)})
        connection.execute(delete(EvaluationResponse))
    with pytest.raises(StoreError, match=r"Calls are being made now \(1\)\. Wait until the runs have ended"):
        _rebuild(small)
    assert read_tables(small)["evaluations"] == []
    with engine_for(small).begin() as connection:
        connection.execute(update(Claim).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    _rebuild(small)
    assert len(read_tables(small)["evaluations"]) == 16


def test_a_run_that_writes_meanwhile_is_not_written_over(each_settings):
    planned_run(each_settings)

    class Meddler(Silent):
        def begin(self, step: str, total: int) -> None:
            if step.startswith("replacing"):
                planned_run(each_settings, "run-2", now=NOW + timedelta(hours=1))

    with pytest.raises(StoreError, match="A run has written to the results database during the rebuild"):
        rebuild_database(each_settings, Meddler())
    assert len(read_tables(each_settings)["runs"]) == 2
    assert _rebuild(each_settings).rows["runs"] == 2


@pytest.mark.parametrize(
    "write",
    [
        lambda settings: set_cap(settings, "demo", 1.0),
        lambda settings: set_cap(settings, "demo", None),
        lambda settings: note_refusal(settings, "run-1", "too much"),
        lambda settings: note_refusal(settings, "run-2", None),
        lambda settings: note_refusal(settings, "run-2", "for another reason"),
    ],
)
def test_a_cap_or_a_refusal_of_meanwhile_is_not_written_over(each_settings, write):
    planned_run(each_settings, max_cost_usd=100.0)
    planned_run(each_settings, "run-2", max_cost_usd=100.0, now=NOW + timedelta(hours=1))
    note_refusal(each_settings, "run-2", "for a reason")

    class Person(Silent):
        def begin(self, step: str, total: int) -> None:
            if step.startswith("replacing"):
                write(each_settings)
                self.left = read_tables(each_settings)

    person = Person()
    with pytest.raises(StoreError, match="somebody has set a cap or refused an estimate"):
        rebuild_database(each_settings, person)
    assert read_tables(each_settings) == person.left
    _rebuild(each_settings)
    assert read_tables(each_settings) == person.left


def test_what_is_of_the_moment_stays(each_settings):
    upgrade_database(each_settings)
    planned_run(each_settings)
    start = {
        "call_id": "a",
        "conn_id": "c",
        "model_name": "m",
        "queued_at": 1.0,
        "start_at": 2.0,
        "tokens": 3,
    }
    start |= {"stage": "generation", "cell_id": "x", "waiting": False}
    old = {"stage": "generation", "cell_id": "x", "owner": "o", "expires_at": NOW - timedelta(days=900)}
    names = {column.name for column in CallStart.__table__.columns}
    with engine_for(each_settings).begin() as connection:
        connection.execute(insert(CallStart), {k: v for k, v in start.items() if k in names})
        connection.execute(insert(Claim), old)
        rate = {c.name: 1 for c in ModelRate.__table__.columns if not c.nullable}
        connection.execute(insert(ModelRate), {**rate, "conn_id": "c", "model_name": "m"})
    _rebuild(each_settings)
    with engine_for(each_settings).connect() as connection:
        for table in (CallStart, Claim, ModelRate):
            assert len(connection.execute(table.__table__.select()).all()) == 1


def test_what_only_the_old_database_holds_of_money_goes_along(copied):
    written = read_tables(copied)
    for experiment_id in ("demo", "legacy", "stale", "other"):
        calls_file(copied, experiment_id).unlink(missing_ok=True)
        failures_file(copied, experiment_id).unlink(missing_ok=True)
    assert _rebuild(copied).notes == ()
    assert read_tables(copied) == written


def test_without_the_ledgers_file_each_answer_counts_at_the_price_of_its_record(small):
    upgrade_database(small)
    _drop_database(small)
    rebuilt = _rebuild(small)
    [note] = rebuilt.notes
    assert note.startswith("20 answers are in no calls.csv")
    tables = read_tables(small)
    with engine_for(small).connect() as connection:
        calls = connection.execute(LLMCall.__table__.select()).mappings().all()
        spent = {row.scope: row.spent_nanousd for row in connection.execute(Budget.__table__.select())}
    assert {(call["state"], call["run_id"], call["attempt"]) for call in calls} == {("answered", "run-1", 1)}
    # 100 and 200 tokens at 0.15 and 0.6 dollars per million (paid, twice) and at 1 and 2 (judge, 8 times).
    total = sum(call["cost_nanousd"] for call in calls)
    assert total == 2 * 135_000 + 8 * 500_000
    assert spent == {"experiment:demo": total, "day:2026-03-01": total}
    _rebuild(small)
    assert read_tables(small) == tables


def _attempt(settings: Settings, call_id: str, state: str, ended_at: datetime, run_id: str = "run-1") -> None:
    """An attempt at the first cell, which began a minute before."""
    cell_id = open_call(settings, "run-1", "generation", 1).cell.cell_id
    columns = {"experiment_id": "demo", "run_id": run_id, "cell_id": cell_id}
    order = reservation(call_id, 50_000, reserved_at=ended_at - timedelta(minutes=1), **columns)
    with writing_engine(settings).begin() as connection:
        reserve(connection, [order])
        insert_calls(connection, [(order, 0.0)])
        settle(connection, [Settlement(call_id, state, ended_at, 50_000, "provider")])


ASKED, ANSWERED = NOW, NOW + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("state", "ended_at", "run_id", "told"),
    [
        ("answered", ANSWERED, "run-1", True),
        # Its process died: what the answer cost counts already, at its worst case.
        ("unknown", ANSWERED + timedelta(minutes=2), "run-1", True),
        # A timeout before it, in which case the answer was paid for beside it.
        ("unknown", ASKED, "run-1", False),
        ("answered", ASKED - timedelta(hours=1), "run-1", False),
        ("failed", ANSWERED, "run-1", False),
        ("answered", ANSWERED, "run-0", False),
    ],
)
def test_an_answer_counts_once_whatever_else_the_ledger_tells_of_its_cell(
    settings, state, ended_at, run_id, told
):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 1)
    _attempt(settings, "a" * 32, state, ended_at, run_id)
    write_calls(settings, "demo")
    _drop_database(settings)
    notes = _rebuild(settings).notes
    with engine_for(settings).connect() as connection:
        spent = connection.scalar(select(Budget.spent_nanousd).where(Budget.scope == "experiment:demo"))
    assert [note[:30] for note in notes] == ([] if told else ["1 answers are in no calls.csv:"])
    assert spent == 50_000 + (0 if told else 135_000)
    # What was added is told by then.
    assert _rebuild(settings).notes == ()


def test_a_data_root_of_an_earlier_release_is_rebuilt_from_inputs_and_task_tables(copied):
    written = read_tables(copied)
    _drop_database(copied)
    for folder in copied.data_root.glob("02_tasks/*/runs"):
        shutil.rmtree(folder)
    for name in ("calls.csv", "failures.csv"):
        for file in copied.data_root.glob(f"07_reporting/*/{name}"):
            file.unlink()

    rebuilt = _rebuild(copied)

    tables = read_tables(copied)
    for name in ("combinations", "generations"):
        assert len(tables[name]) == len(written[name])
    ids = {row[:3] for row in tables["experiment_members"]}
    assert ids == {row[:3] for row in written["experiment_members"]}
    planned = {row[3] for row in tables["planned_calls"]}
    assert planned == {row[3] for row in written["planned_calls"]}
    for beginning in (
        "Experiment demo: 40 cells are in no recorded run",
        "Experiment legacy: 5 cells are in no recorded run",
        "Experiment demo: 8 failures come from errors.csv",
        "30 answers are in no calls.csv",
    ):
        assert [note for note in rebuilt.notes if note.startswith(beginning)], rebuilt.notes


def test_runs_that_only_the_old_database_knows_get_their_files(copied):
    written = read_tables(copied)
    for folder in copied.data_root.glob("02_tasks/*/runs"):
        shutil.rmtree(folder)
    (copied.data_root / "02_tasks/other/max_cost_usd.json").unlink()
    [note] = _rebuild(copied).notes
    assert note.startswith("9 runs were in the old database alone")
    tables = read_tables(copied)
    for name in ("runs", "planned_calls", "budgets", "evaluations", "experiment_members", "scores"):
        assert tables[name] == written[name], name


def test_a_sqlite_file_that_is_no_database_is_kept_aside(copied):
    written = read_tables(copied)
    engine_for(copied).dispose()
    _drop_database(copied)
    (copied.data_root / SQLITE_NAME).write_bytes(b"not a database at all, but long enough to be read" * 100)
    [note] = _rebuild(copied).notes
    assert "could not be read; it is kept as" in note
    assert read_tables(copied) == written
    [aside] = copied.data_root.glob(f"{SQLITE_NAME}.unreadable-????????")
    assert aside.read_bytes().startswith(b"not a database")


def test_where_the_rebuild_fails_the_unreadable_file_is_back_in_its_place(small):
    engine_for(small).dispose()
    _drop_database(small)
    (small.data_root / SQLITE_NAME).write_bytes(b"not a database at all" * 100)
    (small.data_root / "02_tasks/demo/runs/run-1.json").write_text("broken")
    with pytest.raises(StoreError, match=r"run-1\.json"):
        _rebuild(small)
    assert (small.data_root / SQLITE_NAME).read_bytes().startswith(b"not a database")
    assert list(small.data_root.glob("*unreadable*")) == []


def test_a_response_of_no_plan_is_told(small):
    DataRoot(small.data_root).response("generation", "stray").write_text("Where from?")
    notes = _rebuild(small).notes
    assert "1 generation responses belong to no plan, so they are in no table; their files stay." in notes


def test_an_essay_that_is_there_stays_as_it_is(small):
    essay = DataRoot(small.data_root).essay(open_call(small, "run-1", "generation", 0).cell.cell_id)
    essay.write_text("As the original had cut it.")
    _drop_database(small)
    _rebuild(small)
    assert essay.read_text() == "As the original had cut it."


def test_an_experiment_whose_folder_a_person_deleted_is_gone(small):
    planned_run(small, "run-2", experiment_id="unwanted", now=NOW + timedelta(hours=1))
    shutil.rmtree(small.data_root / "02_tasks/unwanted")
    _rebuild(small)
    assert [row[0] for row in read_tables(small)["experiments"]] == ["demo"]


def test_each_step_is_a_line(small):
    lines: list[str] = []
    write_all_tables(small, "demo")
    rebuild_database(small, LineProgress(lines.append))
    assert lines[0] == "runs and plans (1)"
    assert "responses of demo (20)" in lines
    assert lines[-1] == f"replacing the tables ({len(rebuilt_tables())})"


def test_without_a_data_root_there_is_nothing_to_rebuild(settings):
    with pytest.raises(StoreError, match=r"no such folder\. Set DAYDREAMING_DATA_ROOT"):
        _rebuild(settings)
