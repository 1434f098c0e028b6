"""How `daydreaming show` looks. Independent of typer.

What models wrote goes to the terminal as plain text: see ``plain_text``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from daydreaming.cli.plain_text import plain, plain_line
from daydreaming.cli.terminal import terminal_width, wrapped
from daydreaming.cli.typed import as_typed
from daydreaming.pipeline.rows import RECORD_FIELDS
from daydreaming.pipeline.shown_essay import CallView, EssayView, view_essay
from daydreaming.settings import Settings

_LABEL_CHARS = 12
_NOT_COUNTED = "not counted in this experiment: it answers another request"
#: Of the provenance, in this order, as JSON names it.
_PROVENANCE = (*RECORD_FIELDS, "started_at", "ended_at", "response_sha256")


def run_show(
    settings: Settings,
    cell_id: str,
    experiment_id: str | None,
    *,
    prompt: bool,
    verdicts: bool,
    as_json: bool,
    out: TextIO,
) -> None:
    """Print a generation with its verdicts, or one evaluation with what it judges.

    Args:
        settings: The deployment's settings.
        cell_id: Of a generation or an evaluation.
        experiment_id: As which experiment has it; None for the one whose run planned the ID last.
        prompt: Print the prompts too.
        verdicts: Print what the judges wrote, and not its scores alone.
        as_json: One JSON object instead of text.
        out: Where the text goes.

    Raises:
        InputError: No planned call, or none of the experiment, has this ID; or no such experiment.
        StoreError: A file cannot be read.
    """
    view = view_essay(settings, cell_id, datetime.now(UTC), experiment_id)
    in_full = verdicts or view.is_one_verdict
    if as_json:
        out.write(json.dumps(_json(view, prompt, in_full)) + "\n")
        return
    lines = (line for part in _text(view, prompt, in_full) for line in part.split("\n"))
    out.write("\n".join(wrapped(lines, terminal_width(out))) + "\n")


def _text(view: EssayView, prompt: bool, in_full: bool) -> Iterator[str]:
    cell = view.generation.cell
    yield f"Generation {cell.cell_id}"
    yield _field("experiments", ", ".join(view.experiments))
    yield _field("concepts", f"{_concepts(view)} (level {view.description_level or 'unknown'})")
    yield _field("template", f"{cell.generation_template}, replicate {cell.replicate}")
    yield from _call_fields(view.generation)
    if prompt:
        yield from _block("Prompt", view.generation.prompt, "It was not rendered yet.")
    yield from _essay_block(view)
    yield ""
    scored = sum(1 for one in view.verdicts if _counted(one).get("score") is not None)
    yield f"Verdicts as {view.experiment_id} has them: {scored} scored of {len(view.verdicts)} planned"
    for verdict in view.verdicts:
        if in_full:
            yield from _verdict_block(verdict, prompt)
        else:
            yield f"  {_verdict_line(verdict)}"
    if view.verdicts and not in_full:
        yield "Read what the judges wrote with --verdicts."


def _essay_block(view: EssayView) -> Iterator[str]:
    row, answer = view.generation.row, view.generation.answer
    if view.essay is not None or answer is None:
        yield from _block("Essay", view.essay, "There is none: the call has no answer.")
        return
    why = plain_line(str(row["essay_error"])) if row and row["essay_error"] else "no essay was cut out of it"
    yield from _block(f"The whole answer ({why})", answer, "")


def _verdict_block(verdict: CallView, prompt: bool) -> Iterator[str]:
    yield ""
    yield f"Evaluation {verdict.cell.cell_id}"
    yield _field("score", _verdict_line(verdict))
    yield from _call_fields(verdict)
    if prompt:
        yield from _block("Prompt", verdict.prompt, "It was not rendered yet.")
    yield from _block("Verdict", verdict.answer, "There is none: the call has no answer.")


def _verdict_line(verdict: CallView) -> str:
    cell, row = verdict.cell, verdict.row
    name = f"{cell.evaluation_template} by {cell.evaluation_model}"
    if cell.replicate > 1:
        name += f", replicate {cell.replicate}"
    if row is None:
        return f"{name}: {_why_open(verdict)}"
    if verdict.is_refused:
        return f"{name}: {_NOT_COUNTED}"
    if row["score"] is None:
        return f"{name}: unscored ({plain_line(str(row['score_error'] or 'no reason is recorded'))})"
    return f"{name}: {row['score']:g} on {row['score_min']:g}-{row['score_max']:g}"


def _counted(verdict: CallView) -> Mapping[str, Any]:
    """The row of a verdict; empty where the experiment has none that counts."""
    return {} if verdict.is_refused or verdict.row is None else verdict.row


def _call_fields(call: CallView) -> Iterator[str]:
    cell, row = call.cell, call.row
    if row is None:
        yield _field("model", f"{cell.model_id}: {plain_line(cell.model_name)}")
        yield _field("answer", _why_open(call))
        return
    upstream = f" at {row['upstream_provider']}" if row["upstream_provider"] else ""
    returned = row["model_returned"] or "a model that did not name itself"
    yield _field("model", f"{cell.model_id}: {cell.model_name} was asked, {returned}{upstream} answered")
    how = f"attempt {row['attempts'] or '–'}, finish reason {row['finish_reason'] or '–'}"
    if call.is_refused and cell.stage == "generation":
        yield _field("answer", _NOT_COUNTED)
    yield _field("answered", f"{_time(row['ended_at'])}, {_number(row['latency_s'], ' s')}, {how}")
    prompt_tokens, answer_tokens = _number(row["prompt_tokens"]), _number(row["completion_tokens"])
    yield _field("tokens", f"{prompt_tokens} prompt, {answer_tokens} answer")
    cost = "unknown" if row["cost_usd"] is None else f"{row['cost_usd']:.6f} US dollars"
    yield _field("cost", cost)
    yield _field("request", f"hash {row['request_hash'] or 'not recorded (a person brought the file)'}")
    yield _field("response", f"SHA-256 {row['response_sha256']}")


def _why_open(call: CallView) -> str:
    if call.answer is not None:
        return as_typed("answered; its row is not written yet (`daydreaming rebuild` does)")
    if call.failure is None:
        return "not answered"
    return f"not answered; last failure: {call.failure.error_class}: {call.failure.message}"


def _concepts(view: EssayView) -> str:
    named = [key if key == name else f"{key} ({name})" for key, name in view.concepts.items()]
    return ", ".join(named) or "not known"


def _block(title: str, text: str | None, otherwise: str) -> Iterator[str]:
    yield ""
    if text is None:
        yield f"{title}: {otherwise}"
        return
    yield f"{title} ({len(text):,} characters)"
    yield ""
    yield plain(text).rstrip("\n")


def _field(label: str, value: str) -> str:
    return f"  {label:{_LABEL_CHARS}}{plain_line(value)}"


def _time(at: datetime | None) -> str:
    return "–" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _number(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:,}{unit}"


def _json(view: EssayView, prompt: bool, in_full: bool) -> dict[str, Any]:
    cell = view.generation.cell
    return {
        "generation_task_id": cell.cell_id,
        "experiment_id": view.experiment_id,
        "experiments": list(view.experiments),
        "combo_id": cell.combo_id,
        "concepts": [{"concept_id": key, "name": name} for key, name in view.concepts.items()],
        "description_level": view.description_level,
        "generation_template": cell.generation_template,
        "generation_model": cell.generation_model,
        "replicate": cell.replicate,
        **_call_json(view.generation, prompt),
        "essay": view.essay,
        "essay_error": view.generation.row["essay_error"] if view.generation.row else None,
        "verdicts": [_verdict_json(verdict, prompt, in_full) for verdict in view.verdicts],
    }


def _verdict_json(verdict: CallView, prompt: bool, in_full: bool) -> dict[str, Any]:
    row, cell = _counted(verdict), verdict.cell
    scores = {name: row.get(name) for name in ("score", "score_min", "score_max", "score_error", "parser")}
    return {
        "evaluation_task_id": cell.cell_id,
        "evaluation_template": cell.evaluation_template,
        "evaluation_model": cell.evaluation_model,
        "replicate": cell.replicate,
        **scores,
        **_call_json(verdict, prompt),
        **({"text": verdict.answer} if in_full else {}),
    }


def _call_json(call: CallView, prompt: bool) -> dict[str, Any]:
    row, failure = call.row or {}, call.failure
    values = {name: _json_value(row.get(name)) for name in _PROVENANCE}
    last = None if failure is None else {"error_class": failure.error_class, "message": failure.message}
    return {
        "is_answered": call.answer is not None,
        "is_refused": call.is_refused,
        **values,
        "last_failure": last,
        **({"prompt": call.prompt} if prompt else {}),
    }


def _json_value(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
