"""The routes ``/v1/files`` and ``/v1/batches``."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.responses import Response
from starlette.routing import Route

from daydreaming.llm.simulator.batches import Batch
from daydreaming.llm.simulator.replies import json_response
from daydreaming.llm.simulator.wire import JsonObject, RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

    from daydreaming.llm.simulator.chat import Simulator

_Answer = Callable[["Request"], Awaitable["JsonObject | bytes"]]


def batch_routes(simulator: Simulator) -> list[Route]:
    """Routes that upload, create, poll, download and cancel."""
    routes = _BatchRoutes(simulator)
    return [
        Route("/v1/files", routes.answering(routes.upload), methods=["POST"]),
        Route("/v1/files/{file_id}", routes.answering(routes.file)),
        Route("/v1/files/{file_id}/content", routes.answering(routes.content)),
        Route("/v1/batches", routes.answering(routes.create), methods=["POST"]),
        Route("/v1/batches", routes.answering(routes.listing)),
        Route("/v1/batches/{batch_id}", routes.answering(routes.batch)),
        Route("/v1/batches/{batch_id}/cancel", routes.answering(routes.cancel), methods=["POST"]),
    ]


class _BatchRoutes:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def answering(self, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint that asks for the key first, and words refusals as OpenAI does."""

        async def endpoint(request: Request) -> Response:
            try:
                self._simulator.check_key(request)
                body = await answer(request)
            except RefusedError as refused:
                self._simulator.stats.bad_requests[str(refused.status)] += 1
                return json_response(refused.body(), refused.status)
            if isinstance(body, bytes):
                return Response(body, media_type="application/jsonl")
            return json_response(body)

        return endpoint

    async def upload(self, request: Request) -> JsonObject:
        async with request.form() as form:
            file, purpose = form.get("file"), form.get("purpose")
            if not isinstance(file, UploadFile) or purpose != "batch":
                raise RefusedError(400, "Send a file, and purpose batch, as multipart/form-data.")
            content = await file.read()
            return self._simulator.batches.upload(file.filename or "file", content, time.time())

    async def file(self, request: Request) -> JsonObject:
        return self._simulator.batches.file_body(request.path_params["file_id"], time.time())

    async def content(self, request: Request) -> bytes:
        return self._simulator.batches.content(request.path_params["file_id"])

    async def create(self, request: Request) -> JsonObject:
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            raise RefusedError(400, "The body is not valid JSON.", code="invalid_json") from None
        if not isinstance(body, dict):
            raise RefusedError(400, "The body must be a JSON object.", code="invalid_json")
        simulator = self._simulator
        return simulator.batches.create(body, simulator.config, simulator.stats, time.time()).body()

    async def listing(self, _: Request) -> JsonObject:
        """All on one page."""
        found = [self._advanced(batch).body() for batch in self._simulator.batches.all()]
        ids = [batch["id"] for batch in found] or [None]
        return {
            "object": "list",
            "data": found,
            "first_id": ids[0],
            "last_id": ids[-1],
            "has_more": False,
        }

    async def batch(self, request: Request) -> JsonObject:
        return self._advanced(self._simulator.batches.get(request.path_params["batch_id"])).body()

    async def cancel(self, request: Request) -> JsonObject:
        batch = self._advanced(self._simulator.batches.get(request.path_params["batch_id"]))
        self._simulator.batches.cancel(batch, self._simulator.stats, time.time())
        return batch.body()

    def _advanced(self, batch: Batch) -> Batch:
        simulator = self._simulator
        simulator.batches.advance(batch, simulator.config, simulator.stats, simulator.attempts, time.time())
        return batch
