"""Which experiments there are, without making a database by looking."""

from __future__ import annotations

from daydreaming.errors import InputError
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.results import list_experiments

#: Of a long list, the newest.
_LISTED = 12


def has_results(settings: Settings) -> bool:
    """Whether there is a results database to read."""
    return bool(settings.results_conn) or (settings.data_root / SQLITE_NAME).exists()


def choose_experiments(settings: Settings, experiment_id: str | None) -> list[str]:
    """The experiment that is named, or all that were started, oldest first.

    Raises:
        InputError: No experiment of this ID was started.
    """
    known = list_experiments(engine_for(settings)) if has_results(settings) else []
    if experiment_id is None:
        return known
    if experiment_id not in known:
        from daydreaming.inputs.wording import did_you_mean, show

        near, there = did_you_mean(experiment_id, known), ", ".join(known[-_LISTED:]) or "none yet"
        older = f" and {len(known) - _LISTED} older ones" if len(known) > _LISTED else ""
        raise InputError(
            f"Unknown experiment ID {show(experiment_id)}.{near} Experiments that were run: {there}{older}."
        )
    return [experiment_id]
