"""The tasks of ``daydream_experiment`` beside its calls: thin, each around one use case.

Not in the DAG file: that is read anew for each of thousands of calls, this module once per service.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Asset, TriggerRule, conf, task
from airflow.sdk.exceptions import AirflowSkipException

from daydreaming.operators.failures import end_run_clearly, fail_clearly
from daydreaming.operators.lineage import tell_lineage
from daydreaming.settings import Settings

log = logging.getLogger(__name__)
RESULTS = Asset("daydreaming_results")  # no URI: Airflow would look through all providers for its scheme


@task
@end_run_clearly
def load_inputs(params: dict[str, Any], run_id: str, dag_run: Any = None) -> str:
    """Validate parameters and input files, and freeze a copy of them for this run."""
    from daydreaming.operators.notifiers import notify_problems
    from daydreaming.pipeline.plan import start_run, take_back_refusal

    user = getattr(dag_run, "triggering_user_name", None)  # none for a schedule
    run = start_run(Settings.from_env(), params, run_id, datetime.now(UTC), created_by=user)
    take_back_refusal(Settings.from_env(), run_id)
    for problem in notify_problems():
        log.error(problem)
    log.info("Experiment %s; inputs frozen in %s", run.experiment_id, run.inputs_path)
    return run.experiment_id


@task
@end_run_clearly
def plan_generations(run_id: str) -> list[int]:
    """Plan one generation per combination, template, model and replicate."""
    from daydreaming.pipeline.plan import plan_generations as plan

    limit = conf.getint("core", "max_map_length")
    return plan(Settings.from_env(), run_id, now=datetime.now(UTC), max_instances=limit)


@task
@end_run_clearly
def plan_evaluations(run_id: str) -> list[int]:
    """Plan one evaluation per generation, template, judge and replicate."""
    from daydreaming.pipeline.plan import plan_evaluations as plan

    return plan(Settings.from_env(), run_id, max_instances=conf.getint("core", "max_map_length"))


@task
@fail_clearly
def list_shards(run_id: str) -> list[dict[str, Any]]:
    """The further runs that a plan larger than `shard_size` is split into."""
    from daydreaming.pipeline.plan import shards_to_start

    return shards_to_start(Settings.from_env(), run_id, now=datetime.now(UTC))


@task
@fail_clearly
def list_batches(run_id: str) -> list[str]:
    """The models that are called in batches: those of the pool `llm_batch`."""
    from daydreaming.pipeline.batches import models_to_batch

    return models_to_batch(Settings.from_env(), run_id)


@task(trigger_rule=TriggerRule.ALL_DONE)
@fail_clearly
def parse_scores(run_id: str) -> None:
    """Read every verdict's score and write `parsed_scores.csv`."""
    from daydreaming.pipeline.run_tables import is_planned, update_scores, writes_tables

    if not is_planned(Settings.from_env(), run_id):
        raise AirflowSkipException("Nothing was planned: see the log of the task that failed.")
    if not writes_tables(Settings.from_env(), run_id):
        raise AirflowSkipException("The run that planned this shard writes the tables, when all have landed.")
    log.info("%d of %d evaluations are scored", *update_scores(Settings.from_env(), run_id))
    tell_lineage("parse_scores", run_id)


@task
@fail_clearly
def summarize(run_id: str) -> None:
    """Write the summaries of the experiment."""
    from daydreaming.pipeline.run_tables import update_summaries

    log.info(update_summaries(Settings.from_env(), run_id))
    tell_lineage("summarize", run_id)


@task(outlets=[RESULTS])
@fail_clearly
def append_cross_experiment(run_id: str, outlet_events: Any) -> None:
    """Write the tables that span all experiments."""
    from daydreaming.pipeline.cross_tables import experiment_of, write_cross_experiment

    log.info(
        "%d generations and %d evaluations over all experiments", *write_cross_experiment(Settings.from_env())
    )
    outlet_events[RESULTS].add_partitions(experiment_of(Settings.from_env(), run_id))
    tell_lineage("append_cross_experiment", run_id)


@task
@fail_clearly
def report(run_id: str) -> None:
    """Write `errors.csv`, one row per call that was sent and failed, and `report.html`."""
    from daydreaming.pipeline.report import update_report
    from daydreaming.pipeline.run_tables import update_errors

    log.info("%d failed calls", update_errors(Settings.from_env(), run_id))
    log.info("Report: %s", update_report(Settings.from_env(), run_id))
    tell_lineage("report", run_id)


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[RESULTS])
@fail_clearly
def check_completeness(run_id: str, outlet_events: Any) -> None:
    """Bring the tables up to date, then fail the run where too many calls have no answer."""
    from daydreaming.pipeline.cross_tables import experiment_of
    from daydreaming.pipeline.run_tables import complete_run, writes_tables

    log.info(complete_run(Settings.from_env(), run_id))
    if writes_tables(Settings.from_env(), run_id):  # an event without a partition key starts nothing
        outlet_events[RESULTS].add_partitions(experiment_of(Settings.from_env(), run_id))
        tell_lineage("check_completeness", run_id)
