"""Run one factorial experiment: plan, generate, evaluate, score, summarise.

Concepts are combined `k_max` at a time; each combination is rendered through the generation
templates and sent to the generation models (`generate`, one instance per call); each essay is
rendered through the evaluation templates and sent to the judges (`evaluate`). An answer is stored
once and never asked for again.

**Something failed?** Open the red instance and read its log. Then clear the run with *only failed*:
only what has no answer is called again, and the tables follow.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, TriggerRule, conf, dag, get_parsing_context, task
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowSkipException

from daydreaming.operators.estimate import EstimateCostOperator
from daydreaming.operators.failures import fail_clearly
from daydreaming.operators.form import experiment_params
from daydreaming.operators.llm import call_operator
from daydreaming.settings import Settings, has_batch_provider

if has_batch_provider():
    from daydreaming.operators.batch import BatchOperator

DAG_ID = "daydream_experiment"
CALLS = ("generate", "evaluate")

log = logging.getLogger(__name__)
settings = Settings.from_env()
RESULTS = Asset("daydreaming_results")  # no URI: Airflow would look through all providers for its scheme


@task
@fail_clearly
def load_inputs(params: dict[str, Any], run_id: str) -> str:
    """Validate parameters and input files, and freeze a copy of them for this run."""
    from daydreaming.operators.connections import require_connections
    from daydreaming.pipeline.plan import start_run

    run = start_run(settings, params, run_id, datetime.now(UTC))
    require_connections(settings, run)
    log.info("Experiment %s; inputs frozen in %s", run.experiment_id, run.inputs_path)
    return run.experiment_id


@task
@fail_clearly
def plan_generations(run_id: str) -> list[int]:
    """Plan one generation per combination, template, model and replicate."""
    from daydreaming.pipeline.plan import plan_generations as plan

    limit = conf.getint("core", "max_map_length")
    return plan(settings, run_id, now=datetime.now(UTC), max_instances=limit)


@task
@fail_clearly
def plan_evaluations(run_id: str) -> list[int]:
    """Plan one evaluation per generation, template, judge and replicate."""
    from daydreaming.pipeline.plan import plan_evaluations as plan

    return plan(settings, run_id, max_instances=conf.getint("core", "max_map_length"))


@task
@fail_clearly
def list_shards(run_id: str) -> list[dict[str, Any]]:
    """The further runs that a plan larger than `shard_size` is split into."""
    from daydreaming.pipeline.plan import shards_to_start

    return shards_to_start(settings, run_id)


@task
@fail_clearly
def list_batches(run_id: str) -> list[str]:
    """The models that are called in batches: those of the pool `llm_batch`."""
    from daydreaming.pipeline.batches import models_to_batch

    return models_to_batch(settings, run_id)


@task(trigger_rule=TriggerRule.ALL_DONE)
@fail_clearly
def parse_scores(run_id: str) -> None:
    """Read every verdict's score and write `parsed_scores.csv`."""
    from daydreaming.pipeline.run_tables import is_planned, update_scores, writes_tables

    if not is_planned(settings, run_id):
        raise AirflowSkipException("Nothing was planned: see the log of the task that failed.")
    if not writes_tables(settings, run_id):
        raise AirflowSkipException("The run that planned this shard writes the tables, when all have landed.")
    log.info("%d of %d evaluations are scored", *update_scores(settings, run_id))


@task
@fail_clearly
def summarize(run_id: str) -> None:
    """Write the summaries of the experiment."""
    from daydreaming.pipeline.run_tables import update_summaries

    log.info(update_summaries(settings, run_id))


@task(outlets=[RESULTS])
@fail_clearly
def append_cross_experiment() -> None:
    """Write the tables that span all experiments."""
    from daydreaming.pipeline.tables import write_cross_experiment

    log.info("%d generations and %d evaluations over all experiments", *write_cross_experiment(settings))


@task
@fail_clearly
def report(run_id: str) -> None:
    """Write `errors.csv`: one row per failed call."""
    from daydreaming.pipeline.run_tables import update_errors

    log.info("%d failed calls", update_errors(settings, run_id))


@task(trigger_rule=TriggerRule.ALL_DONE, outlets=[RESULTS])
@fail_clearly
def check_completeness(run_id: str) -> None:
    """Bring the tables up to date, then fail the run where too many calls have no answer."""
    from daydreaming.pipeline.run_tables import complete_run

    log.info(complete_run(settings, run_id))


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["daydreaming"],
    max_active_tasks=1024,  # the pools gate, not the DAG
    is_paused_upon_creation=False,
)
def daydream_experiment() -> None:
    experiment = load_inputs()
    generations, evaluations = plan_generations(), plan_evaluations()
    estimate_cost = EstimateCostOperator(task_id="estimate_cost", planned_evaluations=evaluations)
    released = estimate_cost.output
    experiment >> [generations, evaluations] >> estimate_cost
    shards = list_shards()
    generations >> shards

    run_shards = TriggerDagRunOperator.partial(
        task_id="run_shards",
        trigger_dag_id=DAG_ID,
        logical_date=None,
        reset_dag_run=True,  # where it is cleared: what is answered is not called again
        wait_for_completion=True,
        deferrable=True,
        poke_interval=2,
        pool="experiment_shards",
        map_index_template="{{ task.trigger_run_id }}",
    ).expand_kwargs(shards)
    estimate_cost >> run_shards

    operator = call_operator(settings.dispatch)
    call: dict[str, Any] = {
        "retries": settings.task_retries,
        "retry_delay": settings.retry_delay,
        "map_index_template": "{{ task.cell_label(run_id, ti) }}",
    }
    generate = operator.partial(task_id="generate", stage="generation", **call).expand(index=generations)
    evaluate = operator.partial(
        task_id="evaluate", stage="evaluation", trigger_rule=TriggerRule.ALL_DONE, **call
    ).expand(index=released)
    complete = check_completeness()
    estimate_cost >> generate >> evaluate
    if has_batch_provider():
        # Beside the stages, not before them: only a batch's own calls wait for it, inside their triggers.
        models = list_batches()
        again = {"retries": settings.task_retries, "retry_delay": settings.retry_delay}
        batched = BatchOperator.partial(
            stage="generation",
            task_id="batch_generate",
            map_index_template="{{ task.batch_model }}",
            **again,
        ).expand(batch_model=models)
        judged = BatchOperator.partial(
            stage="evaluation",
            task_id="batch_evaluate",
            map_index_template="{{ task.batch_model }}",
            trigger_rule=TriggerRule.ALL_DONE,
            **again,
        ).expand(batch_model=models)
        estimate_cost >> models
        generate >> judged
        [batched, judged] >> complete
    tables = parse_scores()
    [evaluate, run_shards] >> tables
    tables >> summarize() >> append_cross_experiment() >> report() >> complete
    [generate, evaluate, run_shards] >> complete


experiment_dag = daydream_experiment()
# A call's own process parses this file too, and has no use for the form: it takes longest to build.
if get_parsing_context().task_id not in CALLS:
    # Given to the DAG when its tasks are made: each task would get a copy of the whole form, and each
    # parse would serialise all of them.
    experiment_dag.params = ParamsDict(experiment_params(settings.inputs_root))
