"""Connections to the results database: SQLite (WAL) by default, PostgreSQL where configured."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from daydreaming.errors import InputError
from daydreaming.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SQLITE_NAME = "results.sqlite3"
#: How long a writer waits for another before it gives up.
_BUSY_TIMEOUT_S = 60
_CONNECT_TIMEOUT_S = 10
#: Any number that no other program on the same PostgreSQL uses for its advisory locks.
_WRITE_LOCK = 7_329_641_884
_POSTGRES_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg2")


def results_url(settings: Settings) -> str:
    """SQLAlchemy URL of the results database.

    Raises:
        InputError: ``AIRFLOW_CONN_DAYDREAMING_RESULTS`` is neither a PostgreSQL URI nor the JSON form.
    """
    if settings.results_file:
        return _sqlite_url(settings.results_file)
    if not settings.results_conn:
        return _sqlite_url(settings.data_root / SQLITE_NAME)
    return postgres_url(settings.results_conn)


def postgres_url(results_conn: str) -> str:
    """SQLAlchemy URL of a connection as it is given; error as above."""
    given = results_conn.strip()
    return _url_from_json(given) if given.startswith("{") else _url_from_uri(given)


def engine_for(settings: Settings) -> Engine:
    """The engine of this process. A forked process inherits it with the statements that it compiled."""
    return _engine(results_url(settings))


def single_use_engine(settings: Settings) -> Engine:
    """An engine that keeps no connection open: for processes that fork, such as the scheduler."""
    from sqlalchemy.pool import NullPool

    return _create_engine(results_url(settings), poolclass=NullPool)


def writing_engine(settings: Settings) -> Engine:
    """An engine, kept per process, whose transactions take the write lock when they begin.

    SQLite has one, and a transaction that reads first and writes then would fail where another wrote
    in between. On PostgreSQL an advisory lock does the same: each sees what all before it have written,
    and none can wait for rows of one that waits for its own.
    """
    return _writing_engine(results_url(settings), os.getpid())


def turns_engine(results_conn: str) -> Engine:
    """An engine, kept per process, whose connections each hold one advisory lock for a while."""
    return _turns_engine(postgres_url(results_conn), os.getpid())


@lru_cache(maxsize=8)
def _turns_engine(url: str, pid: int) -> Engine:  # noqa: ARG001 - the process id is part of the cache key
    # More at once than this wait for each other. None in a transaction: a turn may last for minutes.
    return _create_engine(
        url, pool_pre_ping=True, pool_size=2, max_overflow=14, pool_timeout=600, isolation_level="AUTOCOMMIT"
    )


@lru_cache(maxsize=8)
def _writing_engine(url: str, pid: int) -> Engine:  # noqa: ARG001 - the process id is part of the cache key
    from sqlalchemy import event

    engine = _create_engine(url, pool_pre_ping=True, pool_size=2, max_overflow=0)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin_immediately)
    else:
        event.listen(engine, "begin", _take_write_lock)
    return engine


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _take_write_lock(connection: Connection) -> None:
    # One message for both; the lock is given back with the transaction, whatever becomes of it.
    connection.exec_driver_sql(
        f"SET LOCAL lock_timeout = {_BUSY_TIMEOUT_S * 1000:.0f}; SELECT pg_advisory_xact_lock({_WRITE_LOCK})"
    )


@lru_cache(maxsize=8)
def _engine(url: str) -> Engine:
    engine = _create_engine(url, pool_pre_ping=True)
    # Connections must not cross a fork: the child opens its own, and leaves its parent's alone.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


def warm_engine(settings: Settings) -> None:
    """Compile, for the processes that will be forked, what every task instance asks."""
    from daydreaming.errors import StoreError
    from daydreaming.store.plans import read_call

    engine = engine_for(settings)
    database = engine.url.database
    if engine.dialect.name == "sqlite" and not (database and Path(database).exists()):
        return
    with suppress(StoreError):  # there is no such run
        read_call(engine, "", "generation", 0)
    engine.dispose()


def _create_engine(url: str, **options: Any) -> Engine:
    from sqlalchemy import create_engine, event

    if not url.startswith("sqlite"):
        return create_engine(url, connect_args={"connect_timeout": _CONNECT_TIMEOUT_S}, **options)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_S}, **options)
    Path(str(engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # WAL lets readers go on while one writes; NORMAL may lose the last commits at a power cut,
    # which the files make good again.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _sqlite_url(path: Path) -> str:
    from sqlalchemy import URL

    # Not pasted together: a path may hold characters that mean something in a URL.
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def _url_from_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        _port = parts.port
    except ValueError:
        # From None: the library's message quotes what it was given.
        raise _unusable("no URI (write @ : / ] of a password as %40 %3A %2F %5D)") from None
    if parts.scheme not in _POSTGRES_SCHEMES:
        raise _unusable(f"scheme {parts.scheme!r}" if parts.scheme else "no scheme")
    if not parts.hostname or len(parts.path) < 2 or "@" in parts.path:
        raise _unusable("no host or database (write @ : / ] of a password as %40 %3A %2F %5D)")
    return urlunsplit(("postgresql+psycopg2", parts.netloc, parts.path, parts.query, ""))


def _url_from_json(text: str) -> str:
    try:
        given = json.loads(text)
    except ValueError as error:
        raise _unusable("text that is no JSON") from error
    if given.get("conn_type") not in _POSTGRES_SCHEMES:
        raise _unusable(f"conn_type {given.get('conn_type')!r}")
    missing = [name for name in ("host", "schema") if not given.get(name)]
    if missing:
        raise _unusable(f"JSON without {' and '.join(missing)}")
    if not str(given.get("port") or 5432).isdecimal():
        raise _unusable(f"port {given['port']!r}")
    login = quote(str(given.get("login") or ""), safe="")
    password = f":{quote(str(given['password']), safe='')}" if given.get("password") else ""
    place = f"{given['host']}:{given.get('port') or 5432}/{given['schema']}"
    return f"postgresql+psycopg2://{login}{password}@{place}{_query_from_extra(given.get('extra'))}"


def _query_from_extra(extra: Any) -> str:
    """What libpq is told beside the place, such as sslmode: left out, it would check no certificate."""
    try:
        # Airflow takes it as an object, and as the text of one.
        options = json.loads(extra or "{}") if isinstance(extra, str) else extra or {}
    except ValueError as error:
        raise _unusable("an extra that is no JSON") from error
    if not isinstance(options, dict):
        raise _unusable("an extra that is no JSON object")
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _unusable(f"an extra whose {name!r} is neither text nor a whole number")
    return f"?{urlencode(options)}" if options else ""


def _unusable(got: str) -> InputError:
    # Never the value itself: it holds a password.
    return InputError(
        "AIRFLOW_CONN_DAYDREAMING_RESULTS must be postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
        f"or the JSON form with conn_type, host, login, password and schema; got {got}. "
        "Unset it to use SQLite in the data root."
    )
