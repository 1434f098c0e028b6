"""Prints the scores of judges' answers, one line per file. Independent of typer."""

from __future__ import annotations

import json
from typing import TextIO

from daydreaming.errors import InputError
from daydreaming.parsing.score import Scale, ScoredFile, parse_score_file, require_score_parser


def run_parse_score(files: list[str], parser: str, scale: str, as_json: bool, out: TextIO) -> None:
    """Read files one at a time and write one line for each as soon as it is read.

    Args:
        files: Paths of judges' answers; one that cannot be read is an unscored line.
        parser: One of ``SCORE_PARSERS``.
        scale: The template's scale, such as ``0-9``.
        as_json: One JSON object per line (``file, parser, score, error``) instead of columns.
        out: Where the lines go.

    Raises:
        InputError: Unknown parser, bad scale, or no files; nothing is written then.
    """
    if not files:
        raise InputError("no files to score: name at least one file with a judge's answer.")
    require_score_parser(parser)
    limits = Scale.parse(scale)
    width = max(len(_printable(file)) for file in files)
    for file in files:
        scored = parse_score_file(file, parser, limits)
        out.write((_as_json(scored) if as_json else _as_columns(scored, width)) + "\n")
        out.flush()


def _as_json(scored: ScoredFile) -> str:
    return json.dumps(
        {"file": scored.file, "parser": scored.parser, "score": scored.score, "error": scored.error}
    )


def _as_columns(scored: ScoredFile, width: int) -> str:
    if scored.score is None:
        return f"{_printable(scored.file):<{width}}  unscored  {_printable(scored.error or '')}"
    return f"{_printable(scored.file):<{width}}  {scored.score:8.6g}"


def _printable(text: str) -> str:
    """One line that any UTF-8 stream takes: file names may hold line ends and undecodable bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\r", "\\r").replace("\n", "\\n")
