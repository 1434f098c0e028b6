"""What is sent to a model, and the hashes that tell one request from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ChatRequest:
    """One call to one model.

    Attributes:
        model: Name that the provider knows.
        prompt: The whole user message.
        temperature: Sampling temperature.
        max_tokens: Most completion tokens that the answer may have.
        extra_body: Further fields of the request body (routing, grammar, seed).
    """

    model: str
    prompt: str
    temperature: float
    max_tokens: int
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Everything of the request but the prompt, as JSON values."""
        return {
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "extra_body": dict(self.extra_body),
        }

    @property
    def prompt_sha256(self) -> str:
        """SHA-256 of the rendered prompt (UTF-8), as hex digits."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()

    @property
    def request_hash(self) -> str:
        """SHA-256 over prompt hash and parameters: equal exactly when the same would be sent."""
        identity = {"prompt_sha256": self.prompt_sha256, **self.parameters()}
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
