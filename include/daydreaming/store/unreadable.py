"""A SQLite file that is no database any more: set aside, so that a new one can be made."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for, writing_engine

_COMPANIONS = ("", "-wal", "-shm")


@contextmanager
def set_aside_unreadable(settings: Settings) -> Iterator[Path | None]:
    """Move a SQLite database that cannot be read out of the way; where the block fails, back again.

    Yields:
        Where it is now; None where nothing was wrong with it, or it is PostgreSQL.
    """
    path = settings.data_root / SQLITE_NAME
    if settings.results_conn or not path.exists() or _is_readable(settings):
        yield None
        return
    aside = path.with_name(f"{SQLITE_NAME}.unreadable-{uuid.uuid4().hex[:8]}")
    _move(settings, path, aside)
    try:
        yield aside
    except BaseException:
        _move(settings, aside, path)
        raise


def _is_readable(settings: Settings) -> bool:
    from sqlalchemy.exc import DatabaseError, OperationalError

    try:
        with engine_for(settings).connect() as connection:
            found = list(connection.exec_driver_sql("PRAGMA quick_check(1)").scalars())
    except OperationalError:
        raise  # locked, or no right to open it: nothing that a new file would help
    except DatabaseError:
        return False
    return found == ["ok"]


def _move(settings: Settings, source: Path, target: Path) -> None:
    engine_for(settings).dispose()
    writing_engine(settings).dispose()
    for ending in _COMPANIONS:
        file = source.with_name(source.name + ending)
        target.with_name(target.name + ending).unlink(missing_ok=True)
        if file.exists():
            file.replace(target.with_name(target.name + ending))
