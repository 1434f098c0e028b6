"""The last of the tests, so that it may ask whether the others typed all that `documented.py` says."""

from __future__ import annotations

import pytest

from tests.compose.documented import DOCUMENTED, lines
from tests.compose.stack import Stack

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("block", DOCUMENTED, ids=str)
def test_every_line_of_a_block_was_typed(stack: Stack, block):
    # Where services are named after it, it is the same line.
    assert [line for line in lines(block) if not any(t.startswith(line) for t in stack.typed)] == []
