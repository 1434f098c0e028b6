from __future__ import annotations

import pytest

from daydreaming.llm.price import (
    ModelPrice,
    call_nanousd,
    to_nanousd,
    to_usd,
    usd_text,
    worst_case_nanousd,
)


def price(usd_in: float, usd_out: float) -> ModelPrice:
    return ModelPrice(usd_in, usd_out, "a test")


@pytest.mark.parametrize(
    ("prices", "tokens", "nanousd"),
    [
        ((0.15, 0.6), (1_000_000, 1_000_000), 750_000_000),
        ((1.0, 2.0), (500, 250), 1_000_000),
        ((0.0, 0.0), (500, 250), 0),
        ((1.0, 2.0), (0, 0), 0),
        # 0.1 + 0.2 dollars per million: 0.3 exactly, though not for a computer
        ((0.1, 0.2), (1, 1), 300),
        # a ten-billionth is rounded up
        ((0.0001, 0.0), (1, 0), 1),
    ],
)
def test_a_call_costs_its_tokens_at_the_prices_per_million_rounded_up(prices, tokens, nanousd):
    assert call_nanousd(price(*prices), *tokens) == nanousd


def test_the_worst_case_has_a_token_for_each_byte_and_some_for_the_frame_and_all_of_max_tokens():
    assert worst_case_nanousd(price(1.0, 2.0), 936, 500) == 1_000_000 + 1_000_000


@pytest.mark.parametrize("usd", [0, 0.1, 0.000000001, 12.345678901, 1_000_000])
def test_dollars_come_back_from_billionths(usd):
    assert to_usd(to_nanousd(usd)) == pytest.approx(usd, abs=1e-9)


@pytest.mark.parametrize(
    ("nanousd", "text"),
    [
        (0, "0.0000"),
        (1, "0.0001"),
        (100_000, "0.0001"),
        (100_001, "0.0002"),
        (1_234_567_890_000, "1,234.5679"),
    ],
)
def test_money_is_shown_rounded_up_so_that_a_worst_case_is_never_passed(nanousd, text):
    assert usd_text(nanousd) == text
