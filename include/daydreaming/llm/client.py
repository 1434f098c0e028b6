"""One attempt at one call: send the request, read the answer, or raise the typed error."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from daydreaming.errors import LLMError, LLMPermanentError, LLMTransientError
from daydreaming.llm.answer import Answer, read_completion
from daydreaming.llm.redaction import forms_of, forms_of_keys, hide_in_answer, hide_in_excerpt
from daydreaming.llm.request import ChatRequest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ERROR = 400
_CONNECT_TIMEOUT_S = 30.0
_SECRET_HEADER = re.compile("auth|key|token|secret|cookie", re.IGNORECASE)


async def send(
    client: AsyncOpenAI,
    request: ChatRequest,
    *,
    timeout_s: float,
    on_headers: Callable[[int, Mapping[str, str]], None] | None = None,
) -> Answer:
    """Make one attempt. What comes back, answer or error, is without the connection's secrets.

    Args:
        client: From the Airflow connection, with ``max_retries`` 0.
        request: What to send.
        timeout_s: Seconds until the attempt counts as timed out.
        on_headers: Told status and headers (names in lower case) of whatever the provider answered.

    Raises:
        LLMTransientError: Trying again may help.
        LLMPermanentError: It cannot.
    """
    try:
        _check_key(str(client.api_key or ""))
        status, headers, body = await _post(client, request, timeout_s)
        if on_headers:
            on_headers(status, _all_headers(body, headers) if status >= _ERROR else headers)
        answer = read_completion(status, headers, body, max_tokens=request.max_tokens)
    except LLMError as error:
        error.args = (hide_in_excerpt(str(error), forms_of(_secrets_of(client))),)
        raise error from None
    return hide_in_answer(answer, forms_of_keys(_secrets_of(client)))


def _all_headers(body: str, headers: Mapping[str, str]) -> dict[str, str]:
    """An error's headers and those that its body repeats or adds."""
    from daydreaming.llm.rate_headers import headers_in_body

    return {**headers_in_body(body), **headers}


async def _post(
    client: AsyncOpenAI, request: ChatRequest, timeout_s: float
) -> tuple[int, dict[str, str], str]:
    import openai

    # Where nobody answers at all, nothing was sent, and nothing can have been billed.
    connect_s = min(_CONNECT_TIMEOUT_S, timeout_s / 2)
    try:
        # The client's own timeout begins anew with each byte: who sends one now and then would never end.
        async with asyncio.timeout(timeout_s):
            raw = await client.chat.completions.with_raw_response.create(
                model=request.model,
                messages=[{"role": "user", "content": request.prompt}],
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                extra_body=dict(request.extra_body) or None,
                timeout=openai.Timeout(timeout_s, connect=connect_s),
            )
    except openai.APIStatusError as error:
        return _parts(error.response)
    except (openai.APIConnectionError, TimeoutError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, LLMError):  # from BoundedClient, and no failed connection
            raise cause from None
        if isinstance(error, openai.APITimeoutError | TimeoutError) and not _is_unsent(cause):
            raise LLMTransientError(
                f"No answer from {_address(client)} within {timeout_s:g} s.", is_outcome_unknown=True
            ) from error
        raise LLMTransientError(
            f"The connection to {_address(client)} failed ({type(cause).__name__}: {cause}).",
            is_outcome_unknown=not _is_unsent(cause),
        ) from error
    return _parts(raw.http_response)


def _is_unsent(cause: BaseException) -> bool:
    # By name: the openai package chooses which HTTP library raises it.
    return type(cause).__name__ in ("ConnectError", "ConnectTimeout", "PoolTimeout")


def _parts(response: Any) -> tuple[int, dict[str, str], str]:
    return response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.text


def _check_key(key: str) -> None:
    # Sent all the same, it fails deep in the HTTP library with a message that quotes it.
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise LLMPermanentError(
            "The API key of the connection holds a space at its end, a line end or a character that is not "
            "ASCII, which no HTTP header can carry. Correct the connection's password."
        )


def _address(client: AsyncOpenAI) -> str:
    return str(client.base_url.copy_with(username=None, password=None))


def _secrets_of(client: AsyncOpenAI) -> Iterator[str]:
    """The key, and what else the connection may send to prove who asks."""
    yield str(client.api_key or "")
    yield str(client.base_url.password or "")
    for name, value in client.default_headers.items():
        if isinstance(value, str) and _SECRET_HEADER.search(name):
            # Without the scheme, such as Bearer.
            yield value.rpartition(" ")[2]
