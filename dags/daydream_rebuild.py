"""Make the results database again from the files: after it was lost, or is in doubt.

The files are the truth. The new tables take the place of the old ones in one step, or, where a file
cannot be read or calls are being made, not at all: the log of the task says which. What could not be
restored is in the log too. `daydreaming rebuild` does the same without Airflow.
"""

from __future__ import annotations

import logging

from airflow.sdk import dag, task

from daydreaming.operators.failures import fail_clearly
from daydreaming.settings import Settings

log = logging.getLogger(__name__)
settings = Settings.from_env()


@task
@fail_clearly
def rebuild() -> dict[str, int]:
    """Rebuild the results database; returns rows by table."""
    from daydreaming.pipeline.rebuild import rebuild_database
    from daydreaming.pipeline.rebuild_progress import LineProgress

    rebuilt = rebuild_database(settings, LineProgress(log.info))
    for note in rebuilt.notes:
        log.warning("%s", note)
    log.info("Rows by table: %s", dict(rebuilt.rows))
    return dict(rebuilt.rows)


@dag(schedule=None, max_active_runs=1, doc_md=__doc__, tags=["daydreaming"], is_paused_upon_creation=False)
def daydream_rebuild() -> None:
    rebuild()


daydream_rebuild()
