"""What is counted and timed of one call while it is made."""

from __future__ import annotations

from daydreaming.errors import LLMTransientError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.call import CellCall
from daydreaming.store.admission import CallEnd
from daydreaming.store.ledger import Settlement
from daydreaming.triggers import metrics


def call_tags(stage: Stage, model_id: str, conn_id: str) -> dict[str, str]:
    """The tags of what is told of a call, or of a batch of them."""
    return {"stage": stage, "model": model_id, "connection": conn_id}


class CallMetrics:
    """Counts and times one call.

    Args:
        call: The planned call.
    """

    def __init__(self, call: CellCall) -> None:
        self._tags = call_tags(call.stage, call.model.id, call.model.conn_id)

    def refused(self) -> None:
        """The ledger has refused it."""
        metrics.count(metrics.REFUSALS, self._tags)

    def waited(self, seconds: float) -> None:
        """It has waited for its start time."""
        metrics.timing(metrics.LIMITER_WAIT, self._tags, seconds)

    def rescheduled(self) -> None:
        """It is sent away until its turn comes."""
        metrics.count(metrics.RESCHEDULED, self._tags)

    def sent(self) -> None:
        """A request of it goes out."""
        metrics.count(metrics.REQUESTS, self._tags)

    def answered(self, seconds: float) -> None:
        """A request of it was answered after so long."""
        metrics.timing(metrics.LATENCY, self._tags, seconds)

    def retried(self) -> None:
        """A request of it failed and is tried again."""
        metrics.count(metrics.RETRIES, self._tags)

    def ended(self, end: CallEnd) -> None:
        """What it left behind is written; what was not sent counts as nothing."""
        settlement = end.settlement
        if settlement is None or settlement.state == "unsent":
            return
        metrics.count(metrics.OUTCOMES, {**self._tags, "outcome": _outcome(end, settlement)})
        for direction, tokens in (
            ("input", settlement.prompt_tokens),
            ("output", settlement.completion_tokens),
        ):
            if tokens:
                metrics.count(metrics.TOKENS, {**self._tags, "direction": direction}, tokens)
        if settlement.cost_nanousd:
            metrics.count(metrics.COST, self._tags, settlement.cost_nanousd)
        if end.response:
            _, row = end.response
            is_read = row.get("essay_error") is None and row.get("score_error") is None
            metrics.count(metrics.ANSWERS, {**self._tags, "reading": "read" if is_read else "unread"})


def _outcome(end: CallEnd, settlement: Settlement) -> str:
    if settlement.state != "failed":
        return settlement.state
    if end.pause and end.pause.refused:
        return "rate_limited"
    return "transient" if settlement.error_class == LLMTransientError.__name__ else "permanent"
