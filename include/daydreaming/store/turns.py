"""One at a time: a lock that holds in every process which has the data root.

Where that is a folder, it is a lock on a file in it; on an object store, an advisory lock of the results
database, which is PostgreSQL then. Both end with their process.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daydreaming.objects.path import ObjectPath

if TYPE_CHECKING:
    from sqlalchemy import Connection

_LOCK_NOT_AVAILABLE = "55P03"
_held = threading.local()


@contextmanager
def hold_turn(path: Path, results_conn: str, timeout_s: float = -1) -> Iterator[None]:
    """Hold a lock while the block runs; a thread that holds it may enter again.

    Args:
        path: The lock's file; on an object store it is only the lock's name.
        results_conn: The results database as the settings have it; for an object store it is PostgreSQL.
        timeout_s: Seconds to wait for another who holds it; below 0 as long as it takes.

    Raises:
        TimeoutError: Another has held it for that long.
    """
    if isinstance(path, ObjectPath):
        # Whichever connection opens the bucket: the objects are the same.
        with _advisory_turn(results_conn, path.as_uri(), timeout_s):
            yield
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, timeout=timeout_s, is_singleton=True):
        yield


@contextmanager
def _advisory_turn(results_conn: str, name: str, timeout_s: float) -> Iterator[None]:
    from daydreaming.store.database import turns_engine

    names: set[str] = _held.__dict__.setdefault("names", set())
    if name in names:
        yield
        return
    lock = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with turns_engine(results_conn).connect() as connection:
        _take(connection, lock, name, timeout_s)
        names.add(name)
        try:
            yield
        finally:
            names.discard(name)
            _give_back(connection, lock)


def _take(connection: Connection, lock: int, name: str, timeout_s: float) -> None:
    from sqlalchemy.exc import OperationalError

    wait_ms = 0 if timeout_s < 0 else max(1, round(timeout_s * 1000))  # 0 is for ever
    try:
        connection.exec_driver_sql(f"SET lock_timeout = {wait_ms}")
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({lock})")
    except OperationalError as error:
        if getattr(error.orig, "pgcode", None) == _LOCK_NOT_AVAILABLE:
            raise TimeoutError(name) from error
        raise


def _give_back(connection: Connection, lock: int) -> None:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({lock})")
    except SQLAlchemyError:
        # The lock belongs to the session: with it, it ends.
        connection.invalidate()
