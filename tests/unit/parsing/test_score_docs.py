"""Every example in docs/scoring.md is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daydreaming.errors import ScoreParseError
from daydreaming.inputs.records import SCORE_PARSERS
from daydreaming.parsing.score import Scale, parse_score

PAGE = Path(__file__).parents[3] / "docs" / "scoring.md"
PIPE = re.compile(r"(?<!\\)\|")


def examples() -> list[tuple[str, str, str, str]]:
    rows = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in PIPE.split(line)[1:-1]]
        if len(cells) == 4 and cells[0] in SCORE_PARSERS:
            ticks = re.match(r"`+", cells[2]).group()
            answer = cells[2].removeprefix(ticks).removesuffix(ticks)
            if len(ticks) > 1:  # a longer fence is padded with spaces
                answer = answer.strip(" ")
            rows.append((cells[0], cells[1], answer.replace(r"\|", "|").replace("⏎", "\n"), cells[3]))
    return rows


@pytest.mark.parametrize(("parser", "scale", "answer", "score"), examples())
def test_example_in_the_docs_is_read_as_it_says(parser, scale, answer, score):
    if score == "unscored":
        with pytest.raises(ScoreParseError):
            parse_score(answer, parser, Scale.parse(scale))
    else:
        assert parse_score(answer, parser, Scale.parse(scale)) == pytest.approx(float(score), abs=1e-12)


@pytest.mark.parametrize("parser", SCORE_PARSERS)
def test_docs_have_examples_of_both_outcomes_for_each_parser(parser):
    outcomes = {score == "unscored" for name, _, _, score in examples() if name == parser}
    assert outcomes == {True, False}
