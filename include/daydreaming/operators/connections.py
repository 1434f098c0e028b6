"""Check that the Airflow connections of a run's models are there, before anything is planned."""

from __future__ import annotations

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from daydreaming.errors import InputError
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


def _is_defined(conn_id: str) -> bool:
    try:
        BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return False
    return True
