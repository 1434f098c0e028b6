"""The task that says what a run will cost, and asks a person where that is much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.exceptions import HITLRejectException
from airflow.providers.standard.operators.hitl import ApprovalOperator

from daydreaming.errors import DaydreamingError
from daydreaming.operators.failures import fail_for_good, note_early_end, patiently
from daydreaming.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context


class EstimateCostOperator(ApprovalOperator):
    """Print the estimate; end a dry run here; over ``approve_above_usd`` wait until a person approves.

    Returns the planned evaluations: `evaluate` is mapped over them, and so cannot run where the
    estimate was refused, although it runs after failed generations.

    Args:
        planned_evaluations: Map indices, from the plan.
    """

    template_fields = ("subject", "body", "planned_evaluations")

    def __init__(self, *, planned_evaluations: Any, **kwargs: Any) -> None:
        super().__init__(subject="Estimate", fail_on_reject=True, **kwargs)
        self.planned_evaluations = planned_evaluations

    def execute(self, context: Context) -> Any:
        """Estimate; ask where the run says so."""
        from daydreaming.operators.connections import limits_in_airflow, require_connections
        from daydreaming.pipeline.estimate import estimate_run
        from daydreaming.pipeline.plan import is_shard, take_back_refusal

        settings, run_id = Settings.from_env(), str(context["run_id"])
        try:
            if is_shard(settings, run_id):
                self.log.info("The run that planned this shard has estimated it")
                return self.planned_evaluations
            patiently(take_back_refusal)(settings, run_id)
            estimate = patiently(estimate_run)(settings, run_id, limits_in_airflow)
            for line in estimate.lines():
                self.log.info(line)
            if not estimate.dry_run:
                require_connections(estimate.conn_ids)
        except DaydreamingError as error:
            note_early_end(run_id, str(error))
            fail_for_good(str(error))
        if estimate.dry_run:
            self.log.info("Dry run: nothing is sent")
            self.skip(ti=context["ti"], tasks=context["task"].get_flat_relatives(upstream=False))
            return []
        if not estimate.needs_approval:
            return self.planned_evaluations
        self.subject = f"May this run spend up to {estimate.worst_case_text()}?"
        self.body = estimate.markdown()
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on where it was approved; else fail, and with it the run."""
        from daydreaming.pipeline.plan import note_refusal

        settings, run_id = Settings.from_env(), str(context["run_id"])
        try:
            super().execute_complete(context, event)
        except HITLRejectException:
            by = (event.get("responded_by_user") or {}).get("name") or "somebody"
            reason = f"The estimate was refused by {by}: nothing was sent. Clear estimate_cost to ask again."
            note_refusal(settings, run_id, reason)
            fail_for_good(reason)
        note_refusal(settings, run_id, None)
        return self.planned_evaluations
