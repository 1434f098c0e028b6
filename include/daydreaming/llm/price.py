"""Dollars of a call. PURE."""

from __future__ import annotations

from daydreaming.inputs.records import LLMModel

_PER_MILLION = 1_000_000


def call_cost_usd(model: LLMModel, prompt_tokens: int | None, completion_tokens: int | None) -> float | None:
    """Price of a call in US dollars from the model's listed prices; None where price or usage is unknown."""
    if model.usd_per_1m_input is None or model.usd_per_1m_output is None:
        return None
    if prompt_tokens is None or completion_tokens is None:
        return None
    return (
        prompt_tokens * model.usd_per_1m_input + completion_tokens * model.usd_per_1m_output
    ) / _PER_MILLION
