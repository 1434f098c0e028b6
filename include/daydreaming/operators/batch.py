"""The operator behind ``batch_generate`` and ``batch_evaluate``: one batch of one model.

Sending, waiting, going on with a batch that is out and fetching its results are the work of
``LLMBatchOperator`` (an extra: ``requirements-batch.lock``). This adds what it is to send, from the
store, and what becomes of it; see docs/adr/0014-batches-run-beside-their-instances.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

from airflow.providers.common.ai.batch import BatchRequest, state
from airflow.providers.common.ai.exceptions import (
    LLMBatchCancelledError,
    LLMBatchInputError,
    LLMBatchJobError,
)
from airflow.providers.common.ai.operators.llm_batch import LLMBatchOperator
from airflow.sdk import BaseHook, Connection, ObjectStoragePath
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowNotFoundException,
    AirflowRescheduleException,
)

from daydreaming.errors import BudgetError, DaydreamingError
from daydreaming.objects.path import ObjectPath
from daydreaming.operators.failures import fail_for_good
from daydreaming.settings import Settings
from daydreaming.triggers import metrics
from daydreaming.triggers.call_metrics import call_tags
from daydreaming.triggers.log_fields import bind_log

if TYPE_CHECKING:
    from airflow.sdk import Context

    from daydreaming.inputs.records import Stage
    from daydreaming.store.batches import Batch

#: Providers take minutes at best.
POLL_S = 60
#: Where the money is reserved by calls in flight.
BUSY_RETRY_S = 60.0
#: Statuses below 500 that say nothing of the request.
_TRANSIENT = (408, 409, 425, 429)
_ANTHROPIC = "anthropic:"


class BatchOperator(LLMBatchOperator):
    """Send what a model has not answered yet as one batch, and lay out each member's result.

    Nothing is a template: a prompt that holds Jinja's marks is sent as it is.

    Args:
        stage: ``generation`` or ``evaluation``.
        batch_model: The model's ID in ``llm_models.csv``.
    """

    template_fields: Sequence[str] = ()

    def __init__(self, *, stage: Stage, batch_model: str = "", **kwargs: Any) -> None:
        from daydreaming.pipeline.batches import BATCH_TIMEOUT_S

        super().__init__(
            requests=[],
            result_path="",
            llm_conn_id="",
            poll_interval=POLL_S,
            timeout=BATCH_TIMEOUT_S,
            deferrable=True,
            # Clearing the task while it waits counts as killing it: then it is to find its batch again.
            cancel_on_kill=False,
            on_stale_state="fail",
            **kwargs,
        )
        self.stage = stage
        self.batch_model = batch_model

    def execute(self, context: Context) -> dict[str, Any]:
        """Send the batch, or go on with the one that is out; nothing where nothing is missing."""
        from daydreaming.pipeline.batches import BatchBusy, open_batch

        settings, run_id = Settings.from_env(), str(context["run_id"])
        try:
            self._bind_log(settings, run_id)
            conn_id = _batch_connection(settings, run_id, self.batch_model)
            order = open_batch(settings, run_id, self.stage, self.batch_model, conn_id)
        except BatchBusy as busy:
            self.log.info("Waits for money: %s", busy)
            at = datetime.now(UTC) + timedelta(seconds=BUSY_RETRY_S)
            raise AirflowRescheduleException(at) from None  # type: ignore[no-untyped-call]
        except DaydreamingError as error:
            if isinstance(error, BudgetError):
                metrics.count(metrics.REFUSALS, call_tags(self.stage, self.batch_model, conn_id))
            fail_for_good(str(error))
        if order is None:
            self.log.info("%s by %s: nothing is missing", self.stage, self.batch_model)
            return {}
        self.log.info("%s by %s: %d calls in one batch", self.stage, self.batch_model, len(order.requests))
        self._adopt(order.batch)
        self.requests = [cast("BatchRequest", dict(request)) for request in order.requests]
        if order.batch.provider_model.startswith(_ANTHROPIC):
            # It cannot say whether it has a batch whose number was lost: nothing is paid for twice.
            self.on_orphaned_intent = "fail"
        return self._end(context, order.batch, lambda: super(BatchOperator, self).execute(context))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Fetch the results of a batch that is over."""
        from daydreaming.pipeline.batches import current_batch

        settings, run_id = Settings.from_env(), str(context["run_id"])
        self._bind_log(settings, run_id)
        batch = current_batch(settings, run_id, self.stage, self.batch_model)
        if batch is None:
            fail_for_good("The record of the batch is gone. Clear this task to make a new one.")
        self._adopt(batch)
        return self._end(context, batch, lambda: super(BatchOperator, self).execute_complete(context, event))

    def _bind_log(self, settings: Settings, run_id: str) -> None:
        from daydreaming.store.database import engine_for
        from daydreaming.store.plans import read_run

        bind_log(read_run(engine_for(settings), run_id).experiment_id, self.stage, self.batch_model)

    def _count(self, batch: Batch, outcome: str) -> None:
        tags = call_tags(batch.stage, self.batch_model, batch.conn_id)
        metrics.count(metrics.BATCHES, {**tags, "outcome": outcome})

    def _adopt(self, batch: Batch) -> None:
        is_far = isinstance(batch.folder, ObjectPath)
        self.result_path = str(batch.folder) if is_far else f"file://{batch.folder}"
        self.llm_conn_id = batch.conn_id
        self.model_id = batch.provider_model

    def _end(self, context: Context, batch: Batch, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run a step of the provider's operator; a batch that it ended is closed."""
        failures = _failures(str(self.model_id))
        try:
            manifest = run()
        except LLMBatchCancelledError as error:
            self._deliver(context, batch, {"batch_id": self.batch_id, "completed_at": _now()})
            self._count(batch, "cancelled")
            # A person cancelled it at the provider: it is not sent again before a person says so.
            fail_for_good(self._told(error))
        except failures as error:
            self._fail(context, batch, error)
        self._deliver(context, batch, manifest)
        self._count(batch, "delivered")
        return manifest

    def _deliver(self, context: Context, batch: Batch, manifest: dict[str, Any]) -> None:
        from daydreaming.pipeline.batches import close_delivered, results_without

        _, name = self._identity(context)
        completed_at = manifest["completed_at"]
        origin = {
            "batch_id": manifest["batch_id"],
            "submitted_at": manifest.get("submitted_at") or completed_at,
            "completed_at": completed_at,
        }
        lines = results_without(batch.folder / f"{name}.jsonl", self._secrets())
        close_delivered(batch, lines, origin)

    def _fail(self, context: Context, batch: Batch, error: Exception) -> NoReturn:
        """Fail: for good where nothing is out and the provider says that it takes nothing."""
        from daydreaming.pipeline.batches import close_unsent

        record = self._recorded(context)
        message = f"The batch failed ({type(error).__name__}): {self._told(error)}"
        if record is not None and record.batch_id is not None:
            raise AirflowException(f"{message} It is out: this task finds it again.") from None
        # No record: it was not sent, or the provider refused all of it before it began.
        if record is None or _is_refusal(error):
            close_unsent(Settings.from_env(), batch, "failed")
            self._count(batch, "failed")
            fail_for_good(f"{message} Nothing was billed.")
        raise AirflowException(message) from None

    def _recorded(self, context: Context) -> state.BatchStateRecord | None:
        key, _ = self._identity(context)
        return state.read_state(ObjectStoragePath(self.result_path), key)

    def _told(self, error: Exception) -> str:
        from daydreaming.pipeline.batches import message_without

        return message_without(str(error), self._secrets())

    def _secrets(self) -> list[str]:
        """What the provider was sent to prove who asks; nothing where the connection is gone meanwhile."""
        try:
            return [BaseHook.get_connection(self.llm_conn_id).password or ""]
        except AirflowNotFoundException:
            return []

    def _connection(self) -> Connection:
        connection = BaseHook.get_connection(self.llm_conn_id)
        if connection.conn_type == "openai":
            # The connection that the model is called through in the ordinary way holds all that is needed.
            connection.conn_type = "pydanticai"
        return connection


def _batch_connection(settings: Settings, run_id: str, model_id: str) -> str:
    """``<conn_id>_batch`` where that is defined, else the model's own."""
    from daydreaming.pipeline.batches import connection_of

    conn_id = connection_of(settings, run_id, model_id)
    try:
        BaseHook.get_connection(f"{conn_id}_batch")
    except AirflowNotFoundException:
        return conn_id
    return f"{conn_id}_batch"


def _is_refusal(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return status is not None and 400 <= status < 500 and status not in _TRANSIENT


def _failures(model_id: str) -> tuple[type[Exception], ...]:
    """What a step of the provider's operator may raise because of the batch, not of a mistake of ours."""
    found: tuple[type[Exception], ...] = (LLMBatchJobError, LLMBatchInputError, AirflowNotFoundException)
    if model_id.startswith(_ANTHROPIC):
        from anthropic import AnthropicError

        return (*found, AnthropicError)
    from openai import OpenAIError

    return (*found, OpenAIError)


def _now() -> str:
    return datetime.now(UTC).isoformat()
