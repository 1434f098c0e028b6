"""Writes the report of an experiment and says where it is. Independent of typer."""

from __future__ import annotations

import json
from typing import TextIO

from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.question import read_question, set_question
from daydreaming.pipeline.report import report_file
from daydreaming.pipeline.tables import write_experiment_tables
from daydreaming.settings import Settings
from daydreaming.store.migrate import upgrade_database


def run_report(
    settings: Settings, experiment_id: str, question: str | None, as_json: bool, out: TextIO
) -> None:
    """Bring an experiment's tables up to date, write its report, and print where that is.

    Args:
        settings: The deployment's settings.
        experiment_id: Which experiment.
        question: What it asks, to be shown from now on; None to leave that.
        as_json: One JSON object instead of a line.
        out: Where the text goes.

    Raises:
        InputError: No such experiment, or the question is empty or too long; nothing is written then.
    """
    choose_experiments(settings, experiment_id)
    if question is not None:
        set_question(settings, experiment_id, question)
    upgrade_database(settings)
    changed = write_experiment_tables(settings, experiment_id)
    path = report_file(settings, experiment_id)
    if as_json:
        result = {
            "experiment_id": experiment_id,
            "path": str(path),
            "bytes": path.stat().st_size,
            "changed": changed,
            "question": read_question(settings, experiment_id),
        }
        out.write(json.dumps(result) + "\n")
        return
    state = "written" if changed else "is up to date"
    out.write(f"{path} {state} ({path.stat().st_size / 1_000:,.0f} kB).\n")
