"""Requests read and bodies written, in the shapes of OpenAI and OpenRouter. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daydreaming.llm.simulator.texts import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROVIDER = "Simulator"
ANY_MODEL = "simulated"
HTML_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Hold on</title></head>"
    "<body><h1>Hold on</h1><p>The gateway is checking your browser.</p></body></html>\n"
)

JsonObject = dict[str, Any]


class RefusedError(Exception):
    """A request that no answer is made for.

    Attributes:
        status: HTTP status.
        code: Short name for programs, or None.
        param: The field of the request that is wrong, or None.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None
    ) -> None:
        self.status = status
        self.code = code
        self.param = param
        super().__init__(message)

    def body(self) -> JsonObject:
        """The error as OpenAI words it."""
        error = {
            "message": str(self),
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }
        return {"error": error}


@dataclass(frozen=True)
class ChatCall:
    """A request for a completion, as far as the simulator reads it."""

    model: str
    prompt: str
    max_tokens: int | None = None


def read_chat(raw: bytes) -> ChatCall:
    """Read the body of ``POST /v1/chat/completions``; fields it does not know are passed over.

    Raises:
        RefusedError: 400: not JSON, no model, no messages, streaming, more than one choice.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(
            400, "The body is not valid JSON. Send a JSON object.", code="invalid_json"
        ) from None
    if not isinstance(body, dict):
        raise RefusedError(
            400, f"The body must be a JSON object; got {type(body).__name__}.", code="invalid_json"
        )
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise RefusedError(400, "You must provide a model: a non-empty string.", param="model")
    if body.get("stream"):
        raise RefusedError(
            400, "The simulator does not stream. Leave out stream, or send false.", param="stream"
        )
    if body.get("n") not in (None, 1):
        raise RefusedError(400, f"n must be 1; got {body['n']!r}.", param="n")
    return ChatCall(model, prompt_of(body.get("messages")), _read_max_tokens(body))


def prompt_of(messages: object) -> str:
    """The prompt that ``messages`` make: their texts, joined by an empty line.

    Raises:
        RefusedError: 400: no messages, or one without text.
    """
    if not isinstance(messages, list) or not messages:
        raise RefusedError(400, "messages must be a non-empty list.", param="messages")
    return "\n\n".join(_text_of(message, index) for index, message in enumerate(messages))


def completion(
    call: ChatCall, text: str, finish_reason: str, *, number: str, created: int, price: Sequence[float] | None
) -> JsonObject:
    """A chat completion; ``usage`` counts tokens by ``estimate_tokens``, its ``cost`` is in US dollars.

    The response id is made of ``number``, which tells this call from others; ``created`` is in seconds
    since 1970; without a ``price`` (see ``SimulatorConfig``) there is no ``cost``.
    """
    prompt_tokens, completion_tokens = estimate_tokens(call.prompt), estimate_tokens(text)
    usage: JsonObject = {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
    if price is not None:
        usage["cost"] = round((prompt_tokens * price[0] + completion_tokens * price[1]) / 1e6, 10)
    message = {"role": "assistant", "content": text}
    return {
        "id": f"gen-sim-{hashlib.sha256(number.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}",
        "object": "chat.completion",
        "created": created,
        "model": call.model,
        "provider": PROVIDER,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": usage,
    }


def provider_error(code: int, message: str, metadata: Mapping[str, object]) -> JsonObject:
    """An error as OpenRouter words it, when the model behind it fails."""
    return {
        "error": {"message": message, "code": code, "metadata": dict(metadata)},
        "user_id": "user_simulated",
    }


def model_list(models: Sequence[str]) -> JsonObject:
    """The body of ``GET /v1/models``; where any name is served, one stands for all."""
    return {
        "object": "list",
        "data": [
            {"id": model, "object": "model", "created": 0, "owned_by": "simulator"}
            for model in models or (ANY_MODEL,)
        ],
    }


def _read_max_tokens(body: JsonObject) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RefusedError(400, f"{name} must be a whole number of 1 or more; got {value!r}.", param=name)
        return value
    return None


def _text_of(message: object, index: int) -> str:
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str)) or None
    if not isinstance(content, str):
        param = f"messages[{index}].content"
        raise RefusedError(400, f"{param} must be a string or a list of text parts.", param=param)
    return content
