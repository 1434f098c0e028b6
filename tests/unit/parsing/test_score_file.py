"""Scores from files: any size, any content, and one bad file stops nothing."""

from __future__ import annotations

import io
import json
import os
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.cli.parse_score import run_parse_score
from daydreaming.errors import InputError, ScoreParseError
from daydreaming.inputs.records import SCORE_PARSERS
from daydreaming.parsing.score import Scale, ScoredFile, parse_score, parse_score_file
from daydreaming.parsing.tail import WINDOW_BYTES

TEN = Scale(0, 10)
TEN_MB = 10 * 1024 * 1024


@pytest.fixture
def answer(tmp_path):
    def write(content: bytes, name: str = "answer.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def test_file_gives_its_score(answer):
    path = answer(b"Good.\r\nSCORE: 7\r\n")
    assert parse_score_file(path, "strict", TEN) == ScoredFile(str(path), "strict", 7.0, None)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "the answer is empty"),
        (b" \n\r\n\t", "the answer is empty"),
        (b"\xff\xfeS\x00", "not UTF-8 \\(byte 0xff"),
        ("Verdict: naïve\nSCORE: 7".encode("latin-1"), "not UTF-8 \\(byte 0xef"),
        ("SCORE: 7".encode("utf-16"), "not UTF-8"),
        (b"no verdict", "got 'no verdict'"),
    ],
)
def test_unreadable_content_is_unscored(answer, content, error):
    scored = parse_score_file(answer(content), "strict", TEN)
    assert scored.score is None
    with pytest.raises(ScoreParseError, match=error):
        raise ScoreParseError(scored.error)


def test_byte_order_mark_is_ignored(answer):
    assert parse_score_file(answer(b"\xef\xbb\xbfSCORE: 7"), "strict", TEN).score == 7.0


def test_missing_file_directory_pipe_and_impossible_path_are_unscored(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path / "absent.txt", tmp_path, tmp_path / "pipe", "a\0b"]
    for path in paths:
        scored = parse_score_file(path, "strict", TEN)
        assert scored.score is None
        assert scored.error.startswith("cannot read the file: ")


def test_unknown_parser_is_an_input_error_not_an_unscored_row(answer):
    with pytest.raises(InputError, match="unknown score parser 'x'"):
        parse_score_file(answer(b"SCORE: 7"), "x", TEN)


@pytest.mark.parametrize(
    ("head", "tail", "score"),
    [
        (b"x" * TEN_MB, b"\nSCORE: 7", 7.0),
        (b"reasons \n" * (TEN_MB // 9), b"SCORE: 7\n", 7.0),
        (b"SCORE: 7", b"\n" * TEN_MB, 7.0),
        ("é".encode() * (TEN_MB // 2), b"\nSCORE: 7", 7.0),
        (b"score: 1 (" * (TEN_MB // 10), b"\nSCORE: 7", 7.0),
        (b"x" * TEN_MB, b"", None),
        (b"SCORE: 7 " * (TEN_MB // 9), b"", None),
        (b" " * TEN_MB, b"", None),
    ],
    ids=[
        "long line above",
        "many lines",
        "blank end",
        "two-byte letters",
        "verdict-like",
        "one line",
        "all",
        "blank",
    ],
)
@pytest.mark.parametrize("parser", SCORE_PARSERS)
def test_big_file_is_read_in_constant_memory(answer, parser, head, tail, score):
    path = answer(head + tail)
    tracemalloc.start()
    try:
        scored = parse_score_file(path, parser, TEN)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert scored.score == score
    assert (scored.error is None) == (score is not None)
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("over", range(-3, 4))
def test_last_line_may_fill_the_window_and_no_more(answer, over):
    verdict = b"SCORE: 7 "
    line = verdict + b"x" * (WINDOW_BYTES - len(verdict) + over)
    scored = parse_score_file(answer(b"above\n" + line), "in_last_line", TEN)
    assert scored.score == (7.0 if over <= 0 else None)


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8"), max_size=60),
    filler=st.sampled_from([0, 1, WINDOW_BYTES - 30, WINDOW_BYTES, WINDOW_BYTES + 7]),
    end=st.sampled_from(["", "\n", "\r\nSCORE: 7\r\n", "\nScore: 4/5", "é"]),
)
def test_file_and_text_say_the_same(tmp_path_factory, text, filler, end):
    content = text + "é" * (filler // 2) + end
    path = tmp_path_factory.getbasetemp() / "same.txt"
    path.write_bytes(content.encode())
    for parser in SCORE_PARSERS:
        try:
            expected = (parse_score(content, parser, TEN), None)
        except ScoreParseError as error:
            expected = (None, str(error))
        scored = parse_score_file(path, parser, TEN)
        assert (scored.score, scored.error) == expected


def test_command_prints_one_json_object_per_file_and_goes_on_after_a_bad_one(answer, tmp_path):
    files = [
        str(answer(b"SCORE: 7", "good.txt")),
        str(tmp_path / "absent.txt"),
        str(answer(b"\xff", "bad.txt")),
        str(answer(b"SCORE: 9", "nine.txt")),
    ]
    out = io.StringIO()
    run_parse_score(files, "strict", "0-9", True, out)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [list(row) for row in rows] == [["file", "parser", "score", "error"]] * 4
    assert [row["file"] for row in rows] == files
    assert [row["score"] for row in rows] == [7.0, None, None, 9.0]
    assert [row["error"] is None for row in rows] == [True, False, False, True]


def test_command_prints_aligned_lines_for_people(answer):
    files = [str(answer(b"SCORE: 7.5", "a.txt")), str(answer(b"none", "longer\nname.txt"))]
    out = io.StringIO()
    run_parse_score(files, "strict", "0-10", False, out)
    first, second = out.getvalue().splitlines()
    assert first.split()[-1] == "7.5"
    assert "longer\\nname.txt  unscored  the last line must be" in second
    assert first.index("7.5") + 3 == second.index("unscored") + 8


def test_command_writes_each_line_before_it_reads_the_next_file(answer, tmp_path):
    later = tmp_path / "later.txt"

    class Out(io.StringIO):
        def flush(self):
            later.write_bytes(b"SCORE: 3")

    out = Out()
    run_parse_score([str(answer(b"SCORE: 7")), str(later)], "strict", "0-10", True, out)
    assert [json.loads(line)["score"] for line in out.getvalue().splitlines()] == [7.0, 3.0]


@pytest.mark.parametrize(
    ("files", "parser", "scale", "message"),
    [
        ([], "strict", "0-10", "no files to score"),
        (["a"], "best", "0-10", "unknown score parser 'best'; allowed"),
        (["a"], "strict", "ten", "minimum-maximum"),
    ],
)
def test_command_refuses_bad_input_before_it_writes(files, parser, scale, message):
    out = io.StringIO()
    with pytest.raises(InputError, match=message):
        run_parse_score(files, parser, scale, True, out)
    assert out.getvalue() == ""
