"""Airflow cluster policy: each mapped LLM instance in its model's pool, under its own ID.

Airflow calls the hook in the scheduler and in the API server, several times per instance, and an
error here would break every airflow command. So it imports nothing from airflow, opens no Airflow
session, connection or Variable, reads the plan through an engine of its own, and never raises: an
instance that it cannot place keeps the operator's pool and a plain number.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from daydreaming.settings import CALL_STAGES, DAG_ID

if TYPE_CHECKING:
    from daydreaming.inputs.records import Stage

#: Longer labels fail Airflow's insert on PostgreSQL.
_LABEL_LENGTH = 250
_RUNS_KEPT = 32

hookimpl = pluggy.HookimplMarker("airflow.policy")
log = logging.getLogger(__name__)


class TaskInstance(Protocol):
    """What the hook reads and sets of Airflow's task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    pool: str
    _rendered_map_index: str | None


@hookimpl
def task_instance_mutation_hook(task_instance: TaskInstance, dag_run: Any) -> None:  # noqa: ARG001 - hook's names
    """Set pool and label of a mapped ``generate`` or ``evaluate`` instance from its run's plan."""
    try:
        _place(task_instance)
    except Exception:
        # Breaking a scheduler loop costs more than a wrong pool; the log says what was wrong.
        log.exception("daydreaming policy: could not place %r", task_instance)


def _place(task_instance: TaskInstance) -> None:
    stage = CALL_STAGES.get(task_instance.task_id)
    if stage is None or task_instance.dag_id != DAG_ID or task_instance.map_index is None:
        return
    if task_instance.map_index < 0:
        return
    place = _places(task_instance.run_id, stage).get(task_instance.map_index)
    if place is None:
        return
    cell_id, pool = place
    task_instance.pool = pool
    task_instance._rendered_map_index = cell_id[:_LABEL_LENGTH]  # noqa: SLF001 - Airflow offers no other way


def _preload() -> None:
    """Load here what every task instance needs: task processes are forked, and find it in memory.

    Airflow imports this module wherever it is used; a tenth of a second there saves one for each call.
    """
    from jinja2 import Environment

    import daydreaming.llm.client
    import daydreaming.pipeline.call  # noqa: F401 - for those who are forked
    from daydreaming.prompts.render import compile_template
    from daydreaming.store.schema import Base

    Base.registry.configure()
    compile_template("{{ concepts }}{% for concept in concepts %}{% endfor %}")
    # Airflow renders the labels, with an environment of its own: the lexer is what takes long to make.
    Environment().parse("{{ label }}")  # noqa: S701 - nothing is rendered


_plans: OrderedDict[tuple[str, Stage], dict[int, tuple[str, str]]] = OrderedDict()


def _places(run_id: str, stage: Stage) -> dict[int, tuple[str, str]]:
    """The plan of a run; kept once it is there, for it never changes."""
    key = (run_id, stage)
    places = _plans.get(key)
    if places is None:
        places = _read_places(run_id, stage)
        if places:
            _plans[key] = places
        while len(_plans) > _RUNS_KEPT:
            _plans.popitem(last=False)
    return places


def _read_places(run_id: str, stage: Stage) -> dict[int, tuple[str, str]]:
    from daydreaming.settings import Settings
    from daydreaming.store.database import single_use_engine
    from daydreaming.store.plans import read_places

    engine = single_use_engine(Settings.from_env())
    try:
        return read_places(engine, run_id, stage)
    finally:
        engine.dispose()


def _preload_store_clients() -> None:
    """The same for what reaches the data root where that is on an object store: a second of CPU."""
    from daydreaming.errors import InputError
    from daydreaming.objects.file_system import load_clients
    from daydreaming.objects.path import ObjectPath
    from daydreaming.settings import Settings

    try:
        data_root = Settings.from_env().data_root
    except InputError:
        return  # whoever uses them says what is wrong
    if isinstance(data_root, ObjectPath):
        load_clients()


try:
    _preload()
    _preload_store_clients()
except Exception:
    # The instances will load it, and say what is wrong.
    log.exception("daydreaming policy: could not load the package ahead")
