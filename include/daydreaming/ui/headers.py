"""Headers of every answer: what a page may load and do, whatever a model has written into it."""

from __future__ import annotations

from typing import Any

from daydreaming.ui.lazy import Receive, Scope, Send

#: Scripts and styles from our own files alone, none in the page; framed by Airflow alone.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
    )
)
_POLICY = b"content-security-policy"
_HEADERS = (
    (_POLICY, CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class SecurityHeaders:
    """ASGI middleware: adds them, and keeps pages out of shared caches."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                cache = () if b"cache-control" in given else ((b"cache-control", b"private, no-cache"),)
                # The report brings a policy of its own: two would both hold.
                own = [header for header in _HEADERS if header[0] not in given or header[0] != _POLICY]
                message = {**message, "headers": [*message["headers"], *own, *cache]}
            await send(message)

        await self._app(scope, receive, send_with_headers)
