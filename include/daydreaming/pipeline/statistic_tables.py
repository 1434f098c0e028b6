"""One table of an experiment's statistics, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from daydreaming.errors import InputError
from daydreaming.pipeline.tables import statistics_file
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.statistic_pages import list_tables, read_rows


@dataclass(frozen=True)
class StatisticTable:
    """Some rows of a table.

    Attributes:
        columns: As in the file.
        rows: JSON values by column; None where there is none.
        total: Rows in all.
        file: The CSV file that holds all of it, relative to the data root.
    """

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    total: int
    file: str


def read_table(settings: Settings, experiment_id: str, name: str, *, page: int, size: int) -> StatisticTable:
    """A page of a table, from 1.

    Raises:
        InputError: The experiment has no such table, or it is empty.
    """
    engine = engine_for(settings)
    tables = list_tables(engine, experiment_id)
    if name not in tables:
        there = ", ".join(tables) if tables else "none yet"
        raise InputError(f"No table {name!r} of experiment {experiment_id!r}. Tables with rows: {there}.")
    rows = read_rows(engine, experiment_id, name, limit=size, offset=(page - 1) * size)
    first = rows or read_rows(engine, experiment_id, name, limit=1)
    file = DataRoot(settings.data_root).relative(statistics_file(settings, experiment_id, name))
    return StatisticTable(name, list(first[0]), rows, tables[name], file)
