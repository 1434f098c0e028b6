"""A data root that holds part of a backup is none: a run would call again for what is not there yet."""

from __future__ import annotations

from daydreaming.errors import InputError
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import read_revision
from daydreaming.store.staging import was_cut_off
from daydreaming.store.table_dump import first_full_table


def refuse_half_restored(settings: Settings) -> None:
    """Refuse to work with a data root whose restore was killed, or is under way.

    Rows come last in a restore: where there are some, only the mark of it was left behind.

    Raises:
        InputError: There is a mark, and there are no rows.
    """
    if was_cut_off(settings.data_root) and full_table(settings) is None:
        raise InputError(
            f"{settings.data_root} holds part of a backup: a restore was killed, or runs now. Where none "
            "runs, restore the same backup again (docs/backup.md)."
        )


def full_table(settings: Settings) -> str | None:
    """A table of the results database that holds a row; None where all are empty, or there are none."""
    if read_revision(settings) is None:
        return None
    with engine_for(settings).connect() as connection:
        return first_full_table(connection)
