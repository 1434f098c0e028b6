"""One HTTP client per triggerer process and connection, shared by all its calls."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from daydreaming.errors import InputError
from daydreaming.inputs.records import LLMModel
from daydreaming.llm.limits import RateLimits

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: Kept with the loop that it belongs to: a client's connections cannot be used from another.
_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Task[AsyncOpenAI]]] = (
    WeakKeyDictionary()
)


#: What the connections' extras say of limits, as it was read with the client.
_limits: dict[str, dict[str, Any]] = {}
_LIMITS = ("rpm", "tpm", "rpd", "burst")


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

    The connection's extra may hold ``rate_limits``: an object with ``rpm``, ``tpm``, ``rpd`` and
    ``burst``, for all its models, and ``models``, an object of such objects by the provider's name.

    Raises:
        InputError: The connection holds something else there.
    """
    await shared_client(model.conn_id)
    given = _limits.get(model.conn_id, {})
    own = given.get("models", {}).get(model.model, {})
    values = {name: _first(getattr(model, name, None), own.get(name), given.get(name)) for name in _LIMITS}
    try:
        return RateLimits(**values)
    except InputError as error:
        raise _refused_limits(model.conn_id, " ".join(error.problems)) from error


async def _read_limits(conn_id: str) -> dict[str, Any]:
    from airflow.providers.common.compat.connection import get_async_connection

    given: dict[str, Any] | None = (await get_async_connection(conn_id)).extra_dejson.get("rate_limits")
    if given is None:
        return {}
    models = given.get("models", {}) if isinstance(given, dict) else None
    if not isinstance(models, dict) or not all(isinstance(own, dict) for own in models.values()):
        raise _refused_limits(conn_id, f"got {given!r}")
    names = [name for own in models.values() for name in own] + [name for name in given if name != "models"]
    if unknown := {*names} - {*_LIMITS}:
        raise _refused_limits(conn_id, f"got {', '.join(sorted(unknown))}")
    return dict(given)


def _refused_limits(conn_id: str, why: str) -> InputError:
    return InputError(
        f"Airflow connection {conn_id!r}: rate_limits in its extra must be an object with "
        f"{', '.join(_LIMITS)} (whole numbers) and models (such objects by model name); {why}"
    )


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


async def _connect(conn_id: str) -> AsyncOpenAI:
    from airflow.providers.openai.hooks.openai import OpenAIHook
    from airflow.sdk.exceptions import AirflowNotFoundException
    from openai import OpenAIError

    # Its line per request says less than ours, and is as much to log.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        hook = OpenAIHook(conn_id=conn_id)
        client = await hook.aget_conn()
        _limits[conn_id] = await _read_limits(conn_id)
    except AirflowNotFoundException as error:
        raise InputError(missing_connection(conn_id)) from error
    except (OpenAIError, ValueError) as error:
        raise InputError(f"Airflow connection {conn_id!r} (type openai) is not usable: {error}") from error
    return client.with_options(max_retries=0)


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
