"""One attempt at one call: send the request, read the answer, or raise the typed error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daydreaming.errors import DaydreamingError, LLMPermanentError, LLMTransientError
from daydreaming.llm.answer import Answer, read_completion
from daydreaming.llm.request import ChatRequest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_HIDDEN = "***"


async def send(client: AsyncOpenAI, request: ChatRequest, *, timeout_s: float) -> Answer:
    """Make one attempt.

    Args:
        client: From the Airflow connection, with ``max_retries`` 0.
        request: What to send.
        timeout_s: Seconds until the attempt counts as timed out.

    Raises:
        LLMTransientError: Trying again may help.
        LLMPermanentError: It cannot.
    """
    try:
        status, headers, body = await _post(client, request, timeout_s)
        return read_completion(status, headers, body, max_tokens=request.max_tokens)
    except DaydreamingError as error:
        raise _without_secret(error, str(client.api_key or "")) from None


async def _post(
    client: AsyncOpenAI, request: ChatRequest, timeout_s: float
) -> tuple[int, dict[str, str], str]:
    import openai

    try:
        raw = await client.chat.completions.with_raw_response.create(
            model=request.model,
            messages=[{"role": "user", "content": request.prompt}],
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            extra_body=dict(request.extra_body) or None,
            timeout=timeout_s,
        )
    except openai.APIStatusError as error:
        return _parts(error.response)
    except openai.APITimeoutError as error:
        raise LLMTransientError(f"No answer from {client.base_url} within {timeout_s:g} s.") from error
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        raise LLMTransientError(
            f"The connection to {client.base_url} failed ({type(cause).__name__}: {cause})."
        ) from error
    return _parts(raw.http_response)


def _parts(response: Any) -> tuple[int, dict[str, str], str]:
    return response.status_code, {k.lower(): v for k, v in response.headers.items()}, response.text


def _without_secret(error: DaydreamingError, secret: str) -> DaydreamingError:
    """The same error with the key taken out: some providers repeat it in their messages."""
    message = str(error).replace(secret, _HIDDEN) if len(secret) > 3 else str(error)
    if isinstance(error, LLMTransientError):
        return LLMTransientError(message, error.retry_after_s)
    return LLMPermanentError(message)
