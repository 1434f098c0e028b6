"""One HTTP client per triggerer process and connection, shared by all its calls."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from daydreaming.errors import InputError
from daydreaming.inputs.records import LLMModel
from daydreaming.llm.limits import RateLimits
from daydreaming.pipeline.connection_limits import ConnectionLimits

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: Kept with the loop that it belongs to: a client's connections cannot be used from another.
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Task[AsyncOpenAI]]] = (
    WeakKeyDictionary()
)


#: What the connections' extras say of limits, as it was read with the client.
_limits: dict[str, ConnectionLimits] = {}


async def shared_client(conn_id: str) -> AsyncOpenAI:
    """The client of an Airflow connection; retrying is left to the trigger.

    Raises:
        InputError: The connection is not defined or has no usable settings.
    """
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in clients:
        # A task, and not its result: calls that come meanwhile wait for the same client.
        clients[conn_id] = asyncio.ensure_future(_connect(conn_id))
    try:
        return await asyncio.shield(clients[conn_id])
    except Exception:
        clients.pop(conn_id, None)
        raise


def forget_client(conn_id: str) -> None:
    """Read the connection anew at the next call: its key may have been changed."""
    _clients.get(asyncio.get_running_loop(), {}).pop(conn_id, None)


async def model_limits(model: LLMModel) -> RateLimits:
    """What is configured for a model: in ``llm_models.csv``; what that leaves open, in its connection.

    Raises:
        InputError: The connection is not usable, or its extra holds something else there.
    """
    await shared_client(model.conn_id)
    return _limits.get(model.conn_id, ConnectionLimits(model.conn_id)).of(model)


async def _read_limits(conn_id: str) -> ConnectionLimits:
    from airflow.providers.common.compat.connection import get_async_connection

    connection = await get_async_connection(conn_id)
    if problem := wrong_type(conn_id, connection.conn_type):
        raise InputError(problem)
    return ConnectionLimits.of_extra(conn_id, connection.extra_dejson)


async def _connect(conn_id: str) -> AsyncOpenAI:
    from airflow.providers.openai.hooks.openai import OpenAIHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from openai import OpenAIError

    from daydreaming.llm.bounded_client import BoundedClient

    # Its line per request says less than ours, and is as much to log.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        _limits[conn_id] = await _read_limits(conn_id)
        client = await OpenAIHook(conn_id=conn_id).aget_conn()
    except AirflowNotFoundException as error:
        raise InputError(missing_connection(conn_id)) from error
    except (OpenAIError, ValueError) as error:
        raise InputError(f"Airflow connection {conn_id!r} (type openai) is not usable: {error}") from error
    return client.with_options(max_retries=0, http_client=BoundedClient())


#: The quickest way to the connections that the shipped models use.
_HINTS = {
    "openrouter_default": "Set OPENROUTER_API_KEY and start again, or define it",
    "local_llm": "Start the local model with `daydreaming up --llm local`, or define it",
}


def missing_connection(conn_id: str) -> str:
    """What is wrong and what to do where a connection is not defined."""
    return (
        f"Airflow connection {conn_id!r} is not defined. {_HINTS.get(conn_id, 'Define it')} in Airflow "
        f"(type openai: host, password) or as AIRFLOW_CONN_{conn_id.upper()}."
    )


def wrong_type(conn_id: str, conn_type: str | None) -> str | None:
    """What is wrong with a connection of another type; None where nothing is.

    The table of models names connections. Of another type, one could send its password, such as a token of
    Slack's, to a provider of models.
    """
    if conn_type == "openai":
        return None
    return (
        f"Airflow connection {conn_id!r} is of type {conn_type!r}; a model is called through one of type "
        "'openai' alone. Correct conn_id in llm_models.csv, or the connection's type."
    )
