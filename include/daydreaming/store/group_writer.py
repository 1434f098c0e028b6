"""One writer per process: the small transactions of many calls, committed together.

A commit costs milliseconds and SQLite allows one writer at a time, so a thousand calls that each
commit for themselves mostly wait for one another. Here they queue; a thread takes all that wait
and commits them as one.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from daydreaming.settings import Settings

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Does the same for many items in one transaction; returns a result for each, in their order.
Handler = Callable[["Connection", Sequence[Item]], Sequence[Result]]

#: Items of one transaction: more would let the first wait long for the last.
_MOST_TOGETHER = 500
_CLOSE_TIMEOUT_S = 10.0


@dataclass
class _Order:
    handler: Handler[Any, Any]
    item: Any
    done: Future[Any] = field(default_factory=Future)


class GroupWriter:
    """Runs handlers on a thread of its own, one transaction for all orders that wait.

    Where a transaction fails, its orders are run again one by one, so that each fails or succeeds
    for itself. Where none can be begun (the database is locked or gone), all that wait fail at once.

    Args:
        engine: Its transactions take the write lock when they begin (``database.writing_engine``).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._is_closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="daydreaming-writer", daemon=True)
        self._thread.start()

    def submit(self, handler: Handler[Item, Result], item: Item) -> Future[Result]:
        """Queue one item; the future holds its result once that is committed.

        Raises:
            RuntimeError: The writer is closed.
        """
        order = _Order(handler, item)
        with self._closing:
            if self._is_closed:
                raise RuntimeError("The writer of the results database is closed: this process is ending.")
            self._orders.put(order)
        return order.done

    async def run(self, handler: Handler[Item, Result], item: Item) -> Result:
        """``submit``, awaited."""
        return await asyncio.wrap_future(self.submit(handler, item))

    @property
    def is_closed(self) -> bool:
        """Whether it takes nothing any more."""
        return self._is_closed

    def close(self) -> None:
        """Commit what is queued, also by those who hear of it meanwhile, and end the thread."""
        self._orders.put(None)
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _work(self) -> None:
        while True:
            orders = self._take()
            if orders:
                self._run(orders)
            elif self._ends():
                return

    def _ends(self) -> bool:
        """After a request to close: whether nothing was queued since; then nothing can be any more."""
        with self._closing:
            self._is_closed = self._orders.empty()
            if not self._is_closed:
                self._orders.put(None)
        return self._is_closed

    def _run(self, orders: Sequence[_Order]) -> None:
        try:
            self._commit(orders)
        except _NotBegunError as error:
            # No item's fault, and each attempt may take a minute: nobody waits for one of his own.
            _fail(orders, error.cause)
        except Exception as error:  # noqa: BLE001 - each caller gets its own
            if len(orders) == 1:
                _fail(orders, error)
            else:
                self._run_apart(orders)

    def _run_apart(self, orders: Sequence[_Order]) -> None:
        for index, order in enumerate(orders):
            try:
                self._commit([order])
            except _NotBegunError as error:
                _fail(orders[index:], error.cause)
                return
            except Exception as error:  # noqa: BLE001 - its caller gets it
                _fail([order], error)

    def _take(self) -> list[_Order]:
        """All that waits, or waits next; nothing where the writer is to be closed."""
        first = self._orders.get()
        if first is None:
            return []
        orders = [first]
        while len(orders) < _MOST_TOGETHER:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                break
            if order is None:
                self._orders.put(None)
                break
            orders.append(order)
        return orders

    def _commit(self, orders: Sequence[_Order]) -> None:
        by_handler: dict[Handler[Any, Any], list[_Order]] = {}
        for order in orders:
            by_handler.setdefault(order.handler, []).append(order)
        results: list[tuple[_Order, Any]] = []
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(self._engine.begin())
            except Exception as error:
                raise _NotBegunError(error) from error
            for handler, group in by_handler.items():
                found = handler(connection, [order.item for order in group])
                results += zip(group, found, strict=True)
        for order, result in results:
            # A caller that was cancelled no longer waits.
            if order.done.set_running_or_notify_cancel():
                order.done.set_result(result)


class _NotBegunError(Exception):
    """No transaction could be begun."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(cause)


def _fail(orders: Sequence[_Order], error: Exception) -> None:
    for order in orders:
        if order.done.set_running_or_notify_cancel():
            order.done.set_exception(error)


def writer_for(settings: Settings) -> GroupWriter:
    """The writer of this process for the results database; made anew after a fork."""
    from daydreaming.store.database import results_url, writing_engine

    key = (results_url(settings), os.getpid())
    with _writers_lock:
        if key not in _writers or _writers[key].is_closed:
            _writers[key] = GroupWriter(writing_engine(settings))
            atexit.register(_writers[key].close)
        return _writers[key]


_writers: dict[tuple[str, int], GroupWriter] = {}
_writers_lock = threading.Lock()


def _unlock_in_child() -> None:
    # Another thread of the parent may have held it: in the child nobody would ever release it.
    global _writers_lock
    _writers_lock = threading.Lock()


os.register_at_fork(after_in_child=_unlock_in_child)
