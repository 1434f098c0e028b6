"""The Airflow connections that a run calls through: whether they are there, and what limits they set."""

from __future__ import annotations

from collections.abc import Iterable

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from daydreaming.errors import InputError
from daydreaming.pipeline.connection_limits import ConnectionLimits
from daydreaming.triggers.clients import missing_connection, wrong_type


def require_connections(conn_ids: Iterable[str]) -> None:
    """Refuse a run that would send calls through a connection that is not defined, or not for models.

    Raises:
        InputError: One line for each such connection.
    """
    problems = [problem for conn_id in sorted(set(conn_ids)) if (problem := _problem_of(conn_id))]
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


def _problem_of(conn_id: str) -> str | None:
    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return missing_connection(conn_id)
    return wrong_type(conn_id, connection.conn_type)
