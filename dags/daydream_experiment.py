"""Run one factorial experiment: plan, generate, evaluate, score, summarise.

Concepts are combined `k_max` at a time; each combination is rendered through the generation
templates and sent to the generation models (`generate`, one instance per call); each essay is
rendered through the evaluation templates and sent to the judges (`evaluate`). An answer is stored
once and never asked for again.

**Something failed?** Open the red instance and read its log. Then clear the run with *only failed*:
only what has no answer is called again, and the tables follow.
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import TriggerRule, dag, get_parsing_context
from airflow.sdk.definitions.param import ParamsDict

from daydreaming.operators.call_dag import call_dag, call_options, is_call
from daydreaming.operators.callbacks import run_callbacks
from daydreaming.operators.estimate import EstimateCostOperator
from daydreaming.operators.experiment_tasks import (
    append_cross_experiment,
    check_completeness,
    list_batches,
    list_shards,
    load_inputs,
    parse_scores,
    plan_evaluations,
    plan_generations,
    report,
    summarize,
)
from daydreaming.operators.form import experiment_params
from daydreaming.operators.llm import call_operator
from daydreaming.operators.mapping import own_indices
from daydreaming.settings import DAG_ID, Settings, has_batch_provider

settings = Settings.from_env()


@dag(
    schedule=None,
    doc_md=__doc__,
    tags=["daydreaming"],
    max_active_tasks=1024,  # the pools gate, not the DAG
    is_paused_upon_creation=False,
    **run_callbacks(),
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

    operator, options = call_operator(settings.dispatch), call_options(settings)
    generate = operator.partial(task_id="generate", stage="generation", **options).expand(
        index=own_indices(generations)
    )
    evaluate = operator.partial(
        task_id="evaluate", stage="evaluation", trigger_rule=TriggerRule.ALL_DONE, **options
    ).expand(index=own_indices(released))
    complete = check_completeness()
    estimate_cost >> generate >> evaluate
    if has_batch_provider():
        # Beside the stages, not before them: only a batch's own calls wait for it, inside their triggers.
        from daydreaming.operators.batch import BatchOperator

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


this_task = get_parsing_context().task_id
if is_call(this_task):
    # In a call's own process, which has no use for the other tasks nor for the form.
    experiment_dag = call_dag(settings, this_task)
else:
    experiment_dag = daydream_experiment()
    # Given to the DAG when its tasks are made: each task would get a copy of the whole form, and each
    # parse would serialise all of them.
    experiment_dag.params = ParamsDict(experiment_params(settings.inputs_root))
