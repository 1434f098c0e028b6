"""An application that is built when the first page is asked for.

Every process that loads Airflow's plugins imports the plugin: each task's, too. Only the API server serves
pages, and needs FastAPI, templates and routes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

URL_PREFIX = "/daydreaming"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class LazyApp:
    """Serves what ``daydreaming.ui.app`` builds."""

    @cached_property
    def _app(self) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
        from daydreaming.ui.app import create_app

        return create_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        await self._app(scope, receive, send)
