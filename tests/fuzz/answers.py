"""Targets: what models and providers send, and what becomes of it in tables and prompts."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math

from tests.fuzz.base import LONGEST_LINE, check_lines, inputs_root, text_of

# Readers of answers


def run_essay(data: bytes) -> None:
    """Each essay parser, and thinking."""
    from daydreaming.errors import EssayParseError, ParseError
    from daydreaming.inputs.records import ESSAY_PARSERS
    from daydreaming.parsing.essay import parse_essay
    from daydreaming.parsing.thinking import answer_spans, strip_thinking

    text = text_of(data)
    for parser in ESSAY_PARSERS:
        try:
            essay = parse_essay(text, parser)
        except EssayParseError as error:
            check_lines([str(error)])
        else:
            assert essay == essay.strip()
            assert any(map(str.isalnum, essay))
            assert "<thinking>" not in essay
    with contextlib.suppress(ParseError):
        spans = answer_spans(text)
        assert all(0 <= start <= end <= len(text) for start, end in spans)
    with contextlib.suppress(ParseError):
        strip_thinking(text)


def run_score(data: bytes) -> None:
    """Each score parser: from the text, with its place, and from a file."""
    from daydreaming.errors import ScoreParseError
    from daydreaming.inputs.records import SCORE_PARSERS
    from daydreaming.parsing.score import Scale, locate_score, parse_score, parse_score_file

    text, scale = text_of(data), Scale(0, 10)
    path = inputs_root() / "verdict.txt"
    path.write_bytes(data)
    for parser in SCORE_PARSERS:
        found, score = parse_score_file(path, parser, scale), None
        try:
            score = parse_score(text, parser, scale)
        except ScoreParseError as error:
            check_lines([str(error)])
        else:
            located = locate_score(text, parser, scale)
            assert located.points == score
            assert 0 <= score <= 10
            assert any(map(str.isdigit, text[located.start : located.end]))
        if found.error is not None:
            check_lines([found.error])
        elif max(text, default="") < "\udc80" or text.isascii():
            assert found.score == score


ANSWER_SEEDS = (
    "<thinking>plan</thinking>\n<essay>Minds wander.</essay>\n<endnotes>x</endnotes>",
    "# Thinking\nplan\n# Essay\n---\nMinds wander.\n## Analysis\nfine\n# Notes\nx",
    "**Essay:** Minds wander.\n\nESSAY:\nMinds.",
    "plan</think>Minds <b>wander</b>.",
    "Reasons.\nSCORE: 7",
    "| Total | Score: **7.5/10** |\n\nFinal score: 8 out of 10 (fine)",
    "### Score\n> 4 on a 1-5 scale\nSCORE: 7, 8, 9",
)
ANSWER_WORDS = (
    "<thinking>",
    "</thinking>",
    "<think>",
    "</think>",
    "<essay>",
    "</essay>",
    "<essay/>",
    "# Essay\n",
)
ANSWER_WORDS += (
    "Essay:",
    "**Essay**",
    "SCORE: ",
    "Score",
    "/10",
    " out of 10",
    "7",
    "-0.5",
    "final ",
    "| ",
    "\r\n",
)
ANSWER_WORDS += (
    "：",
    "→",
    "\ufeff",
    "\u200b",
    "\u2028",
    "٣",
    "scratchpad",
    "(",
    ")",
    "ſ",
    "on a scale of 1 to 5",
)


# Providers


def run_answer(data: bytes) -> None:
    """What a provider sends: the first byte chooses the status, the rest is the body."""
    from daydreaming.errors import LLMError
    from daydreaming.llm.answer import read_completion
    from daydreaming.llm.rate_headers import headers_in_body, pause_s, read_rate_headers

    statuses = (200, 200, 200, 429, 400, 500, 204, 999)
    status = statuses[data[0] % len(statuses)] if data else 200
    body = text_of(data[1:])
    headers = headers_in_body(body)
    pause = pause_s(status, read_rate_headers(headers, 1_772_366_400.0))
    assert pause is None or 0 <= pause <= 48 * 3600
    try:
        answer = read_completion(status, headers, body, max_tokens=10)
    except LLMError as error:
        check_lines([str(error)])
        return
    assert answer.text.strip()
    for name in ("text", "model_returned", "upstream_provider", "response_id", "finish_reason"):
        value = getattr(answer, name)
        value.encode()
        assert "\0" not in value
        assert name == "text" or (len(value) <= LONGEST_LINE and not {"\r", "\n"} & set(value))
    assert all(c is None or 0 <= c < 2**31 for c in (answer.prompt_tokens, answer.completion_tokens))
    assert answer.cost_usd is None or (math.isfinite(answer.cost_usd) and answer.cost_usd >= 0)


def run_batch(data: bytes) -> None:
    """A member's row in the results of a batch."""
    from daydreaming.errors import LLMError
    from daydreaming.llm.batch_result import read_batch_result

    try:
        row = json.loads(text_of(data))
    except (ValueError, RecursionError):
        return
    try:
        answer = read_batch_result(row if isinstance(row, dict) else {"status": row}, max_tokens=10)
    except LLMError as error:
        check_lines([str(error)])
    else:
        answer.text.encode()


REPLY = (
    '{"id": "g", "model": "m", "provider": "U", "choices": [{"index": 0, "finish_reason": "stop", "message": '
    '{"role": "assistant", "content": "Fine."}}], "usage": '
    '{"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.5}}'
)
REPLY_SEEDS = (
    f"0{REPLY}",
    '3{"error": {"code": 429, "message": "slow", "metadata": {"headers": {"X-RateLimit-Reset": "1e9"}}}}',
    "5<html><h1>Bad gateway",
    '0{"choices": [{"error": {"code": 502}}]}',
)
BATCH_SEEDS = (
    '{"custom_id": "a-0", "status": "success", "output": "Fine.", "usage": {"input_tokens": 1}}',
    '{"custom_id": "a-0", "status": "error", "error": {"message": "m", "provider_code": "c"}, "model": "m"}',
)
JSON_WORDS = (
    '"error"',
    '"code"',
    '"message"',
    '"choices"',
    '"content"',
    '"usage"',
    '"cost"',
    '"finish_reason"',
)
JSON_WORDS += (
    '"length"',
    '"status"',
    '"output"',
    '"custom_id"',
    '"metadata"',
    '"headers"',
    "null",
    "NaN",
    "Infinity",
)
JSON_WORDS += (
    "1e999",
    "-1",
    "\\ud800",
    "\\u0000",
    "\\r",
    "[[[[",
    "{}",
    '"retry-after"',
    '"x-ratelimit-reset"',
)


# What is written


def run_export(data: bytes) -> None:
    """Texts of models in the CSVs: cells that a spreadsheet runs are none, and each text reads back."""
    from daydreaming.analysis.export import FORMULA_STARTS, marked, rows_csv, unmarked

    cells = text_of(data).split(";")
    for cell in cells:
        assert unmarked(marked(cell)) == cell
        assert marked(cell)[:1] not in FORMULA_STARTS or not cell
    text = rows_csv(["a"], [[cell] for cell in cells])
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(rows) == len(cells) + 1
    for (read,), cell in zip(rows[1:], cells, strict=True) if all(rows[1:]) else ():
        assert read[:1] not in FORMULA_STARTS
        assert unmarked(read).count("\n") == cell.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def run_prompt(data: bytes) -> None:
    """An essay in a judge's prompt: none of the template's marks is left, and it can be sent."""
    from daydreaming.errors import InputError
    from daydreaming.prompts.render import render_evaluation

    template = "Rate.\n<essay>\n<<<\n{{ response }}\n>>>\n</essay>\nSCORE: x\n"
    try:
        prompt = render_evaluation(template, data.decode("utf-8", "replace"))
    except InputError as error:
        check_lines([str(error)])
    else:
        assert prompt.count("</essay>") == 1
        assert prompt.count("<<<") == 1
