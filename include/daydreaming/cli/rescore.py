"""How `daydreaming rescore` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from daydreaming.errors import InputError
from daydreaming.pipeline.rescore import Rescored, Tally, rescore
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot


def run_rescore(
    settings: Settings,
    experiment_id: str,
    template_ids: Sequence[str],
    parser: str | None,
    scale: str | None,
    dry_run: bool,
    as_json: bool,
    out: TextIO,
) -> None:
    """Read verdicts anew and print what became of their scores.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose verdicts.
        template_ids: Evaluation templates; empty for all of the experiment.
        parser: One of ``SCORE_PARSERS``, or None.
        scale: Such as ``0-9``, or None.
        dry_run: Write nothing.
        as_json: One JSON object instead of text.
        out: Where the text goes.

    Raises:
        InputError: Something that was given is not known or does not go together; nothing is changed then.
    """
    found = rescore(
        settings, experiment_id, template_ids, parser, scale, now=datetime.now(UTC), dry_run=dry_run
    )
    if as_json:
        out.write(json.dumps(_json(experiment_id, found, dry_run)) + "\n")
        return
    out.write("".join(line + "\n" for one in found for line in _lines(one)))
    folder = DataRoot(settings.data_root).summary(experiment_id)
    end = "Dry run: nothing was written." if dry_run else f"Nothing was called. Tables: {folder}"
    out.write(end + "\n")


def refuse_generation_templates(template_ids: Sequence[str]) -> None:
    """Say what to do instead: another essay parser is no other reading of verdicts.

    Raises:
        InputError: Always, where there are any.
    """
    if template_ids:
        raise InputError(
            f"rescore reads verdicts; got the generation template {', '.join(template_ids)}. Another parser "
            "of essays would change the essays, and so the prompts that the judges were sent. Change the "
            "parser in generation_templates.csv and run the experiment again with --set on_stale=archive: "
            "nothing is generated again, and only essays that have changed are judged again."
        )


def _lines(one: Rescored) -> list[str]:
    before = ", ".join(one.read_before) or "not read"
    scored = f"scored {one.before.scored:,} -> {one.after.scored:,}"
    mean = f"mean {_mean(one.before)} -> {_mean(one.after)}"
    return [
        f"{one.evaluation_template}: {before} -> {one.read_now}",
        f"  {one.verdicts:,} verdicts; {scored}; {mean}; changed scores: {one.changed:,}",
    ]


def _mean(tally: Tally) -> str:
    return "none" if tally.mean is None else f"{tally.mean:.3f}"


def _json(experiment_id: str, found: Sequence[Rescored], dry_run: bool) -> dict[str, Any]:
    return {
        "experiment_id": experiment_id,
        "dry_run": dry_run,
        "templates": [
            {
                "evaluation_template": one.evaluation_template,
                "read_before": list(one.read_before),
                "parser": one.scoring.parser,
                "score_min": one.scoring.score_min,
                "score_max": one.scoring.score_max,
                "verdicts": one.verdicts,
                "scored_before": one.before.scored,
                "scored_after": one.after.scored,
                "mean_before": one.before.mean,
                "mean_after": one.after.mean,
                "changed": one.changed,
            }
            for one in found
        ],
    }
