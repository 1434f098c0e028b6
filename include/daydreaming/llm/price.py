"""Price of a call. PURE. Money is in billionths of a US dollar, as whole numbers rounded up."""

from __future__ import annotations

import math
from dataclasses import dataclass

_NANO = 1_000_000_000
#: A ten-thousandth of a US dollar.
_SHOWN_NANO = 100_000
#: A tokenizer that knows nothing of a text makes a token of each byte; chat formats add some around it.
_FRAME_TOKENS = 64


@dataclass(frozen=True)
class ModelPrice:
    """US dollars per million tokens, and where that was found."""

    usd_per_1m_input: float
    usd_per_1m_output: float
    source: str


def call_nanousd(price: ModelPrice, prompt_tokens: int, completion_tokens: int) -> int:
    """Price of a call in billionths of a US dollar, rounded up."""
    # A dollar per million tokens is 1,000 billionths per token.
    exact = (prompt_tokens * price.usd_per_1m_input + completion_tokens * price.usd_per_1m_output) * 1_000
    return _up(exact)


def to_nanousd(usd: float) -> int:
    """US dollars in billionths, rounded up."""
    return _up(usd * _NANO)


def worst_case_nanousd(price: ModelPrice, prompt_bytes: int, max_tokens: int) -> int:
    """The most that a call can cost: a token for each byte of its prompt, and all of ``max_tokens``."""
    return call_nanousd(price, prompt_bytes + _FRAME_TOKENS, max_tokens)


def to_usd(nanousd: int) -> float:
    """Billionths of a US dollar in dollars."""
    return nanousd / _NANO


def usd_text(nanousd: int) -> str:
    """Money as a person reads it: US dollars with four decimals, rounded up."""
    return f"{-(-nanousd // _SHOWN_NANO) * _SHOWN_NANO / _NANO:,.4f}"


def _up(nanousd: float) -> int:
    # Rounded first: 0.1 + 0.2 is a little more than 0.3 for a computer, and would cost a billionth more.
    return math.ceil(round(nanousd, 3))
