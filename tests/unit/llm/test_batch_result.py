"""What a batch says of one member."""

from __future__ import annotations

import json

import pytest

from daydreaming.errors import LLMPermanentError, LLMTransientError, Usage
from daydreaming.llm.batch_result import read_batch_result, redacted_lines
from tests.support.batches import error_row, row_of


def test_an_answer_is_read_with_where_it_came_from():
    answer = read_batch_result(row_of(0, "An essay."), max_tokens=300)
    assert (answer.text, answer.model_returned, answer.finish_reason) == (
        "An essay.",
        "prov/paid-2026",
        "stop",
    )
    assert answer.response_id == "0123456789abcdef-0"
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cost_usd) == (100, 200, None)


def test_tokens_that_nobody_counted_are_unknown_and_not_none_at_all():
    uncounted = row_of(0, "An essay.", usage={"input_tokens": 0, "output_tokens": 0})
    answer = read_batch_result(uncounted, max_tokens=300)
    assert (answer.prompt_tokens, answer.completion_tokens) == (None, None)


@pytest.mark.parametrize(
    ("row", "error", "message"),
    [
        (error_row(0), LLMPermanentError, r"an error \(server_error\): The server had an error"),
        (error_row(0, provider_code=None), LLMPermanentError, "an error: The server had an error"),
        (error_row(0, "expired"), LLMPermanentError, "before the batch expired"),
        (error_row(0, "cancelled"), LLMPermanentError, "was cancelled before"),
        (error_row(0, "missing"), LLMPermanentError, "do not name it"),
        (row_of(0, "Half an", finish_reason="length"), LLMPermanentError, "cut off .* max_tokens is 300"),
        (row_of(0, "Half an", finish_reason="max_tokens"), LLMPermanentError, "cut off"),
        (row_of(0, "No.", finish_reason="refusal"), LLMPermanentError, "content filter"),
        (row_of(0, None, status="invalid_output"), LLMTransientError, "empty answer"),
        (row_of(0, "  "), LLMTransientError, "empty answer"),
    ],
)
def test_what_is_no_answer_says_why(row, error, message):
    with pytest.raises(error, match=message) as raised:
        read_batch_result(row, max_tokens=300)
    is_billed = row["usage"] is not None
    assert raised.value.usage == (Usage(100, 200) if is_billed else None)


def test_text_without_an_end_that_anybody_named_is_an_answer():
    assert read_batch_result(row_of(0, "Fine.", finish_reason=None), max_tokens=300).finish_reason == ""


def test_a_key_in_a_batchs_results_is_hidden_and_only_its_row_says_so():
    key = "sk-very-secret-0123456789"
    rows = [row_of(0, f"My key is {key}."), row_of(1, "An essay.\u2028It ends."), error_row(2, message=key)]
    text = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    lines = redacted_lines(text, [key])
    told, quiet, failed = (json.loads(line) for line in lines)
    assert key not in "".join(lines)
    assert quiet == rows[1]
    answer = read_batch_result(told, max_tokens=300)
    assert (answer.text, answer.is_redacted) == ("My key is ***.", True)
    assert not read_batch_result(quiet, max_tokens=300).is_redacted
    with pytest.raises(LLMPermanentError, match=r": \*\*\*$"):
        read_batch_result(failed, max_tokens=300)
