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
    for itself.

    Args:
        engine: Its transactions take the write lock when they begin (``database.writing_engine``).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="daydreaming-writer", daemon=True)
        self._thread.start()

    def submit(self, handler: Handler[Item, Result], item: Item) -> Future[Result]:
        """Queue one item; the future holds its result once that is committed."""
        order = _Order(handler, item)
        self._orders.put(order)
        return order.done

    async def run(self, handler: Handler[Item, Result], item: Item) -> Result:
        """``submit``, awaited."""
        return await asyncio.wrap_future(self.submit(handler, item))

    def close(self) -> None:
        """Commit what is queued and end the thread."""
        self._orders.put(None)
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _work(self) -> None:
        while (orders := self._take()) is not None:
            try:
                self._commit(orders)
            except Exception as error:  # noqa: BLE001 - each caller gets its own
                self._commit_apart(orders, error)

    def _take(self) -> list[_Order] | None:
        first = self._orders.get()
        if first is None:
            return None
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
        with self._engine.begin() as connection:
            for handler, group in by_handler.items():
                found = handler(connection, [order.item for order in group])
                results += zip(group, found, strict=True)
        for order, result in results:
            # A caller that was cancelled no longer waits.
            if order.done.set_running_or_notify_cancel():
                order.done.set_result(result)

    def _commit_apart(self, orders: Sequence[_Order], error: Exception) -> None:
        if len(orders) == 1:
            if orders[0].done.set_running_or_notify_cancel():
                orders[0].done.set_exception(error)
            return
        for order in orders:
            try:
                self._commit([order])
            except Exception as own:  # noqa: BLE001 - its caller gets it
                self._commit_apart([order], own)


def writer_for(settings: Settings) -> GroupWriter:
    """The writer of this process for the results database; made anew after a fork."""
    from daydreaming.store.database import results_url, writing_engine

    key = (results_url(settings), os.getpid())
    with _writers_lock:
        if key not in _writers:
            _writers[key] = GroupWriter(writing_engine(settings))
            atexit.register(_writers[key].close)
        return _writers[key]


_writers: dict[tuple[str, int], GroupWriter] = {}
_writers_lock = threading.Lock()
