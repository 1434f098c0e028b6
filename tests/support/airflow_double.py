"""A few lines of Airflow's REST API, served from this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: (status, body): a string is sent as it is, anything else as JSON.
Reply = tuple[int, Any]


@dataclass
class AirflowDouble:
    """Answers by (method, path without query), in the order given; the last one stays.

    Attributes:
        requests: (method, path with query, body) of each request but log-ins.
    """

    url: str = ""
    replies: dict[tuple[str, str], list[Reply]] = field(default_factory=dict)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    logins: int = 0
    login_reply: Reply | None = None

    def reply(self, method: str, path: str, *replies: Reply) -> None:
        """Set what is answered."""
        self.replies[method, path] = list(replies)

    def answer(self, method: str, path: str, body: Any, authorization: str) -> Reply:
        """Answer one request."""
        if path == "/auth/token":
            self.logins += 1
            return self.login_reply or (201, {"access_token": f"token-{self.logins}"})
        self.requests.append((method, path, body))
        if authorization != f"Bearer token-{self.logins}":
            return 401, {"detail": "who are you?"}
        replies = self.replies.get((method, path.partition("?")[0]), [(404, {"detail": "not found"})])
        return replies.pop(0) if len(replies) > 1 else replies[0]


@contextmanager
def serve_airflow() -> Iterator[AirflowDouble]:
    """Serve a double on loopback."""
    double = AirflowDouble()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(raw) if raw else None
            status, reply = double.answer(
                self.command, self.path, body, self.headers.get("Authorization", "")
            )
            data = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _serve  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
