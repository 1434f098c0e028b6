"""Servers on loopback that take messages and keep them: one for e-mail, one for Slack's API."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

_PATIENCE_S = 60.0


@dataclass
class MailSink:
    """An SMTP server.

    Attributes:
        messages: In the order in which they came.
        refuse: Addresses that it does not take.
    """

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)

    def connection(self, **extra: object) -> str:
        """The Airflow connection to it, as an environment variable has it."""
        options = {"from_email": "airflow@example.org", "disable_ssl": True, "disable_tls": True, **extra}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": options})

    def wait_for(self, subject: str) -> EmailMessage:
        """The first message whose subject holds a text."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            for message in self.messages:
                if subject in str(message["Subject"]):
                    return message
            assert time.monotonic() < deadline, [str(message["Subject"]) for message in self.messages]
            time.sleep(0.2)


def text_of(message: EmailMessage) -> str:
    """What a message says: the text of its HTML part, tags and all."""
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    """Serve one."""
    sink = MailSink()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    parsed = message_from_bytes(self._data(), policy=policy.default)
                    sink.messages.append(cast("EmailMessage", parsed))
                    self.wfile.write(b"250 kept\r\n")
                elif verb == b"RCPT" and any(name in line.decode() for name in sink.refuse):
                    self.wfile.write(b"550 nobody of this name\r\n")
                elif verb == b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                else:
                    self.wfile.write(b"250 ok\r\n")

        def _data(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line[1:] if line.startswith(b".") else line)
            return b"".join(lines)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        sink.port = server.server_address[1]
        with _served(server):
            yield sink


@dataclass
class SlackSink:
    """Slack's API, and its incoming webhooks.

    Attributes:
        posts: Path and body of each request.
        answer: What the API answers.
    """

    url: str = ""
    posts: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    answer: Mapping[str, Any] = field(default_factory=lambda: {"ok": True})

    def connection(self) -> str:
        """The Airflow connection to its API."""
        extra = {"base_url": f"{self.url}/api/"}
        return json.dumps({"conn_type": "slack", "password": "xoxb-token", "extra": extra})

    def webhook(self) -> str:
        """The Airflow connection to one of its webhooks."""
        return json.dumps({"conn_type": "slackwebhook", "password": f"{self.url}/services/T/B/secret"})


@contextmanager
def slack_sink() -> Iterator[SlackSink]:
    """Serve one."""
    sink = SlackSink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sink.posts.append((self.path, body))
            # A webhook answers with a word, and not with an object.
            answer = b"ok" if self.path.startswith("/services/") else json.dumps(sink.answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink.url = f"http://127.0.0.1:{server.server_port}"
        with _served(server):
            yield sink


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
