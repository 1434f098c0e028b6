"""The ASGI application: its routes, and those of them that watch and change the simulator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route

from daydreaming.errors import InputError
from daydreaming.llm.simulator.batch_routes import batch_routes
from daydreaming.llm.simulator.behaviour import SimulatorConfig, changed
from daydreaming.llm.simulator.chat import ChatEndpoint, Simulator
from daydreaming.llm.simulator.replies import json_response
from daydreaming.llm.simulator.stats import Stats
from daydreaming.llm.simulator.wire import RefusedError, model_list

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def create_app(config: SimulatorConfig) -> Starlette:
    """The application with counters of its own. Dropped connections need the server in ``serve.py``."""
    routes = _Routes(Simulator(config))
    return Starlette(
        routes=[
            Route("/v1/chat/completions", ChatEndpoint(routes.simulator), methods=["POST"]),
            Route("/v1/models", routes.models),
            *batch_routes(routes.simulator),
            Route("/health", routes.health),
            Route("/stats", routes.stats),
            Route("/stats/reset", routes.reset, methods=["POST"]),
            Route("/control", routes.control, methods=["GET", "POST"]),
        ]
    )


class _Routes:
    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def models(self, request: Request) -> Response:
        try:
            self.simulator.check_key(request)
        except RefusedError as refused:
            return json_response(refused.body(), refused.status)
        return json_response(model_list(self.simulator.config.models))

    async def health(self, _: Request) -> Response:
        return json_response({"status": "ok"})

    async def stats(self, _: Request) -> Response:
        return json_response(self.simulator.stats.snapshot())

    async def reset(self, request: Request) -> Response:
        """Counters go back to zero; attempts and windows too with ``{"attempts": true}``."""
        try:
            forget = _read_reset(await request.body())
        except InputError as error:
            return _bad_request(error)
        self.simulator.stats = Stats()
        if forget:
            self.simulator.attempts.clear()
            self.simulator.windows.clear()
        return json_response({"status": "ok"})

    async def control(self, request: Request) -> Response:
        """Change settings (all of those sent, or none); answers with what is in force."""
        try:
            changes = _read_object(await request.body())
            self.simulator.config = changed(self.simulator.config, changes)
        except InputError as error:
            return _bad_request(error)
        return json_response(self.simulator.config.changeable())


def _read_reset(raw: bytes) -> bool:
    body = _read_object(raw)
    forget = body.pop("attempts", False)
    if body or not isinstance(forget, bool):
        raise InputError('The body may hold "attempts" (true or false) and nothing else. Mend or omit it.')
    return forget


def _read_object(raw: bytes) -> dict[str, object]:
    try:
        body = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise InputError("The body is not valid JSON. Send a JSON object.") from None
    if not isinstance(body, dict):
        raise InputError(f"The body must be a JSON object; got {type(body).__name__}.")
    return body


def _bad_request(error: InputError) -> Response:
    return json_response(RefusedError(400, str(error)).body(), 400)
