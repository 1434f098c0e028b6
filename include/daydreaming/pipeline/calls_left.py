"""What calls without an answer still ask of their models' limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from daydreaming.errors import DaydreamingError
from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.llm.limits import RateLimits
from daydreaming.pipeline.connection_limits import row_limits
from daydreaming.pipeline.earlier_calls import ASSUMED_TOKENS
from daydreaming.pipeline.env_connections import limits_in_env
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.time_left import CallsLeft
from daydreaming.pipeline.wall_time import Load
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.learned_rates import load_rate
from daydreaming.store.plans import RunRecord
from daydreaming.store.progress_queries import mean_tokens


@dataclass(frozen=True)
class Unanswered:
    """Calls of one stage and model that are waited for.

    Attributes:
        calls: How many.
        running: Those of them that are sent already.
        per_minute: Answers per minute lately; None where none came.
    """

    stage: Stage
    model_id: str
    calls: int
    running: int
    per_minute: float | None


def calls_left(
    settings: Settings, runs: Iterable[RunRecord], unanswered: Sequence[Unanswered], now: datetime
) -> list[CallsLeft]:
    """Put the limits of their models beside them, as the runs froze them and as they were learned since.

    Args:
        settings: The deployment's settings.
        runs: Whose calls they are.
        unanswered: By stage and model.
        now: What was learned may be too old by then.
    """
    rows = _model_rows(settings, runs) if any(one.calls for one in unanswered) else {}
    return [
        CallsLeft(
            one.stage,
            one.model_id,
            one.calls,
            one.per_minute,
            _load(settings, one, rows.get((one.stage, one.model_id)), now),
        )
        for one in unanswered
    ]


def _model_rows(settings: Settings, runs: Iterable[RunRecord]) -> dict[tuple[Stage, str], LLMModel]:
    """Rows of ``llm_models.csv`` as the runs froze them; without those of a copy that cannot be read."""
    rows: dict[tuple[Stage, str], LLMModel] = {}
    for run in {run.inputs_digest: run for run in runs}.values():
        try:
            inputs = frozen_inputs(settings.data_root, run)
        except (DaydreamingError, OSError):
            # Counts are of use without a time.
            continue
        rows |= {("generation", model.id): model for model in inputs.generation_models}
        rows |= {("evaluation", model.id): model for model in inputs.evaluation_models}
    return rows


def _load(settings: Settings, one: Unanswered, row: LLMModel | None, now: datetime) -> Load | None:
    unsent = one.calls - one.running
    if row is None or not unsent:
        return None
    limits, tokens = _limits(settings, row, now), 0
    if limits.tpm:
        known = mean_tokens(engine_for(settings), one.stage, [one.model_id])
        tokens = round(unsent * known.get(one.model_id, sum(ASSUMED_TOKENS.values())))
    return Load(one.stage, row, limits, unsent, tokens)


def _limits(settings: Settings, model: LLMModel, now: datetime) -> RateLimits:
    """What is set for a model; what that leaves open, as it was learned."""
    try:
        connection = limits_in_env(model.conn_id)
        limits = connection.of(model) if connection else row_limits(model)
    except DaydreamingError:
        limits = row_limits(model)
    with engine_for(settings).connect() as database:
        learned = load_rate(database, (model.conn_id, model.model))
    moment = now.timestamp()
    return limits if learned.is_forgotten(moment) else learned.effective(limits, moment)
