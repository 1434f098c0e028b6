"""An Airflow listener that loads, once per service, what every forked process would load again.

The scheduler's executor forks a process per task instance, and the DAG processor one per parse. What
their parent has imported they find in memory; Airflow's task decorators alone take 20 ms, a quarter
of what a worker spends on an instance (docs/adr/0009-compile-and-load-ahead.md).
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from airflow.listeners import hookimpl

from daydreaming.settings import has_batch_provider

#: What a DAG file of ours, and a call's process, import first.
_MODULES = (
    "airflow.dag_processing.bundles.local",
    "airflow.version",
    "airflow.sdk.bases.sensor",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.definitions.dag",
    "airflow.sdk.definitions.param",
    "airflow.providers.standard.operators.trigger_dagrun",
    "daydreaming.operators.call_dag",
    "daydreaming.operators.callbacks",
    "daydreaming.operators.estimate",
    "daydreaming.operators.experiment_tasks",
    "daydreaming.operators.failures",
    "daydreaming.operators.form",
    "daydreaming.operators.llm",
)

#: Extras, where they are installed.
_EXTRAS = ("daydreaming.operators.batch",)

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Import for the children of this service; only a service has a `Job`, a task process has none."""
    if type(component).__name__ != "Job":
        return
    # Which service it is cannot be told yet; only a triggerer is changed by it.
    _adapt_triggerer()
    for name in (*_MODULES, *(_EXTRAS if has_batch_provider() else ())):
        try:
            importlib.import_module(name)
        except Exception:
            # The children will import it themselves, and say what is wrong where it can be seen.
            log.exception("daydreaming: could not load %s ahead", name)
    for prepare in (_warm_templates, _warm_database):
        try:
            prepare()
        except Exception:
            log.exception("daydreaming: %s failed", prepare.__name__)


def _adapt_triggerer() -> None:
    try:
        from daydreaming.triggers.triggerer import adapt

        adapt()
    except Exception:
        # Airflow's own way is slower, and does.
        log.exception("daydreaming: calls cost the triggerer what they need not")


def _warm_templates() -> None:
    from daydreaming.operators.call_dag import warm_templates

    warm_templates()


def _warm_database() -> None:
    from daydreaming.settings import Settings
    from daydreaming.store.database import warm_engine

    warm_engine(Settings.from_env())
