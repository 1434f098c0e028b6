from __future__ import annotations

import asyncio

import pytest

from daydreaming.errors import InputError
from daydreaming.triggers import clients
from daydreaming.triggers.clients import forget_client, missing_connection, shared_client

KEY = "sk-very-secret-0123456789"
HOST = "http://127.0.0.1:1/v1"


def test_calls_that_come_together_share_one_client_per_connection(connect):
    connect(HOST, "one")
    connect(HOST, "two")

    async def ask():
        return await asyncio.gather(*[shared_client("one") for _ in range(20)], shared_client("two"))

    *ones, two = asyncio.run(ask())
    assert len({id(client) for client in ones}) == 1
    assert two is not ones[0]
    assert str(two.base_url) == f"{HOST}/"
    assert two.api_key == KEY


def test_retrying_is_left_to_the_trigger(connect):
    connect(HOST, "one")
    assert asyncio.run(shared_client("one")).max_retries == 0


def test_each_event_loop_has_clients_of_its_own(connect):
    connect(HOST, "one")
    assert asyncio.run(shared_client("one")) is not asyncio.run(shared_client("one"))


def test_a_client_that_was_forgotten_is_made_anew_from_the_connection(connect):
    async def ask():
        connect(HOST, "one")
        first = await shared_client("one")
        connect(HOST, "one", password="sk-changed-secret")
        assert await shared_client("one") is first
        forget_client("one")
        forget_client("never made")
        return await shared_client("one")

    assert asyncio.run(ask()).api_key == "sk-changed-secret"


def test_a_connection_that_is_not_defined_is_told_and_tried_again_later(connect):
    async def ask():
        with pytest.raises(InputError, match=r"'late_llm' is not defined.*AIRFLOW_CONN_LATE_LLM"):
            await shared_client("late_llm")
        connect(HOST, "late_llm")
        return await shared_client("late_llm")

    assert asyncio.run(ask()).api_key == KEY


def test_a_connection_without_a_key_is_told(connect):
    connect(HOST, "keyless", password=None)
    with pytest.raises(InputError, match=r"'keyless' \(type openai\) is not usable"):
        asyncio.run(shared_client("keyless"))


def test_a_caller_that_is_cancelled_does_not_take_the_client_from_the_others(connect, monkeypatch):
    connect(HOST, "one")
    connected, go_on = clients._connect, None

    async def slowly(conn_id):
        await go_on.wait()
        return await connected(conn_id)

    async def ask():
        nonlocal go_on
        go_on = asyncio.Event()
        monkeypatch.setattr(clients, "_connect", slowly)
        first, second = (asyncio.create_task(shared_client("one")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(ask()).api_key == KEY


def test_only_openrouter_has_a_key_of_its_own_to_set():
    assert "Set OPENROUTER_API_KEY" in missing_connection("openrouter_default")
    assert "--llm local" in missing_connection("local_llm")
    assert missing_connection("mine").startswith("Airflow connection 'mine' is not defined. Define it in")
