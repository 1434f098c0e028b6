"""Parse DAG files as Airflow does, with all that they must not touch out of reach; print what is in them.

Run as ``python -m tests.support.dag_probe FILE…`` in a process of its own.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

#: Each task start parses the DAG file again, so each instance would pay for these.
HEAVY = ("pandas", "numpy", "scipy", "pyarrow", "openai", "xllamacpp", "alembic")


class _Blocker:
    """Refuses heavy packages, as if they were not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} may not be imported when a DAG is parsed")
        return None


def _refuse(what: str) -> Any:
    def refuse(*args: object, **_: object) -> None:
        raise RuntimeError(f"a DAG file may not open {what} when it is parsed; got {args!r}")

    return refuse


def _block() -> None:
    sys.meta_path.insert(0, _Blocker())
    # Airflow loads our policy by itself, and that what task instances need: not the DAG file's doing.
    sys.modules["daydreaming.policy"] = ModuleType("daydreaming.policy")
    if os.environ.get("DAG_PROBE_WITHOUT_BATCHES"):
        import daydreaming.settings

        daydreaming.settings.has_batch_provider = lambda: False
    import socket

    import sqlalchemy
    from airflow.sdk import BaseHook, Connection, Variable

    sqlite3.connect = _refuse("SQLite")
    sqlalchemy.engine.Engine.connect = _refuse("a database")
    sqlalchemy.engine.Engine.raw_connection = _refuse("a database")
    socket.socket.connect = _refuse("a socket")
    Variable.get = _refuse("a Variable")
    Connection.get = _refuse("a connection")
    BaseHook.get_connection = _refuse("a connection")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _task(task: Any) -> dict[str, Any]:
    partial = getattr(task, "partial_kwargs", None)
    return {
        "mapped": partial is not None,
        "class": (task.operator_class if partial is not None else type(task)).__name__,
        "trigger_rule": str(task.trigger_rule.value),
        "upstream": sorted(task.upstream_task_ids),
        "outlets": [asset.uri for asset in task.outlets],
        "retries": task.retries,
        "pool": task.pool,
        "stage": (partial or {}).get("stage"),
        "ignores_rules": getattr(task, "ignore_downstream_trigger_rules", None),
        "partial": sorted(partial) if partial is not None else [],
    }


def _dag(dag: Any) -> dict[str, Any]:
    from airflow.serialization.serialized_objects import DagSerialization

    return {
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
        "order": [task.task_id for task in dag.topological_sort()],
        "params": {name: dag.params.get_param(name).value for name in dag.params},
        "schemas": {name: dag.params.get_param(name).schema for name in dag.params},
        "schedule": getattr(dag.timetable, "expression", None),
        "timetable": type(dag.timetable).__name__,
        "scheduled_by": getattr(getattr(dag.timetable, "asset_condition", None), "name", None),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "max_active_tasks": dag.max_active_tasks,
        "paused": dag.is_paused_upon_creation,
        "doc": bool(dag.doc_md),
        "callbacks": [name for name in ("success", "failure") if getattr(dag, f"has_on_{name}_callback")],
        "deadlines_s": [deadline.interval.total_seconds() for deadline in dag.deadline or ()],
        "serialized": bool(DagSerialization.to_dict(dag)),
    }


def dags_of(path: Path) -> list[Any]:
    """A DAG registers itself when its decorated function is called, as in Airflow's own DAG bag."""
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    DagContext.autoregistered_dags.clear()
    DagContext.current_autoregister_module_name = path.stem
    _load(path)
    return [dag for dag, _ in DagContext.autoregistered_dags]


def main() -> None:
    """Print the DAGs by ID, and what parsing them imported."""
    _block()
    dags = [dag for file in sys.argv[1:] for dag in dags_of(Path(file))]
    modules = sorted(sys.modules)
    json.dump({"dags": {dag.dag_id: _dag(dag) for dag in dags}, "modules": modules}, sys.stdout)


if __name__ == "__main__":
    main()
