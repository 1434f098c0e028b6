"""A hostile provider: a server on loopback that repeats the key it is sent, in errors and in answers."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

#: What is answered, by the model that is asked: status and body. ``{sent}`` is the header with the key,
#: ``{key}`` the key; both ways to encode it have names of their own.
REPLIES: dict[str, tuple[int, str]] = {
    "echo-401": (401, '{{"error": {{"message": "Incorrect API key provided: {key}. You sent {sent}."}}}}'),
    "echo-500": (500, '{{"error": {{"message": "Upstream refused {in_base64} and {in_url}"}}}}'),
    "echo-html": (502, "<html><body>Bad gateway. Authorization: {sent}</body></html>"),
    "echo-error-body": (200, '{{"error": {{"code": 403, "message": "{sent}"}}, "id": "{key}"}}'),
    "echo-cut": (403, f"{{{{{'x' * 285} {{key}} and more than an excerpt holds"),
}
ANSWER = "Ants and bees share a secret: {key}, or {in_base64}, which is all that I was told."
VERDICT = "The text tells {sent}.\nSCORE: 7"


@dataclass
class EchoingProvider:
    """What serves it, and what it was sent.

    Attributes:
        keys: Every key that came, in the order in which they came.
    """

    port: int = 0
    keys: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        """For an OpenAI client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def reply(self, model: str, sent: str) -> tuple[int, str]:
        """Status and body for a request."""
        key = sent.removeprefix("Bearer ")
        self.keys.append(key)
        told = {
            "sent": sent,
            "key": key,
            "in_base64": base64.b64encode(sent.encode()).decode(),
            "in_url": quote(key, safe=""),
        }
        if model in REPLIES:
            status, body = REPLIES[model]
            return status, body.format(**told)
        text = (VERDICT if "judge" in model else ANSWER).format(**told)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.0}
        names = {"id": f"gen-{key}", "model": f"{model} {key}", "provider": sent}
        return 200, json.dumps({**names, "choices": [choice], "usage": usage})


@contextmanager
def echoing_provider(latency_s: float = 0.0) -> Iterator[EchoingProvider]:
    """Serve one that takes so long for each answer."""
    provider = EchoingProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            sent = str(self.headers["authorization"])
            time.sleep(latency_s)
            status, text = provider.reply(body["model"], sent)
            data = text.encode()
            self.send_response(status)
            for name, value in {"x-you-sent": sent, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
