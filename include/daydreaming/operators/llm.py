"""The operator behind ``generate`` and ``evaluate``: look in the store, then defer to the trigger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowRescheduleException,
    AirflowSkipException,
)
from airflow.triggers.base import StartTriggerArgs

from daydreaming.errors import DaydreamingError, EssayParseError, is_store_down
from daydreaming.operators.failures import fail_for_good
from daydreaming.pipeline.call import (
    CellCall,
    build_request,
    find_cell,
    is_open,
    open_call,
    record_failure,
    settle_stored,
)
from daydreaming.settings import Settings
from daydreaming.triggers.llm import TRIGGER_PATH, LLMCallTrigger
from daydreaming.triggers.log_fields import bind_log

if TYPE_CHECKING:
    from airflow.sdk import Context

    from daydreaming.inputs.records import Stage


class LLMCallOperator(BaseOperator):
    """Make the planned call of this mapped instance, unless its answer is stored.

    What to call is in the run's plan (results database), by stage and map index; ``index`` is only
    what is mapped over.

    Args:
        stage: ``generation`` or ``evaluation``.
        index: The instance's own map index.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#e4ecf7"

    def __init__(self, *, stage: Stage, index: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage
        self.index = index
        self._cell_id = ""

    def execute(self, context: Context) -> None:
        """Succeed where the answer is stored; else defer: the trigger writes the prompt and calls."""
        run_id, map_index = str(context["run_id"]), int(context["ti"].map_index or 0)
        try:
            if not self._is_open(context) and self._is_settled(self._find_call(run_id, context["ti"])):
                return
        except EssayParseError as error:
            raise AirflowSkipException(str(error)) from None
        except DaydreamingError as error:
            if is_store_down(error):
                raise AirflowException(str(error)) from None
            fail_for_good(str(error))
        self.defer(
            trigger=LLMCallTrigger(run_id, self.stage, map_index), method_name=self.execute_complete.__name__
        )

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> None:
        """Come back from the trigger, with a failure or for later: under the label that it had."""
        try:
            self._is_open(context)
        except DaydreamingError as error:
            # What the trigger sends is why the task fails; this only costs the label.
            self.log.warning("No label: %s", error)
        super().resume_execution(next_method, next_kwargs, context)

    def cell_label(self, run_id: str, ti: Any) -> str:
        """The cell's ID, for ``map_index_template``.

        Airflow writes the worker's label at the end of a task, over the one that the cluster policy
        has set, so it must be the same. At the beginning it is only sent after a retry, at which
        Airflow 3.3.2 drops it: a request for each instance would be too many.
        """
        if not self._cell_id and ti.try_number > 1:
            try:
                self._cell_id = self._find_call(run_id, ti).cell.cell_id
            except DaydreamingError as error:
                self.log.warning("No label: %s", error)
        return self._cell_id

    def _find_call(self, run_id: str, ti: Any) -> CellCall:
        return open_call(Settings.from_env(), run_id, self.stage, int(ti.map_index or 0))

    def _is_open(self, context: Context) -> bool:
        """Whether nothing but the call is left to do; keeps the cell's ID as the label.

        That of most instances can be told from the plan and the files' names: rendering the prompt
        here too would be a tenth of what the worker costs.
        """
        ti: Any = context["ti"]
        settings = Settings.from_env()
        run_id, index = str(context["run_id"]), int(ti.map_index or 0)
        experiment_id, cell = find_cell(settings, run_id, self.stage, index)
        bind_log(experiment_id, cell.stage, cell.model_id, cell.cell_id)
        # What the instance has already is not sent.
        self._cell_id = ti.rendered_map_index = cell.cell_id
        self.log.info("%s: %s", self.stage, cell.cell_id)
        return is_open(settings, cell)

    def _is_settled(self, call: CellCall) -> bool:
        try:
            request = build_request(call)
            if settle_stored(call, request):
                self.log.info("Answered already: %s", call.files.response(self.stage, call.cell.cell_id))
                return True
        except EssayParseError:
            raise
        except DaydreamingError as error:
            record_failure(call, error, attempt=0, final=True, now=datetime.now(UTC))
            raise
        return False

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:  # noqa: ARG002 - Airflow's signature
        """Fail as the trigger says: at once where trying again cannot help, else with a retry.

        A call whose turn comes much later is rescheduled: until then it holds no slot anywhere.
        """
        if event.get("status") == "reschedule":
            raise AirflowRescheduleException(datetime.fromisoformat(event["at"]))  # type: ignore[no-untyped-call]
        if event.get("status") != "failed":
            raise AirflowException(f"The trigger sent an event that is not known: {event!r}.")
        message = f"{event['error_class']}: {event['message']}"
        if event["transient"]:
            raise AirflowException(message)
        fail_for_good(message)


class TriggererLLMCallOperator(LLMCallOperator):
    """The same call, started in the triggerer: no worker and no pool slot is taken unless it fails.

    The trigger has no arguments, which Airflow would have to render there: it knows its instance.
    """

    start_from_trigger = True
    start_trigger_args = StartTriggerArgs(
        trigger_cls=TRIGGER_PATH,
        trigger_kwargs=None,
        next_method="execute_complete",
        next_kwargs=None,
        timeout=None,
    )


def call_operator(dispatch: str) -> type[LLMCallOperator]:
    """The operator class of a way of dispatch (``DAYDREAMING_DISPATCH``)."""
    return TriggererLLMCallOperator if dispatch == "triggerer" else LLMCallOperator


def call_options(settings: Settings) -> dict[str, Any]:
    """What both stages' mapped tasks have in common."""
    return {
        "retries": settings.task_retries,
        "retry_delay": settings.retry_delay,
        "map_index_template": "{{ task.cell_label(run_id, ti) }}",
    }
