"""The HTTP client of calls to models: it follows nobody elsewhere, and reads no more than an answer can be.

Imports the openai package, which takes long: import this where a client is made.
"""

from __future__ import annotations

from typing import Any

from openai import DefaultAsyncHttpxClient

from daydreaming.errors import LLMPermanentError

#: As JSON, the longest answers of today's models (128,000 tokens) are a tenth of it at most.
MAX_ANSWER_BYTES = 16 * 2**20
#: What is kept of an error's body.
_MAX_ERROR_BYTES = 2**20
_ERROR = 400
#: They say how the body was sent, which it is no more.
_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


class BoundedClient(DefaultAsyncHttpxClient):
    """Counts what it reads, unpacked, and stops where it is more than any answer."""

    def __init__(self) -> None:
        # A provider that sends us elsewhere could have any server within reach asked, and its answer stored.
        super().__init__(follow_redirects=False)

    async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
        """As the parent's.

        Raises:
            LLMPermanentError: The answer is too large; it may have been billed.
        """
        response = await super().send(request, stream=True, **options)
        if stream:
            return response
        try:
            body = await _read(response)
        finally:
            await response.aclose()
        kept = [(k, v) for k, v in response.headers.multi_items() if k not in _OF_THE_TRANSFER]
        return type(response)(
            response.status_code,
            headers=kept,
            content=body,
            request=response.request,
            extensions=response.extensions,
            history=response.history,
        )


async def _read(response: Any) -> bytes:
    """The body, unpacked. Of an error only the beginning, for its status says what becomes of the call."""
    is_error = response.status_code >= _ERROR
    limit = _MAX_ERROR_BYTES if is_error else MAX_ANSWER_BYTES
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > limit and is_error:
            break
        if len(body) > limit:
            raise LLMPermanentError(
                f"The answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB, which no answer of a model is; "
                "it was not read to its end. See whether the connection's host is the provider's API.",
                status=response.status_code,
                is_outcome_unknown=True,
            )
    return bytes(body[:limit])
