"""Who writes the tables of an experiment: one at a time, from reading the rows to the last file.

Two runs of an experiment, or a run and a ``rescore``, may want to at once. Whoever read first and wrote
last would put an older table in the place of a newer one; so the next reads only when the one before has
written, and the last to write is the last to have read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from daydreaming.store.turns import hold_turn


@contextmanager
def table_turn(settings: Settings, experiment_id: str) -> Iterator[None]:
    """Hold the tables of an experiment; waits as long as another process or thread does.

    It ends with its process, and holds on every machine that has the data root, for tables are files
    there. A thread that holds it may enter again.
    """
    lock = DataRoot(settings.data_root).tasks(experiment_id) / ".tables.lock"
    with hold_turn(lock, settings.results_conn):
        yield
