from __future__ import annotations

from dataclasses import replace

import genai_prices
import pytest

from daydreaming.errors import Usage
from daydreaming.inputs.records import LLMModel
from daydreaming.llm.price import ModelPrice
from daydreaming.pipeline import pricing
from daydreaming.pipeline.pricing import Cost, cost_of, model_price, reserved_nanousd

LISTED = ModelPrice(0.4, 1.6, f"genai-prices {genai_prices.__version__}, openrouter")
MODEL = LLMModel(
    "m",
    "openai/gpt-4.1-mini",
    "openrouter",
    "M",
    for_generation=True,
    for_evaluation=True,
    specialization="",
    conn_id="c",
    pool="p",
)


@pytest.mark.parametrize(
    ("columns", "price"),
    [
        ((1.0, 2.0), ModelPrice(1.0, 2.0, "llm_models.csv")),
        ((0.0, 0.0), ModelPrice(0.0, 0.0, "llm_models.csv")),
        ((None, None), LISTED),
        ((1.0, None), LISTED),
        ((None, 2.0), LISTED),
    ],
)
def test_the_csv_says_the_price_and_the_list_where_a_column_is_empty(columns, price):
    model = replace(MODEL, usd_per_1m_input=columns[0], usd_per_1m_output=columns[1])
    assert model_price(model) == price


@pytest.mark.parametrize(
    ("name", "provider"),
    [("gemma-3-270m", "local"), ("vendor/nobody-made-it", "openrouter"), ("gpt-4.1-mini", ""), ("x", "us")],
)
def test_a_model_that_neither_knows_stays_without_a_price(name, provider):
    model = replace(MODEL, model=name, provider=provider)
    assert model_price(model) is None
    assert cost_of(model_price(model), Usage(100, 200)) == Cost(None, "unknown")


def test_the_list_is_asked_once_per_model_and_not_for_a_price_that_is_given(monkeypatch):
    asked = []
    monkeypatch.setattr(pricing, "listed_price", lambda *names: asked.append(names))
    pricing._listed_price.cache_clear()
    for _ in range(2):
        assert model_price(MODEL) is None
        assert model_price(replace(MODEL, usd_per_1m_input=1.0, usd_per_1m_output=1.0)) is not None
    pricing._listed_price.cache_clear()
    assert asked == [("openai/gpt-4.1-mini", "openrouter")]


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        (LISTED, Usage(1000, 1000, 0.5), Cost(500_000_000, "provider")),
        (LISTED, Usage(1000, 1000), Cost(2_000_000, LISTED.source)),
        (LISTED, Usage(None, 1000), Cost(None, "unknown")),
        (None, Usage(1000, 1000, 0.0), Cost(0, "provider")),
        (None, Usage(1000, 1000), Cost(None, "unknown")),
    ],
)
def test_the_provider_says_what_a_call_cost_else_its_usage_at_the_price(price, usage, cost):
    assert cost_of(price, usage) == cost


def test_nothing_can_be_reserved_without_a_price():
    assert reserved_nanousd(None, None) is None
