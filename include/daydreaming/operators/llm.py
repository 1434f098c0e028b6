"""The operator behind ``generate`` and ``evaluate``: look in the store, then defer to the trigger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from daydreaming.errors import DaydreamingError, EssayParseError
from daydreaming.pipeline.call import (
    build_request,
    open_call,
    record_failure,
    settle_stored,
    write_prompt,
)
from daydreaming.settings import Settings
from daydreaming.triggers.llm import LLMCallTrigger

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

    def execute(self, context: Context) -> None:
        """Succeed where the answer is stored; else write the prompt and defer."""
        run_id, map_index = str(context["run_id"]), int(context["ti"].map_index or 0)
        try:
            if self._is_settled(run_id, map_index):
                return
        except EssayParseError as error:
            raise AirflowSkipException(str(error)) from None
        except DaydreamingError as error:
            raise AirflowFailException(str(error)) from None
        self.defer(
            trigger=LLMCallTrigger(run_id, self.stage, map_index), method_name=self.execute_complete.__name__
        )

    def _is_settled(self, run_id: str, map_index: int) -> bool:
        call = open_call(Settings.from_env(), run_id, self.stage, map_index)
        self.log.info("%s: %s", self.stage, call.cell.cell_id)
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
        write_prompt(call, request)
        return False

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:  # noqa: ARG002 - Airflow's signature
        """Fail as the trigger says: at once where trying again cannot help, else with a retry."""
        if event.get("status") != "failed":
            raise AirflowException(f"The trigger sent an event that is not known: {event!r}.")
        message = f"{event['error_class']}: {event['message']}"
        if event["transient"]:
            raise AirflowException(message)
        raise AirflowFailException(message)
