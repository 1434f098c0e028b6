"""The experiment's DAG as the process of one call needs it: with that call's task alone.

Airflow parses the DAG file in each task's own process, and takes one task from it. To build the others
there is a tenth of what an instance costs (docs/performance.md). What the scheduler knows of the DAG
comes from the DAG processor, which builds all of it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions._internal.templater import create_template_env

from daydreaming.operators.llm import call_operator, call_options
from daydreaming.operators.mapping import OwnIndices
from daydreaming.settings import CALL_STAGES, DAG_ID, Settings

if TYPE_CHECKING:
    import jinja2


class CallDag(DAG):
    """A DAG that renders nothing but labels, with an environment that forked processes inherit."""

    def get_template_env(self, *, force_sandboxed: bool = False) -> jinja2.Environment:  # noqa: ARG002 - Airflow's
        """Airflow's own environment; made once per process, and once for all that are forked from it."""
        return template_env()


@cache
def template_env() -> jinja2.Environment:
    """Airflow's environment for a DAG without settings of its own; templates are compiled once."""
    environment = create_template_env(searchpath=[])
    environment.from_string = cache(environment.from_string)  # type: ignore[assignment, method-assign]
    return environment


def warm_templates() -> None:
    """Compile the label's template for all processes that will be forked."""
    template_env().from_string(call_options(Settings.from_env())["map_index_template"])


def is_call(task_id: str | None) -> TypeGuard[str]:
    """Whether a task makes calls, one in each instance."""
    return task_id in CALL_STAGES


def call_dag(settings: Settings, task_id: str) -> DAG:
    """The DAG with the task that ``is_call`` alone, mapped as in the whole DAG."""
    with CallDag(DAG_ID, schedule=None) as dag:
        _mapped(settings, task_id, BaseOperator(task_id="planned"))
    return dag


def _mapped(settings: Settings, task_id: str, planned: BaseOperator) -> Any:
    operator = call_operator(settings.dispatch)
    return operator.partial(task_id=task_id, stage=CALL_STAGES[task_id], **call_options(settings)).expand(
        index=OwnIndices(operator=planned)
    )
