from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from daydreaming.errors import InputError, LLMPermanentError
from daydreaming.inputs.records import LLMModel
from daydreaming.llm.client import send
from daydreaming.llm.limits import RateLimits
from daydreaming.llm.request import ChatRequest
from daydreaming.triggers import clients
from daydreaming.triggers.clients import forget_client, missing_connection, model_limits, shared_client

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


def test_the_password_of_a_connection_that_is_not_for_models_goes_nowhere(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_CHAT", '{"conn_type": "slack", "password": "xoxb-secret-1"}')
    with pytest.raises(InputError, match=r"'chat' is of type 'slack'; .* 'openai' alone") as caught:
        asyncio.run(shared_client("chat"))
    assert "xoxb" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_provider_cannot_send_us_to_another_server(connect, status):
    reached = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            reached.append(self.path)
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(status)
            self.send_header("location", "/internal")
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self):
            self.do_POST()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    async def ask():
        client = await shared_client("one")
        await send(client, ChatRequest("m", "A prompt.", 0.1, 10), timeout_s=20)

    try:
        connect(f"http://127.0.0.1:{server.server_address[1]}/v1", "one")
        with pytest.raises(LLMPermanentError, match=f"HTTP {status}"):
            asyncio.run(ask())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert reached == ["/v1/chat/completions"]


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


# --- limits


def model(**fields):
    known = {
        "id": "m",
        "model": "prov/m",
        "provider": "openrouter",
        "display_name": "M",
        "for_generation": True,
        "for_evaluation": True,
        "specialization": "",
        "conn_id": "one",
        "pool": "llm_paid",
    }
    return LLMModel(**{**known, **fields})


def limits_of(**fields):
    return asyncio.run(model_limits(model(**fields)))


@pytest.mark.parametrize(
    ("rate_limits", "fields", "expected"),
    [
        (None, {}, RateLimits()),
        ({}, {}, RateLimits()),
        (None, {"rpm": 5, "tpm": 6, "rpd": 7}, RateLimits(rpm=5, tpm=6, rpd=7)),
        # The connection's own, for all its models.
        ({"rpm": 10, "burst": 2}, {}, RateLimits(rpm=10, burst=2)),
        # llm_models.csv goes before the connection, field by field.
        ({"rpm": 10, "tpm": 20, "rpd": 30}, {"rpm": 5}, RateLimits(rpm=5, tpm=20, rpd=30)),
        # A model's own go before those for all.
        (
            {"rpm": 10, "tpm": 20, "models": {"prov/m": {"rpm": 1, "burst": 1}}},
            {},
            RateLimits(rpm=1, tpm=20, burst=1),
        ),
        ({"rpm": 10, "models": {"prov/m": {"rpm": 1}}}, {"rpm": 5}, RateLimits(rpm=5)),
        ({"rpm": 10, "models": {"prov/other": {"rpm": 1}}}, {}, RateLimits(rpm=10)),
        # By the provider's name, and not by the ID of the row.
        ({"models": {"m": {"rpm": 1}}}, {}, RateLimits()),
        # Null is as if it were not there.
        ({"rpm": None, "models": {"prov/m": {"tpm": None}}}, {"rpd": 3}, RateLimits(rpd=3)),
    ],
)
def test_limits_come_from_the_row_then_from_the_connections_model_then_from_the_connection(
    connect, rate_limits, fields, expected
):
    connect(HOST, "one", rate_limits=rate_limits)
    assert limits_of(**fields) == expected


def test_a_connection_without_an_extra_has_no_limits(connect):
    connect(HOST, "one")
    assert limits_of() == RateLimits()


@pytest.mark.parametrize(
    ("rate_limits", "got"),
    [
        ("20", "got '20'"),
        (20, "got 20"),
        (0, "got 0"),
        (False, "got False"),
        ("", "got ''"),
        ([], r"got \[\]"),
        ([{"rpm": 1}], r"got \[\{'rpm': 1\}\]"),
        ({"models": None}, "got {'models': None}"),
        ({"models": []}, "got {'models': "),
        ({"models": {"prov/m": 5}}, "got {'models': "),
        ({"rps": 1}, "got rps"),
        ({"models": {"prov/other": {"rpx": 1, "rpm": 1}}}, "got rpx"),
        ({"models": {"prov/m": {"models": {}}}}, "got models"),
        ({"rpm": "20"}, "rpm must be a whole number, 1 or more; got '20'"),
        ({"rpm": 0}, "rpm must be a whole number, 1 or more; got 0"),
        ({"rpm": 1.5}, "got 1.5"),
        ({"rpm": True}, "got True"),
        ({"tpm": -1, "burst": 0}, "tpm must .* got -1.* burst must .* got 0"),
        ({"models": {"prov/m": {"rpd": "x"}}}, "rpd must .* got 'x'"),
    ],
)
def test_limits_that_cannot_be_read_are_one_clear_line(connect, rate_limits, got):
    connect(HOST, "one", rate_limits=rate_limits)
    with pytest.raises(
        InputError, match=f"^Airflow connection 'one': rate_limits in its extra must .*({got})"
    ) as told:
        limits_of()
    assert len(told.value.problems) == 1
    assert "\n" not in str(told.value)
    assert KEY not in str(told.value)


def test_limits_are_read_anew_with_the_client(connect):
    async def ask():
        connect(HOST, "one", rate_limits={"rpm": 1})
        first = await model_limits(model())
        connect(HOST, "one", rate_limits={"rpm": 2})
        forget_client("one")
        return first, await model_limits(model())

    assert asyncio.run(ask()) == (RateLimits(rpm=1), RateLimits(rpm=2))


def test_limits_that_were_mended_are_taken_by_the_next_call(connect):
    async def ask():
        connect(HOST, "one", rate_limits={"rpm": -1, "rps": 3})
        with pytest.raises(InputError, match="got rps"):
            await model_limits(model())
        connect(HOST, "one", rate_limits={"rpm": 3})
        return await model_limits(model())

    assert asyncio.run(ask()) == RateLimits(rpm=3)


def test_connections_have_limits_of_their_own(connect):
    connect(HOST, "one", rate_limits={"rpm": 1})
    connect(HOST, "two", rate_limits={"rpm": 2})
    assert (limits_of(), limits_of(conn_id="two")) == (RateLimits(rpm=1), RateLimits(rpm=2))
