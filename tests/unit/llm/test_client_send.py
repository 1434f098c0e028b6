"""One attempt through the real client against the real simulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openai import AsyncOpenAI

from daydreaming.errors import LLMPermanentError, LLMTransientError
from daydreaming.llm.client import send
from daydreaming.llm.request import ChatRequest
from daydreaming.llm.simulator import SimulatorConfig, answer_for

KEY = "sk-very-secret-0123456789"
REQUEST = ChatRequest("prov/m", "Write an <essay> on moats.", 0.7, 500, {"seed": 3})
CALM = SimulatorConfig(seed=5, price=(1.0, 2.0))


@pytest.fixture
def echo():
    """A server that answers with what it got: status, headers and body are the test's."""
    seen: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        reply = (200, {}, "{}")

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append(
                {"headers": {k.lower(): v for k, v in self.headers.items()}, "body": json.loads(body)}
            )
            status, headers, text = self.reply
            data = text.replace("{key}", str(self.headers["authorization"])).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    http.seen, http.handler = seen, Handler
    yield http
    http.shutdown()
    http.server_close()
    thread.join()


def ask(base_url, request=REQUEST, key=KEY, timeout_s=20.0, on_headers=None, **options):
    async def call():
        async with AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, **options) as client:
            return await send(client, request, timeout_s=timeout_s, on_headers=on_headers)

    return asyncio.run(call())


def url_of(http):
    return f"http://127.0.0.1:{http.server_address[1]}/v1"


def test_where_no_connection_is_made_nothing_was_sent():
    """As behind a firewall that drops packets: here the queue of those who want to connect is full."""
    with contextlib.ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            other = sockets.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listening.getsockname())
        with pytest.raises(LLMTransientError, match=r"connection to .* failed \(ConnectTimeout") as caught:
            ask(f"http://127.0.0.1:{listening.getsockname()[1]}/v1", timeout_s=1.0)
    assert not caught.value.is_outcome_unknown


def test_a_good_answer_comes_back_with_its_provenance(simulator):
    answer = ask(simulator.base_url)
    assert answer.text == answer_for(5, "prov/m", REQUEST.prompt)
    assert answer.model_returned == "prov/m"
    assert answer.upstream_provider == "Simulator"
    assert answer.finish_reason == "stop"
    assert answer.response_id.startswith("gen-sim-")
    assert answer.cost_usd == pytest.approx(
        (answer.prompt_tokens + 2 * answer.completion_tokens) / 1e6, abs=1e-9
    )


def test_what_is_sent_is_the_request_and_nothing_else(echo):
    with pytest.raises(LLMTransientError, match="no choices"):
        ask(url_of(echo))
    [sent] = echo.seen
    assert sent["body"] == {
        "model": "prov/m",
        "messages": [{"role": "user", "content": REQUEST.prompt}],
        "temperature": 0.7,
        "max_tokens": 500,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_429": 1.0, "retry_after_s": 7}, "HTTP 429: Rate limit exceeded upstream"),
        ({"rate_500": 1.0}, "HTTP 500: Internal Server Error"),
        ({"rate_html": 1.0}, "200 with something that is no JSON object: <!DOCTYPE html>"),
        ({"rate_empty": 1.0}, "empty answer"),
        ({"rate_error_body": 1.0}, r"HTTP 502: \(in a 200\) Provider returned error"),
        ({"rate_dropped": 1.0}, r"The connection to http://127\.0\.0\.1:\d+/v1/ failed \("),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_fault_that_may_pass_is_transient_and_made_of_one_call(simulator, settings, message):
    simulator.control(**settings)
    with pytest.raises(LLMTransientError, match=message) as caught:
        ask(simulator.base_url)
    assert caught.value.retry_after_s == (7.0 if "rate_429" in settings else None)
    assert simulator.stats()["calls"] == 1


def test_an_answer_that_takes_too_long_is_transient(simulator):
    simulator.control(rate_timeout=1.0)
    with pytest.raises(LLMTransientError, match=r"No answer from http://127\.0\.0\.1:\d+/v1/ within 0\.2 s"):
        ask(simulator.base_url, timeout_s=0.2)


def test_an_answer_that_trickles_in_takes_too_long_like_any_other(echo):
    ended = threading.Event()

    def trickle(handler):
        handler.send_response(200)
        handler.end_headers()
        while not ended.wait(0.02):
            handler.wfile.write(b" ")

    echo.handler.do_POST = trickle
    try:
        with pytest.raises(LLMTransientError, match=r"No answer from .* within 0\.3 s") as caught:
            ask(url_of(echo), timeout_s=0.3)
    finally:
        ended.set()
    assert caught.value.is_outcome_unknown


def test_an_answer_cut_off_is_permanent(simulator):
    request = ChatRequest("prov/m", REQUEST.prompt, 0.7, 20)
    with pytest.raises(LLMPermanentError, match=r"cut off .* max_tokens is 20"):
        ask(simulator.base_url, request)


def test_nobody_listening_is_transient():
    with pytest.raises(LLMTransientError, match=r"connection to http://127\.0\.0\.1:1/v1/ failed"):
        ask("http://127.0.0.1:1/v1")


def test_a_password_in_the_address_is_not_told():
    with pytest.raises(LLMTransientError) as caught:
        ask("http://me:hunter2@127.0.0.1:1/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, '{"error": {"message": "Incorrect API key provided: {key}."}}'),
        (401, "<html>{key}</html>"),
        (403, "x" * 270 + " {key} and more, so that the excerpt ends within the key"),
        (503, '{"error": {"message": "no route for {key}"}}'),
        (200, '{"error": {"code": 401, "message": "bad {key}"}}'),
        (200, "{key}"),
        (200, '{"id": "{key}"}'),
    ],
)
def test_a_key_that_the_provider_repeats_is_hidden(echo, status, text):
    echo.handler.reply = (status, {}, text)
    with pytest.raises((LLMPermanentError, LLMTransientError)) as caught:
        ask(url_of(echo))
    assert echo.seen[0]["headers"]["authorization"] == f"Bearer {KEY}"
    assert "***" in str(caught.value)
    assert KEY[:8] not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_key_in_an_answer_is_hidden_in_its_text_and_in_its_names(echo):
    names = {"id": "{key}", "model": "m {key}", "provider": "{key}"}
    choice = {"message": {"content": "My key is {key}, and I tell it."}, "finish_reason": "{key}"}
    echo.handler.reply = (200, {}, json.dumps({**names, "choices": [choice]}))
    answer = ask(url_of(echo))
    assert answer.is_redacted
    assert answer.text == "My key is Bearer ***, and I tell it."
    assert KEY not in repr(answer)


def test_an_answer_without_it_is_not_touched(simulator):
    assert not ask(simulator.base_url).is_redacted


@pytest.mark.parametrize(
    ("told", "client"),
    [
        ("hunter2-of-me", {"user": "me:hunter2-of-me@"}),
        ("other-secret-1", {"default_headers": {"X-Api-Key": "other-secret-1"}}),
    ],
)
def test_other_secrets_of_the_connection_are_hidden_too(echo, told, client):
    echo.handler.reply = (401, {}, f"You sent {told}.")
    with pytest.raises(LLMPermanentError, match=r"You sent \*\*\*\.") as caught:
        ask(url_of(echo).replace("//", f"//{client.pop('user', '')}"), **client)
    assert told not in str(caught.value)


def test_neither_client_nor_error_shows_the_key_when_printed(echo):
    echo.handler.reply = (401, {}, "{key}")
    with pytest.raises(LLMPermanentError) as caught:
        ask(url_of(echo))
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in repr(caught.value)


def test_the_class_and_the_wait_survive_the_hiding(echo):
    echo.handler.reply = (429, {"Retry-After": "3"}, "{key}")
    with pytest.raises(LLMTransientError) as caught:
        ask(url_of(echo))
    assert caught.value.retry_after_s == 3.0


def test_limits_in_an_errors_body_are_heard_unless_the_head_states_them(echo):
    stated = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1793000000000"}
    body = json.dumps({"error": {"code": 429, "message": "slow", "metadata": {"headers": stated}}})
    echo.handler.reply = (429, {"X-RateLimit-Remaining": "5"}, body)
    heard = []
    with pytest.raises(LLMTransientError):
        ask(url_of(echo), on_headers=lambda status, headers: heard.append((status, headers)))
    [(status, headers)] = heard
    assert status == 429
    assert headers["x-ratelimit-reset"] == "1793000000000"
    assert headers["x-ratelimit-remaining"] == "5"


def test_a_placeholder_key_does_not_black_out_the_message(echo):
    echo.handler.reply = (401, {}, "an x is an x")
    with pytest.raises(LLMPermanentError, match="an x is an x"):
        ask(url_of(echo), key="x")


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY} ", f"“{KEY}”", f"{KEY}\r\nX-Y: z"])
def test_a_key_that_no_header_can_carry_is_refused_without_telling_it(echo, key):
    with pytest.raises(LLMPermanentError, match=r"API key of the connection .* Correct") as caught:
        ask(url_of(echo), key=key)
    assert KEY not in str(caught.value)
    assert echo.seen == []


def test_an_answer_in_an_encoding_that_does_not_exist_is_still_read(echo):
    reply = json.dumps({"choices": [{"message": {"content": "Ä."}}]}, ensure_ascii=False)
    echo.handler.reply = (200, {"content-type": "application/json; charset=klingon"}, reply)
    assert ask(url_of(echo)).text == "Ä."


def test_a_body_that_cannot_be_unpacked_is_transient(echo):
    echo.handler.reply = (200, {"content-encoding": "gzip"}, "not gzip")
    with pytest.raises(LLMTransientError, match=r"connection to .* failed"):
        ask(url_of(echo))
