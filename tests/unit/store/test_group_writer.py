"""One writer per process: what waits together is committed together, and each hears its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
from concurrent.futures import CancelledError
from contextlib import contextmanager

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from daydreaming.settings import Settings
from daydreaming.store import database, group_writer
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.group_writer import GroupWriter, writer_for
from daydreaming.store.migrate import upgrade_database
from daydreaming.store.schema import Budget

#: No assertion: only so that a defect fails the test and does not hang it.
SOON_S = 30


def save(connection, names):
    """A handler: one row per item; a name that is there already is an error."""
    connection.execute(insert(Budget), [budget(name) for name in names])
    return [name.upper() for name in names]


def save_other(connection, names):
    """Another handler that does the same."""
    return save(connection, names)


def budget(name):
    return {"scope": name, "reserved_nanousd": 0, "spent_nanousd": 0}


def saved(engine):
    with engine.connect() as connection:
        return sorted(connection.scalars(select(Budget.scope)))


@pytest.fixture
def writer(writing):
    made = GroupWriter(writing)
    yield made
    made.close()


@pytest.fixture
def transactions(writing):
    """A list that grows by one with each transaction that begins."""
    begun = []
    event.listen(writing, "begin", begun.append)
    return begun


class Gate:
    """A handler that keeps the writer busy until it is opened, so that others queue behind it."""

    def __init__(self, writer):
        self._entered, self._open = threading.Event(), threading.Event()
        self.done = writer.submit(self._pass, None)
        assert self._entered.wait(SOON_S)

    def _pass(self, connection, items):
        self._entered.set()
        assert self._open.wait(SOON_S)
        return [None] * len(items)

    def open(self):
        self._open.set()
        self.done.result(SOON_S)


@pytest.fixture
def gate(writer):
    made = Gate(writer)
    yield made
    made._open.set()


def results(futures):
    return [future.result(SOON_S) for future in futures]


def test_what_waits_is_committed_in_one_transaction(writer, gate, transactions, results_engine):
    futures = [writer.submit(save, f"n{i}") for i in range(20)]
    futures += [writer.submit(save_other, f"m{i}") for i in range(20)]
    gate.open()
    assert results(futures) == [f"N{i}" for i in range(20)] + [f"M{i}" for i in range(20)]
    assert len(saved(results_engine)) == 40
    assert len(transactions) == 1


def test_a_handler_gets_its_items_together_in_their_order(writer, gate):
    calls = []

    def note(_connection, items):
        calls.append(("note", list(items)))
        return items

    def other(_connection, items):
        calls.append(("other", list(items)))
        return [-item for item in items]

    futures = [writer.submit(note if i % 3 else other, i) for i in range(1, 10)]
    gate.open()
    assert results(futures) == [i if i % 3 else -i for i in range(1, 10)]
    assert calls == [("note", [1, 2, 4, 5, 7, 8]), ("other", [3, 6, 9])]


def test_no_transaction_has_more_items_than_the_first_can_wait_for(writer, gate, monkeypatch):
    monkeypatch.setattr(group_writer, "_MOST_TOGETHER", 7)
    sizes = []

    def note(_connection, items):
        sizes.append(len(items))
        return items

    futures = [writer.submit(note, i) for i in range(20)]
    gate.open()
    assert results(futures) == list(range(20))
    assert sizes == [7, 7, 6]


def test_an_item_is_told_done_only_when_others_can_see_it(writer, gate, results_engine):
    seen = []
    future = writer.submit(save, "a")
    # Called by the writer itself, at the very moment.
    future.add_done_callback(lambda _: seen.extend(saved(results_engine)))
    gate.open()
    future.result(SOON_S)
    writer.close()
    assert seen == ["a"]


def test_a_bad_item_fails_alone_and_leaves_nothing(writer, gate, results_engine):
    def save_twice(connection, names):
        save(connection, [f"{name}-first" for name in names])
        return save(connection, names)

    writer_of = {"a": save, "c": save_other, "d": save}
    futures = {name: writer.submit(handler, name) for name, handler in writer_of.items()}
    bad = writer.submit(save_twice, "a")  # the second of its rows is there already
    after = writer.submit(save, "e")
    gate.open()
    with pytest.raises(IntegrityError):
        bad.result(SOON_S)
    assert {name: future.result(SOON_S) for name, future in futures.items()} == {"a": "A", "c": "C", "d": "D"}
    assert after.result(SOON_S) == "E"
    assert saved(results_engine) == ["a", "c", "d", "e"]


def test_of_two_items_that_exclude_each_other_the_first_wins(writer, gate, results_engine):
    first, second = writer.submit(save, "a"), writer.submit(save_other, "a")
    gate.open()
    assert first.result(SOON_S) == "A"
    with pytest.raises(IntegrityError):
        second.result(SOON_S)
    assert saved(results_engine) == ["a"]


@pytest.mark.parametrize("answers", [[], [1, 2, 3]], ids=["too few", "too many"])
def test_a_handler_that_does_not_answer_each_item_commits_nothing(writer, gate, results_engine, answers):
    def careless(connection, names):
        save(connection, names)
        return answers

    futures = [writer.submit(careless, name) for name in "ab"]
    gate.open()
    for future in futures:
        with pytest.raises(ValueError, match=r"zip\(\)"):
            future.result(SOON_S)
    assert saved(results_engine) == []


def test_the_writer_goes_on_after_an_error(writer, results_engine):
    def broken(_connection, _items):
        raise RuntimeError("broken")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            writer.submit(broken, None).result(SOON_S)
    assert writer.submit(save, "a").result(SOON_S) == "A"


def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(writer, gate, results_engine):
    async def cancel_one():
        tasks = [asyncio.create_task(writer.run(save, name)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        gate._open.set()
        return await asyncio.gather(tasks[0], tasks[2])

    assert asyncio.run(cancel_one()) == ["A", "C"]
    # What was asked for is done all the same: whoever asks must undo it.
    assert saved(results_engine) == ["a", "b", "c"]


def test_a_bad_item_of_a_cancelled_caller_is_nobodys_error(writer, gate, results_engine):
    good, bad = writer.submit(save, "a"), writer.submit(save, None)
    assert bad.cancel()
    gate.open()
    assert good.result(SOON_S) == "A"
    with pytest.raises(CancelledError):
        bad.result(SOON_S)
    assert writer.submit(save, "b").result(SOON_S) == "B"


def test_a_caller_whose_event_loop_has_ended_does_not_stop_the_writer(writer, gate):
    async def leave():
        asyncio.create_task(writer.run(save, "a"))  # noqa: RUF006 - it is left behind on purpose
        await asyncio.sleep(0)

    asyncio.run(leave())
    gate.open()
    assert writer.submit(save, "b").result(SOON_S) == "B"


def test_two_event_loops_share_a_writer(writer):
    answers = {}

    def live(name):
        async def ask():
            return await asyncio.gather(*[writer.run(save, f"{name}{i}") for i in range(50)])

        answers[name] = asyncio.run(ask())

    threads = [threading.Thread(target=live, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON_S)
    assert answers == {name: [f"{name.upper()}{i}" for i in range(50)] for name in "abc"}


def test_closing_commits_what_is_queued_and_ends_the_thread(writer, gate, results_engine):
    futures = [writer.submit(save, name) for name in "abc"]
    gate._open.set()
    writer.close()
    assert results(futures) == ["A", "B", "C"]
    assert not writer._thread.is_alive()
    writer.close()


def test_closing_commits_also_what_is_queued_meanwhile(writer, gate, results_engine):
    """A cancelled call gives back what it was granted: that comes while the writer is being closed."""
    closing = threading.Thread(target=writer.close)
    first = writer.submit(save, "a")
    first.add_done_callback(lambda _: writer.submit(save, "given back"))
    closing.start()
    while writer._orders.qsize() < 2:  # the item and the end
        pass
    gate._open.set()
    closing.join(SOON_S)
    assert saved(results_engine) == ["a", "given back"]


def test_a_closed_writer_says_so_and_lets_nobody_wait(writer):
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.submit(save, "a")


def test_a_lock_of_another_process_is_waited_for(writer, writing, results_engine):
    with writing.begin():
        future = writer.submit(save, "a")
        with pytest.raises(TimeoutError):
            future.result(0.2)
    assert future.result(SOON_S) == "A"


@pytest.fixture
def impatient(monkeypatch, results_settings):
    """A writing engine that waits for a lock for a moment only."""
    monkeypatch.setattr(database, "_BUSY_TIMEOUT_S", 0.2)
    upgrade_database(results_settings)
    database._writing_engine.cache_clear()
    engine = writing_engine(results_settings)
    yield engine
    engine.dispose()
    database._writing_engine.cache_clear()


def test_where_no_transaction_can_be_begun_all_fail_and_the_next_may_succeed(impatient, results_engine):
    writer = GroupWriter(impatient)
    with impatient.begin():
        futures = [writer.submit(save, name) for name in "abcdefgh"]
        for future in futures:
            with pytest.raises(OperationalError, match="lock"):
                future.result(SOON_S)
    assert writer.submit(save, "a").result(SOON_S) == "A"
    writer.close()


class FailingEngine:
    """Begins as many transactions as it is told, and then no more."""

    def __init__(self, good):
        self.begun, self._good = 0, good

    @contextmanager
    def begin(self):
        self.begun += 1
        if self.begun > self._good:
            raise OperationalError("BEGIN", {}, Exception("the database is locked"))
        yield None


@pytest.mark.parametrize(("good", "asked"), [(1, 2), (2, 3), (3, 4)])
def test_who_waits_for_a_database_that_is_gone_does_not_wait_for_one_after_the_other(good, asked):
    """Each attempt may take a minute: the last of 500 would wait for hours."""

    def pick(_connection, items):
        if "bad" in items:
            raise ValueError("bad")
        return items

    engine = FailingEngine(good)
    writer = GroupWriter(engine)
    gate = Gate(writer)  # the first transaction
    # The second would be for all together; then each for itself.
    futures = [writer.submit(pick, name) for name in ("a", "bad", "c", "d")]
    gate.open()
    outcomes = [type(future.exception(SOON_S)) for future in futures]
    writer.close()
    fine = max(0, good - 2)
    assert outcomes == [type(None)] * fine + [OperationalError] * (4 - fine)
    assert engine.begun == asked


def test_a_server_that_is_gone_is_everybodys_error(tmp_path):
    lost = Settings(tmp_path, tmp_path, results_conn=f"postgresql://me@localhost/db?host={tmp_path}/none")
    writer = GroupWriter(writing_engine(lost))
    futures = [writer.submit(save, name) for name in "abc"]
    for future in futures:
        with pytest.raises(OperationalError, match="connection"):
            future.result(SOON_S)
    writer.close()


@pytest.fixture
def shared(results_settings, results_engine):
    """The writer of this process."""
    made = writer_for(results_settings)
    yield made
    made.close()
    group_writer._writers.clear()
    writing_engine(results_settings).dispose()


def test_a_process_has_one_writer_per_database(shared, results_settings, tmp_path):
    assert writer_for(results_settings) is shared
    other = writer_for(Settings(tmp_path, tmp_path / "other"))
    assert other is not shared
    other.close()


def test_a_writer_that_was_closed_is_made_anew(shared, results_settings):
    shared.close()
    again = writer_for(results_settings)
    assert again.submit(save, "a").result(SOON_S) == "A"
    again.close()


def forked(function):
    """Run ``function`` in a forked process, which must end well."""
    process = multiprocessing.get_context("fork").Process(target=function)
    process.start()
    process.join(SOON_S)
    assert process.exitcode == 0


def test_a_forked_process_writes_with_a_writer_of_its_own(shared, results_settings, results_engine):
    gate = Gate(shared)
    waiting = shared.submit(save, "parent's")

    def child():
        own = writer_for(results_settings)
        assert own is not shared
        future = own.submit(save, "child's")
        if engine_for(results_settings).dialect.name == "postgresql":
            # The parent holds the write lock: this waits for it, and not for the parent's thread.
            own.close()
            assert future.done()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    gate.open()
    process.join(SOON_S)
    assert process.exitcode == 0
    waiting.result(SOON_S)
    assert saved(results_engine).count("parent's") == 1


def test_a_fork_while_another_thread_makes_a_writer_does_not_hang_the_child(shared, results_settings):
    with group_writer._writers_lock:
        forked(lambda: writer_for(results_settings).submit(save, "child's").result(SOON_S))


def test_a_parents_connection_outlives_its_children(shared, results_settings):
    shared.submit(save, "a").result(SOON_S)  # leaves a connection in the pool
    forked(lambda: writer_for(results_settings).submit(save, "b").result(SOON_S))
    assert shared.submit(save, "c").result(SOON_S) == "C"


def test_transactions_of_the_writing_engine_take_turns_from_their_beginning(writing, impatient):
    with writing.begin() as first:
        assert first.scalar(text("SELECT 1")) == 1
        with pytest.raises(OperationalError, match="lock"), impatient.begin():
            pass
    with impatient.begin() as second:
        assert second.scalar(text("SELECT 1")) == 1
