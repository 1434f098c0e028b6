"""Which saved experiments run tonight, and under which names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daydreaming.errors import InputError
from daydreaming.settings import Settings

_MOST_CHARS = 100


def nightly_triggers(settings: Settings, due: datetime) -> tuple[list[dict[str, Any]], list[str]]:
    """What to start for the night of ``due``.

    An experiment that generates gets an ID of its own each night. One with ``rejudge`` has none: it judges
    the essays of the experiment that its file names, which was run before.

    Returns:
        One ``{trigger_run_id, conf}`` per experiment, and the problems of files that cannot be read.
    """
    from daydreaming.inputs.params import nightly_experiments, resolve_params

    folder = settings.inputs_root / "experiments"
    names, problems = nightly_experiments(folder)
    date = due.astimezone(UTC).date().isoformat()
    triggers = []
    for name in names:
        conf = {"experiment": name}
        if not resolve_params(conf, folder).rejudge:
            conf["experiment_id"] = f"{name}_{date}"
            try:
                resolve_params(conf, folder)
            except InputError:
                problems.append(_too_long(name, len(date)))
                continue
        triggers.append({"trigger_run_id": f"nightly__{name}_{date}", "conf": conf})
    return triggers, problems


def _too_long(name: str, date_chars: int) -> str:
    most = _MOST_CHARS - date_chars - 1
    return (
        f"experiments/{name}.yaml: schedule nightly adds the date to the name, which may have at most {most} "
        f"characters then; got {len(name)}. Give the file a shorter name."
    )
