from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import genai_prices
import pytest

from daydreaming.llm.price import ModelPrice
from daydreaming.llm.price_list import listed_price

SOURCE = f"genai-prices {genai_prices.__version__}, "


@pytest.mark.parametrize(
    ("name", "provider", "served_by"),
    [
        ("openai/gpt-4.1-mini", "openrouter", "openrouter"),
        ("gpt-4.1-mini", "openai", "openai"),
        ("gpt-4.1-mini", None, "openai"),
    ],
)
def test_a_listed_model_has_its_price_per_million_and_says_from_where(name, provider, served_by):
    assert listed_price(name, provider) == ModelPrice(0.4, 1.6, SOURCE + served_by)


def test_a_price_that_rises_with_the_prompt_is_that_of_a_short_one():
    # Over 200,000 tokens it is 2.50 and 15.
    assert listed_price("google/gemini-2.5-pro", "openrouter") == ModelPrice(
        1.25, 10.0, f"{SOURCE}openrouter"
    )


def test_a_free_model_costs_nothing_where_it_is_listed_as_free():
    listed = listed_price("meta-llama/llama-3.3-70b-instruct:free", "openrouter")
    assert listed == ModelPrice(0.0, 0.0, f"{SOURCE}openrouter")


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("vendor/model-that-nobody-made", "openrouter"),
        ("vendor/model-that-nobody-made:free", "openrouter"),
        # its paid form is listed
        ("openai/gpt-4.1-mini:free", "openrouter"),
        ("openai/gpt-4.1-mini:nitro", "openrouter"),
        ("gpt-4.1-mini:free", "openai"),
        ("gpt-4.1-mini", "a server of ours"),
        ("gpt-4.1-mini", ""),
        ("gemma-3-270m", "local"),
        ("gemma-3-270m", None),
        ("meta-llama/llama-3.3-70b-instruct", None),
        ("", None),
        # listed without a price for what it writes
        ("text-embedding-3-small", "openai"),
        # charges for each request too
        ("sonar", "perplexity"),
    ],
)
def test_what_the_list_does_not_fully_price_is_unknown(name, provider):
    assert listed_price(name, provider) is None


@pytest.mark.parametrize(
    ("model_id", "prices", "usd"),
    [
        ("vendor/m", {}, None),
        ("vendor/m", {"input_mtok": None, "output_mtok": None}, None),
        ("vendor/m", {"input_mtok": Decimal(1)}, None),
        ("vendor/m", {"output_mtok": Decimal(1)}, None),
        ("vendor/m:free", {"input_mtok": Decimal(1)}, None),
        ("vendor/m:free", {}, (0.0, 0.0)),
        ("vendor/m", {"input_mtok": Decimal("0.3"), "output_mtok": Decimal("2.5")}, (0.3, 2.5)),
        ("vendor/m", {"input_mtok": Decimal(0), "output_mtok": Decimal(0)}, (0.0, 0.0)),
    ],
)
def test_a_price_that_is_not_stated_is_not_taken_for_0(monkeypatch, model_id, prices, usd):
    costs = [(prices.get(name) or Decimal(0)) / 1000 for name in ("input_mtok", "output_mtok")]
    found = SimpleNamespace(
        provider=SimpleNamespace(id="openrouter"),
        model=SimpleNamespace(id=model_id),
        model_price=SimpleNamespace(**prices),
        input_price=costs[0],
        output_price=costs[1],
        total_price=sum(costs),
    )
    monkeypatch.setattr(genai_prices, "calc_price", lambda *_, **__: found)
    listed = listed_price(model_id, "openrouter")
    assert listed == (usd and ModelPrice(*usd, f"{SOURCE}openrouter"))
