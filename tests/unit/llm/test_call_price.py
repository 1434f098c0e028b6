from __future__ import annotations

import pytest

from daydreaming.inputs.records import LLMModel
from daydreaming.llm.price import call_cost_usd


def model(price_in, price_out) -> LLMModel:
    return LLMModel(
        "m",
        "prov/m",
        "prov",
        "M",
        for_generation=True,
        for_evaluation=True,
        specialization="",
        conn_id="c",
        pool="p",
        usd_per_1m_input=price_in,
        usd_per_1m_output=price_out,
    )


@pytest.mark.parametrize(
    ("prices", "tokens", "cost"),
    [
        ((0.15, 0.6), (1_000_000, 1_000_000), 0.75),
        ((1.0, 2.0), (500, 250), 0.001),
        ((0.0, 0.0), (500, 250), 0.0),
        ((1.0, 2.0), (0, 0), 0.0),
        ((None, 2.0), (500, 250), None),
        ((1.0, None), (500, 250), None),
        ((1.0, 2.0), (None, 250), None),
        ((1.0, 2.0), (500, None), None),
    ],
)
def test_a_call_costs_its_tokens_at_the_listed_prices_where_all_is_known(prices, tokens, cost):
    assert call_cost_usd(model(*prices), *tokens) == pytest.approx(cost)
