"""What a call costs: reserved before it is sent, known afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from daydreaming.errors import Usage
from daydreaming.inputs.records import LLMModel
from daydreaming.llm.price import ModelPrice, call_nanousd, to_nanousd, worst_case_nanousd
from daydreaming.llm.price_list import listed_price
from daydreaming.llm.request import ChatRequest

#: What a call in a batch costs of the ordinary price: OpenAI and Anthropic both take half.
BATCH_PRICE_FACTOR = 0.5


@dataclass(frozen=True)
class Cost:
    """What a call cost, in billionths of a US dollar, and who says so; None where nobody does."""

    nanousd: int | None
    source: str


def model_price(model: LLMModel) -> ModelPrice | None:
    """The model's price: from ``llm_models.csv``; where a column is empty, both from the price list.

    None where neither says. The first look-up in the list takes a process a third of a second.
    """
    if model.usd_per_1m_input is None or model.usd_per_1m_output is None:
        return _listed_price(model.model, model.provider)
    return ModelPrice(model.usd_per_1m_input, model.usd_per_1m_output, "llm_models.csv")


def batch_price(model: LLMModel) -> ModelPrice | None:
    """The model's price in a batch; None where the ordinary one is unknown."""
    price = model_price(model)
    if price is None:
        return None
    return ModelPrice(
        price.usd_per_1m_input * BATCH_PRICE_FACTOR,
        price.usd_per_1m_output * BATCH_PRICE_FACTOR,
        f"{price.source}, batch",
    )


def planned_price(model: LLMModel) -> ModelPrice | None:
    """The price that a plan counts with: that of batches where the model is called so."""
    return batch_price(model) if model.is_batched else model_price(model)


@lru_cache(maxsize=1024)
def _listed_price(model_name: str, provider: str) -> ModelPrice | None:
    return listed_price(model_name, provider)


def reserved_nanousd(price: ModelPrice | None, request: ChatRequest) -> int | None:
    """The worst case of a request; None without a price."""
    if price is None:
        return None
    return worst_case_nanousd(price, len(request.prompt.encode()), request.max_tokens)


def cost_of(price: ModelPrice | None, usage: Usage) -> Cost:
    """What the provider states; else usage at the model's price."""
    if usage.cost_usd is not None:
        return Cost(to_nanousd(usage.cost_usd), "provider")
    if price is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return Cost(None, "unknown")
    return Cost(call_nanousd(price, usage.prompt_tokens, usage.completion_tokens), price.source)
