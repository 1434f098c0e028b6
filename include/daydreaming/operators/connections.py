"""The Airflow connections of a run's models: whether they are there, and what limits they set."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from daydreaming.errors import InputError
from daydreaming.pipeline.connection_limits import ConnectionLimits
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.settings import Settings
from daydreaming.store.plans import RunRecord
from daydreaming.triggers.clients import missing_connection


def require_connections(settings: Settings, run: RunRecord) -> None:
    """Refuse a run whose models need a connection that is not defined.

    Raises:
        InputError: One line for each missing connection.
    """
    inputs = frozen_inputs(settings.data_root, run)
    if inputs.params["dry_run"]:
        return
    conn_ids = sorted({model.conn_id for model in (*inputs.generation_models, *inputs.evaluation_models)})
    problems = [missing_connection(conn_id) for conn_id in conn_ids if not _is_defined(conn_id)]
    if problems:
        raise InputError(problems)


def limits_in_airflow(conn_id: str) -> ConnectionLimits:
    """The limits that a connection sets; none where it is not defined, which a dry run may do without.

    Raises:
        InputError: Its ``rate_limits`` cannot be used.
    """
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return ConnectionLimits(conn_id)
    return ConnectionLimits.of_extra(conn_id, connection.extra_dejson)


def _is_defined(conn_id: str) -> bool:
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return False
    return True
