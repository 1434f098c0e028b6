"""What a provider can make us read: real servers that answer too much, packed and unpacked."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from openai import AsyncOpenAI

from daydreaming.errors import LLMPermanentError, LLMTransientError
from daydreaming.llm.bounded_client import MAX_ANSWER_BYTES, BoundedClient
from daydreaming.llm.client import send
from daydreaming.llm.request import ChatRequest

PART = b" " * 2**20
#: Of an endless answer; what the server has written when it gives up says how much was read.
ENDLESS_PARTS = 200


@contextmanager
def server(status=200, headers=(), parts=()):
    """Answers every POST with these parts of a body; yields itself, with the count of parts written."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            http.clients.append(self.client_address)
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            try:
                for part in parts:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    http.written += 1
                self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.written, http.clients = 0, []
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield http
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def ask(http, times=1):
    async def calls():
        url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        http_client = BoundedClient()
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0, http_client=http_client) as client:
            request = ChatRequest("m", "A prompt.", 0.1, 10)
            return [await send(client, request, timeout_s=60) for _ in range(times)]

    return asyncio.run(calls())


def completion(text):
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"id": "1", "model": "m", "choices": [choice]}).encode()


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_answer_of_common_size_is_read_whole_and_the_connection_kept(is_packed):
    text = "An essay of many words. " * 40_000
    body = completion(text)
    if is_packed:
        packing, parts = [("content-encoding", "gzip")], [gzip.compress(body)]
    else:
        packing, parts = [], [body[:1000], body[1000:]]
    with server(headers=packing, parts=parts) as http:
        answers = ask(http, times=3)
    assert [answer.text for answer in answers] == [text] * 3
    assert len(set(http.clients)) == 1


def test_an_answer_without_end_is_given_up_and_counts_as_paid():
    with server(parts=[PART] * ENDLESS_PARTS) as http, pytest.raises(LLMPermanentError) as caught:
        ask(http)
    assert "larger than 16 MiB" in str(caught.value)
    assert caught.value.is_outcome_unknown
    assert MAX_ANSWER_BYTES / len(PART) <= http.written < ENDLESS_PARTS


def test_a_small_answer_that_unpacks_to_a_huge_one_is_given_up():
    bomb = gzip.compress(PART * ENDLESS_PARTS)
    assert len(bomb) < MAX_ANSWER_BYTES / 50
    packing = [("content-encoding", "gzip")]
    with server(headers=packing, parts=[bomb]) as http, pytest.raises(LLMPermanentError, match="16 MiB"):
        ask(http)


def test_an_error_without_end_is_the_error_that_its_status_says():
    parts = [b"<html>Bad gateway", *[PART] * ENDLESS_PARTS]
    with server(502, parts=parts) as http, pytest.raises(LLMTransientError, match=r"HTTP 502.*Bad gateway"):
        ask(http)
    assert http.written < ENDLESS_PARTS
