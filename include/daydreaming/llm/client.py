"""One attempt at one call: send the request, read the answer, or raise the typed error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from daydreaming.errors import LLMError, LLMPermanentError, LLMTransientError
from daydreaming.llm.answer import Answer, read_completion
from daydreaming.llm.request import ChatRequest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_HIDDEN = "***"
#: A shorter one is a placeholder for a server that asks for none.
_MIN_SECRET_CHARS = 4
_ERROR = 400


async def send(
    client: AsyncOpenAI,
    request: ChatRequest,
    *,
    timeout_s: float,
    on_headers: Callable[[int, Mapping[str, str]], None] | None = None,
) -> Answer:
    """Make one attempt.

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
        return read_completion(status, headers, body, max_tokens=request.max_tokens)
    except LLMError as error:
        raise _without_secret(error, str(client.api_key or "")) from None


def _all_headers(body: str, headers: Mapping[str, str]) -> dict[str, str]:
    """An error's headers and those that its body repeats or adds."""
    from daydreaming.llm.rate_headers import headers_in_body

    return {**headers_in_body(body), **headers}


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
        raise LLMTransientError(
            f"No answer from {_address(client)} within {timeout_s:g} s.", is_outcome_unknown=True
        ) from error
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        raise LLMTransientError(
            f"The connection to {_address(client)} failed ({type(cause).__name__}: {cause}).",
            is_outcome_unknown=not _is_unsent(cause),
        ) from error
    return _parts(raw.http_response)


def _is_unsent(cause: BaseException) -> bool:
    # By name: the openai package chooses which HTTP library raises it.
    return type(cause).__name__ == "ConnectError"


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


def _without_secret(error: LLMError, secret: str) -> LLMError:
    """The same error with the key taken out: some providers repeat it in their messages."""
    if len(secret) < _MIN_SECRET_CHARS:
        return error
    error.args = (_hide(str(error), secret),)
    return error


def _hide(message: str, secret: str) -> str:
    message = message.replace(secret, _HIDDEN)
    cut = message.removesuffix("…")
    if cut != message:
        # The excerpt of a long page may end within the key.
        for length in range(len(secret) - 1, _MIN_SECRET_CHARS - 1, -1):
            if cut.endswith(secret[:length]):
                return f"{cut[:-length]}{_HIDDEN}…"
    return message
