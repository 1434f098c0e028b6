"""Start a run: read and freeze its inputs, plan its calls, write the plan where all can see it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from daydreaming.design.cells import Evaluation, Generation, PlanSize, plan_size
from daydreaming.design.cells import plan_evaluations as cross_evaluations
from daydreaming.design.cells import plan_generations as cross_generations
from daydreaming.design.combinations import Combination, combine
from daydreaming.design.shards import ShardPlan, plan_shards, shard_run_id, split, turn
from daydreaming.errors import InputError, StoreError
from daydreaming.inputs.records import BATCH_POOL, Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.rejudge import earlier_params, essays_of_run, rejudges
from daydreaming.pipeline.run_records import record_plan, record_refusal, record_run, record_shards
from daydreaming.settings import Settings, has_batch_provider
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import (
    PlannedCell,
    RunRecord,
    cells_of_experiment,
    cells_of_run,
    combinations_of_experiment,
    insert_combinations,
    read_refusal,
    read_run,
    runs_of_plan,
)
from daydreaming.store.turns import hold_turn

#: Calls of one plan, which is made in memory: beyond it is a slip of the pen, not an experiment.
MAX_CALLS = 1_000_000
_NOT_ALLOWED_IN_ID = re.compile(r"[^A-Za-z0-9._-]+")
_EXPERIMENT_ID_LENGTH = 100
_DIGEST_CHARS = 12
#: Longer than a shard takes to be planned and to have all its calls queued.
SHARDS_APART = timedelta(seconds=2.5)
#: Of runs that were recorded before there were shards.
DEFAULT_SHARD_SIZE = 100


def read_inputs(settings: Settings, overrides: Mapping[str, Any]) -> Inputs:
    """Validate parameters and inputs; writes nothing.

    Args:
        settings: The deployment's settings.
        overrides: Parameters that were given; they win over the experiment file's.

    Raises:
        InputError: Names every problem.
    """
    from daydreaming.inputs.load import load_inputs
    from daydreaming.inputs.params import resolve_params

    folder = settings.inputs_root / "experiments"
    params = resolve_params(overrides, folder)
    if params.rejudge:
        params = resolve_params(overrides, folder, earlier_params(settings, overrides, params))
    inputs = load_inputs(settings.inputs_root, params, pools=settings.pools)
    _require_batch_provider(inputs)
    _require_fit(inputs)
    return inputs


def _require_fit(inputs: Inputs) -> None:
    if rejudges(inputs.params):
        return  # it judges essays that are there
    size = size_of_plan(inputs)
    calls = size.generations + size.evaluations
    if calls > MAX_CALLS:
        raise InputError(
            f"The plan has {calls:,} calls (combinations: {size.combinations:,}, generations: "
            f"{size.generations:,}, evaluations: {size.evaluations:,}); at most {MAX_CALLS:,} are planned at "
            "once. Choose fewer concepts, templates, models or replicates, or another k_max; or make several "
            "experiments."
        )


def _require_batch_provider(inputs: Inputs) -> None:
    batched = inputs.batched_models
    if batched and not has_batch_provider():
        raise InputError(
            f"01_raw/llm_models.csv: {', '.join(batched)} in pool {BATCH_POOL} would be called in batches, "
            "for which apache-airflow-providers-common-ai is needed, and it is not installed. Install it "
            "(pip install -r requirements-batch.lock) and restart Airflow, or choose another pool."
        )


def experiment_id_of(inputs: Inputs, run_id: str) -> str:
    """The ID given, else the experiment file's name, else one made of the run's."""
    given = inputs.params.get("experiment_id") or inputs.params.get("experiment")
    if given:
        return str(given)
    made = _NOT_ALLOWED_IN_ID.sub("-", run_id)[:_EXPERIMENT_ID_LENGTH]
    # Dots alone would be a folder that is there already.
    return made if made.strip(".") else f"run-{len(made)}-dots"


def start_run(
    settings: Settings,
    overrides: Mapping[str, Any],
    run_id: str,
    now: datetime,
    *,
    created_by: str | None = None,
) -> RunRecord:
    """Read the inputs, freeze a copy of them for this run, and record the run.

    A run that was recorded before keeps its frozen inputs, whatever the files say now.

    Args:
        settings: The deployment's settings.
        overrides: Parameters that were given; they win over the experiment file's.
        run_id: Airflow's name of the run.
        now: Its start.
        created_by: Airflow user who triggered it; None where none did.

    Raises:
        InputError: Names every problem of parameters and inputs.
    """
    from daydreaming.pipeline.cut_off import refuse_half_restored
    from daydreaming.store.input_copy import copy_inputs
    from daydreaming.store.migrate import upgrade_database

    refuse_half_restored(settings)
    upgrade_database(settings)
    with suppress(StoreError):
        return read_run(engine_for(settings), run_id)
    inputs = read_inputs(settings, overrides)
    experiment_id = experiment_id_of(inputs, run_id)
    files = DataRoot(settings.data_root)
    folder = files.tasks(experiment_id) / "inputs" / inputs.digest[:_DIGEST_CHARS]
    copy_inputs(inputs, folder)
    run = RunRecord(run_id, experiment_id, inputs.digest, files.relative(folder), inputs.params)
    # A dry run sends nothing, so it is not to loosen the cap of runs that do.
    if inputs.params["max_cost_usd"] is not None and not inputs.params["dry_run"]:
        set_cap(settings, experiment_id, inputs.params["max_cost_usd"])
    return record_run(settings, run, now, created_by=created_by)


def set_cap(settings: Settings, experiment_id: str, cap_usd: float | None) -> None:
    """Set or lift what an experiment may cost, in US dollars; calls that come now obey it."""
    from daydreaming.store.caps import write_cap
    from daydreaming.store.ledger import set_experiment_cap

    write_cap(settings.data_root, experiment_id, cap_usd)
    with writing_engine(settings).begin() as connection:
        set_experiment_cap(connection, experiment_id, cap_usd)


def design_generations(inputs: Inputs) -> tuple[list[Combination], list[Generation]]:
    """Combinations and planned generations of some inputs. PURE.

    Raises:
        DesignError: Two cells would share an ID.
    """
    params = inputs.params
    concept_ids = [concept.concept_id for concept in inputs.concepts]
    combinations = combine(concept_ids, params["k_max"], params["description_level"])
    templates = [template.template_id for template in inputs.generation_templates]
    generations = cross_generations(
        combinations, templates, inputs.generation_models, params["generation_replicates"]
    )
    return combinations, generations


def design_evaluations(inputs: Inputs, generations: Sequence[Generation]) -> list[Evaluation]:
    """Planned evaluations of some generations. PURE.

    Raises:
        DesignError: Two cells would share an ID.
    """
    templates = [template.template_id for template in inputs.evaluation_templates]
    return cross_evaluations(
        generations, templates, inputs.evaluation_models, inputs.params["evaluation_replicates"]
    )


def plan_generations(settings: Settings, run_id: str, *, now: datetime, max_instances: int) -> list[int]:
    """Plan a run's generations: database, ``02_tasks`` and ``combo_mappings.csv``.

    A plan larger than ``shard_size`` is split: this run keeps the first shard, and plans the others
    for runs that it will start. A shard that was planned so is only looked up.

    Args:
        settings: The deployment's settings.
        run_id: A run that ``start_run`` has recorded.
        now: Time of the mapping rows.
        max_instances: Most instances that Airflow maps in one run (``[core] max_map_length``).

    Returns:
        Map indices, to map over.

    Raises:
        DesignError: One generation has more evaluations than ``max_instances``, or an ID collision.
    """
    from daydreaming.store.combo_mappings import append_combo_mappings

    engine = engine_for(settings)
    run = read_run(engine, run_id)
    if run.is_shard_of_another:
        return _planned_indices(settings, run_id, "generation")
    inputs = frozen_inputs(settings.data_root, run)
    size = _size_of_run(settings, run, inputs)
    shards = _shards(run, size, max_instances)
    combinations, generations = _generations_of_run(settings, run, inputs)
    mappings = DataRoot(settings.data_root).combo_mappings()
    append_combo_mappings(mappings, combinations, now, settings.results_conn)
    insert_combinations(engine, combinations)
    pools = {model.id: model.pool for model in inputs.generation_models}
    record_shards(settings, shards, now)
    for shard, items in _parts(shards, generations, _generations_each(run, size, max_instances)):
        made = () if rejudges(run.params) else items
        cells = [_generation_cell(index, item, pools) for index, item in enumerate(made)]
        record_plan(settings, shard, "generation", cells)
    _write_generation_tables(settings, run, inputs)
    if len(shards) > 1:
        # Where the evaluations were planned before the shards were recorded, their table lacks them.
        _write_evaluation_table(settings, run)
    return _planned_indices(settings, run_id, "generation")


def plan_evaluations(settings: Settings, run_id: str, *, max_instances: int) -> list[int]:
    """Plan a run's evaluations, as above."""
    engine = engine_for(settings)
    run = read_run(engine, run_id)
    if run.is_shard_of_another:
        return _planned_indices(settings, run_id, "evaluation")
    inputs = frozen_inputs(settings.data_root, run)
    size = _size_of_run(settings, run, inputs)
    shards = _shards(run, size, max_instances)
    _, generations = _generations_of_run(settings, run, inputs)
    pools = {model.id: model.pool for model in inputs.evaluation_models}
    for shard, items in _parts(shards, generations, _generations_each(run, size, max_instances)):
        by_id = {generation.generation_task_id: generation for generation in items}
        cells = [
            _evaluation_cell(index, item, by_id[item.generation_task_id], pools)
            for index, item in enumerate(design_evaluations(inputs, items))
        ]
        record_plan(settings, shard, "evaluation", cells)
    _write_evaluation_table(settings, run)
    return _planned_indices(settings, run_id, "evaluation")


def shards_to_start(settings: Settings, run_id: str, *, now: datetime) -> list[dict[str, Any]]:
    """Run ID, ``conf`` and earliest start of each run that is to be started for the rest of this run's plan.

    The shards that may run at once start one after the other: under a limit, one is answered whole so
    that its judges can begin, instead of a part of each; and one is planned at full speed.
    """
    run = read_run(engine_for(settings), run_id)
    if run.is_shard_of_another:
        return []
    at_once = settings.pools.get("experiment_shards", 1)
    return [
        {
            "trigger_run_id": shard.run_id,
            "conf": {"experiment_id": shard.experiment_id},
            "run_after": (now + SHARDS_APART * turn(shard.shard, at_once)).isoformat(),
        }
        for shard in runs_of_plan(engine_for(settings), run_id)
        if shard.is_shard_of_another
    ]


def is_shard(settings: Settings, run_id: str) -> bool:
    """Whether another run has planned this one: what it costs was estimated, and approved, there."""
    return read_run(engine_for(settings), run_id).is_shard_of_another


def note_refusal(settings: Settings, run_id: str, reason: str | None) -> None:
    """Note why nothing of this run's plan is sent: a person refused it, or it failed; None takes it back.

    Of a run that is not recorded nothing is noted.
    """
    record_refusal(settings, run_id, reason)


def take_back_refusal(settings: Settings, run_id: str) -> None:
    """Let a run begin anew after it was refused, or had failed before its first call."""
    if read_refusal(engine_for(settings), run_id) is not None:
        record_refusal(settings, run_id, None)


def _planned_indices(settings: Settings, run_id: str, stage: Stage) -> list[int]:
    return [cell.map_index for cell in cells_of_run(engine_for(settings), run_id, stage)]


def _parts(
    shards: Sequence[RunRecord], generations: Sequence[Generation], size: int
) -> Iterator[tuple[RunRecord, Sequence[Generation]]]:
    return zip(shards, split(generations, size), strict=True)


def _generations_each(run: RunRecord, size: PlanSize, max_instances: int) -> int:
    """Generations per shard, from the size alone: both stages must split alike."""
    each = size.evaluations // size.generations if size.generations else 0
    wanted = run.params.get("shard_size") or DEFAULT_SHARD_SIZE
    return plan_shards(size.generations, each, shard_size=wanted, max_instances=max_instances).size


def _shards(run: RunRecord, size: PlanSize, max_instances: int) -> list[RunRecord]:
    """This run and those that it will start, as records."""
    count = ShardPlan(size.generations, _generations_each(run, size, max_instances)).count
    first = replace(run, shards=count)
    others = [
        replace(
            run,
            run_id=shard_run_id(run.run_id, number, count),
            parent_run_id=run.run_id,
            shard=number,
            shards=count,
        )
        for number in range(2, count + 1)
    ]
    return [first, *others]


def _generations_of_run(
    settings: Settings, run: RunRecord, inputs: Inputs
) -> tuple[Sequence[Combination], Sequence[Generation]]:
    """What a run generates, with its combinations; where it only judges, what it judges."""
    if rejudges(run.params):
        return [], essays_of_run(settings, run).chosen
    return design_generations(inputs)


def _size_of_run(settings: Settings, run: RunRecord, inputs: Inputs) -> PlanSize:
    """The size of a run's plan; where it only judges, of what it judges."""
    if not rejudges(run.params):
        return size_of_plan(inputs)
    essays = essays_of_run(settings, run).chosen
    each = len(inputs.evaluation_templates) * len(inputs.evaluation_models)
    evaluations = len(essays) * each * inputs.params["evaluation_replicates"]
    return PlanSize(len({essay.combo_id for essay in essays}), len(essays), evaluations)


def size_of_plan(inputs: Inputs) -> PlanSize:
    """How many cells some inputs make, without making them. PURE."""
    params = inputs.params
    return plan_size(
        len(inputs.concepts),
        params["k_max"],
        generation_levels=(
            len(inputs.generation_templates),
            len(inputs.generation_models),
            params["generation_replicates"],
        ),
        evaluation_levels=(
            len(inputs.evaluation_templates),
            len(inputs.evaluation_models),
            params["evaluation_replicates"],
        ),
    )


def _write_generation_tables(settings: Settings, run: RunRecord, inputs: Inputs) -> None:
    from daydreaming.store.task_tables import write_generation_csvs

    engine, experiment_id = engine_for(settings), run.experiment_id
    level = inputs.params["description_level"]
    with _experiment_lock(settings, experiment_id) as folder:
        cells = cells_of_experiment(engine, experiment_id, "generation").values()
        write_generation_csvs(
            folder,
            combinations_of_experiment(engine, experiment_id),
            (cell.as_generation() for _, cell in cells),
            {concept.concept_id: concept.content(level) for concept in inputs.concepts},
        )


def _write_evaluation_table(settings: Settings, run: RunRecord) -> None:
    from daydreaming.store.task_tables import write_evaluation_csv

    with _experiment_lock(settings, run.experiment_id) as folder:
        cells = cells_of_experiment(engine_for(settings), run.experiment_id, "evaluation").values()
        write_evaluation_csv(folder, (cell.as_evaluation() for _, cell in cells))


@contextmanager
def _experiment_lock(settings: Settings, experiment_id: str) -> Iterator[Path]:
    """Hold an experiment's task tables: they show what all its runs planned, so runs take turns."""
    folder = DataRoot(settings.data_root).tasks(experiment_id)
    with hold_turn(folder / ".lock", settings.results_conn):
        yield folder


def _generation_cell(index: int, item: Generation, pools: Mapping[str, str]) -> PlannedCell:
    return PlannedCell(
        stage="generation",
        map_index=index,
        cell_id=item.generation_task_id,
        pool=pools[item.generation_model],
        model_name=item.generation_model_name,
        generation_task_id=item.generation_task_id,
        combo_id=item.combo_id,
        generation_template=item.generation_template,
        generation_model=item.generation_model,
        generation_replicate=item.replicate,
    )


def _evaluation_cell(
    index: int, item: Evaluation, generation: Generation, pools: Mapping[str, str]
) -> PlannedCell:
    return PlannedCell(
        stage="evaluation",
        map_index=index,
        cell_id=item.evaluation_task_id,
        pool=pools[item.evaluation_model],
        model_name=item.evaluation_model_name,
        generation_task_id=item.generation_task_id,
        combo_id=generation.combo_id,
        generation_template=generation.generation_template,
        generation_model=generation.generation_model,
        generation_replicate=generation.replicate,
        evaluation_template=item.evaluation_template,
        evaluation_model=item.evaluation_model,
        evaluation_replicate=item.replicate,
    )
