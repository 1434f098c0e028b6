"""Which saved experiments run tonight, and under which names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from daydreaming.settings import Settings


def nightly_triggers(settings: Settings, due: datetime) -> tuple[list[dict[str, Any]], list[str]]:
    """What to start for the night of ``due``.

    Returns:
        One ``{trigger_run_id, conf}`` per experiment, and the problems of files that cannot be read.
    """
    from daydreaming.inputs.params import nightly_experiments

    names, problems = nightly_experiments(settings.inputs_root / "experiments")
    date = due.astimezone(UTC).date().isoformat()
    triggers = [
        {
            "trigger_run_id": f"nightly__{name}_{date}",
            "conf": {"experiment": name, "experiment_id": f"{name}_{date}"},
        }
        for name in names
    ]
    return triggers, problems
