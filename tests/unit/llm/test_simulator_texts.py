"""What the simulator answers."""

from __future__ import annotations

import re

import pytest

from daydreaming.llm.simulator.texts import answer_for, cut, estimate_tokens, scale_of, score_for

TAGS = "Combine mind wandering with economic moats. Use <thinking>, <essay> and <endnotes>."
HEADERS = "Combine mind wandering with moats.\nWrite under these headers:\n## Thinking\n## Essay\n## Endnotes"
PLAIN = "Combine mind wandering with economic moats in prose."
JUDGE = "Judge this essay from 0 to 9.\n\nThe essay.\n\nEnd with one line:\nSCORE: x"


@pytest.mark.parametrize("prompt", [TAGS, HEADERS, PLAIN, JUDGE])
def test_answers_depend_on_seed_model_and_prompt_alone(prompt):
    answer = answer_for(7, "m", prompt)
    assert answer == answer_for(7, "m", prompt)
    assert (
        len(
            {answer, answer_for(8, "m", prompt), answer_for(7, "n", prompt), answer_for(7, "m", prompt + ".")}
        )
        == 4
    )


def test_many_prompts_have_as_many_answers():
    assert len({answer_for(7, "m", f"{TAGS} {number}") for number in range(1000)}) == 1000


def test_an_essay_asked_for_in_tags_comes_in_tags():
    parts = re.fullmatch(
        r"<thinking>\n(.+)\n</thinking>\n<essay>\n(.+)\n</essay>\n<endnotes>\n(.+)\n</endnotes>",
        answer_for(7, "m", TAGS),
    )
    assert parts
    assert 70 <= len(parts[2].split()) <= 130
    assert "wandering" in parts[2]


def test_an_essay_asked_for_under_headers_comes_under_headers_of_that_level():
    answer = answer_for(7, "m", HEADERS)
    assert re.findall(r"^(#+ .+)$", answer, re.MULTILINE) == ["## Thinking", "## Essay", "## Endnotes"]


def test_a_plain_essay_is_bare():
    answer = answer_for(7, "m", PLAIN)
    assert not re.search(r"[<>#\n]", answer)
    assert 70 <= len(answer.split()) <= 130


def test_a_judge_ends_with_the_score_that_can_be_predicted():
    for number in range(50):
        prompt = f"{JUDGE} {number}"
        last = answer_for(7, "m", prompt).splitlines()[-1]
        assert last == f"SCORE: {score_for(7, 'm', prompt):g}"


def test_scores_use_the_whole_scale():
    assert {score_for(7, "m", f"{number}\n{JUDGE}") for number in range(500)} == set(map(float, range(10)))


def test_an_essay_never_looks_like_a_judges_answer():
    assert "SCORE" not in answer_for(7, "m", TAGS)


@pytest.mark.parametrize(
    ("prompt", "scale"),
    [
        ("SCORE: x", (0, 10)),
        ("Rate 0-9.\nSCORE: x", (0, 9)),
        ("SCORE: x, where x is between 1 and 5", (1, 5)),
        ("From 0 to 100 please. SCORE: x", (0, 100)),
        ("Scale 0–9; 0-3 is poor, 4-6 fair, 8-9 brilliant.\nSCORE: x", (0, 9)),
        ("In 2020-21 it was 10 to 1.\nSCORE: x", (0, 10)),
        ("Rate 0-9." + " far away" * 40 + "\nSCORE: x", (0, 10)),
        ("SCORE: x (1-1)", (0, 10)),
    ],
)
def test_the_scale_is_read_near_the_score_line(prompt, scale):
    assert scale_of(prompt) == scale


def test_a_score_of_a_prompt_that_asks_for_none_is_an_error():
    with pytest.raises(ValueError, match="must hold 'SCORE:'; got 'Combine mind"):
        score_for(7, "m", PLAIN)


@pytest.mark.parametrize("prompt", [TAGS, HEADERS, JUDGE])
def test_an_unreadable_answer_has_text_but_nothing_to_find(prompt):
    answer = answer_for(7, "m", prompt, unreadable=True)
    assert len(answer.split()) > 20
    assert not re.search(r"score|<essay>|#|\d", answer, re.IGNORECASE)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("one", 2), ("one two three", 4), ("a b\nc  d", 6)])
def test_tokens_are_four_for_three_words(text, tokens):
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize("max_tokens", [1, 2, 5, 50, 10_000])
def test_a_cut_text_fits(max_tokens):
    text = answer_for(7, "m", TAGS)
    start = cut(text, max_tokens)
    assert text.startswith(start)
    assert estimate_tokens(start) <= max_tokens
