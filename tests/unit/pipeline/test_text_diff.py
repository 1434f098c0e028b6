"""What two texts share: always a true account, however hostile the texts."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daydreaming.pipeline.text_diff import MAX_WORD_CHARS, diff_texts


def marked(pieces):
    return "".join(f"[{p.text}]" if p.is_changed else p.text for p in pieces)


@pytest.mark.parametrize(
    ("left", "right", "expected_left", "expected_right"),
    [
        ("moats meet search", "moats meet search", "moats meet search", "moats meet search"),
        ("moats meet search", "moats met search", "moats [meet ]search", "moats [met ]search"),
        ("a b c", "x a b c", "a b c", "[x ]a b c"),
        ("a b c", "a b c d", "a b c", "a b c [d]"),
        ("one two", "", "[one two]", ""),
        ("", "", "", ""),
        # The unique words are anchors, whatever stands around them.
        (
            "the cat the dog the end",
            "the dog the cat the end",
            "the [cat the ]dog the end",
            "the dog [the cat ]the end",
        ),
        # Spaces and line ends make no difference.
        ("a  b\nc", "a b c", "a  b\nc", "a b c"),
    ],
)
def test_changes_are_told_from_what_is_common(left, right, expected_left, expected_right):
    diff = diff_texts(left, right)
    assert (marked(diff.left), marked(diff.right)) == (expected_left, expected_right)
    assert diff.unit == "words"


def account(diff, left, right):
    """Both texts are whole, and what counts as common is the same words in the same order."""
    assert "".join(piece.text for piece in diff.left) == left
    assert "".join(piece.text for piece in diff.right) == right
    common = ["".join(p.text for p in side if not p.is_changed).split() for side in (diff.left, diff.right)]
    assert common[0] == common[1]
    assert 0 <= diff.shared <= 1
    for side in (diff.left, diff.right):
        assert all(a.is_changed != b.is_changed for a, b in pairwise(side))


WORDS = st.lists(st.sampled_from(["a ", "b ", "c\n", "dd ", "e. ", "  ", "f"]), max_size=40).map("".join)


@settings(max_examples=300, deadline=None)
@given(left=WORDS, right=WORDS)
def test_any_two_texts_give_a_true_account(left, right):
    account(diff_texts(left, right), left, right)


@settings(max_examples=100, deadline=None)
@given(text=WORDS)
def test_a_text_is_like_itself(text):
    diff = diff_texts(text, text)
    assert not any(piece.is_changed for piece in (*diff.left, *diff.right))
    assert diff.shared == 1


def test_long_texts_are_compared_by_sentences():
    sentences = [f"Sentence {i} is here. " for i in range(2_000)]
    left = "".join(sentences)
    right = "".join([*sentences[:1000], '"A new one," he said! ', *sentences[1001:]])
    assert len(left) > MAX_WORD_CHARS
    diff = diff_texts(left, right)
    account(diff, left, right)
    assert diff.unit == "sentences"
    assert [piece.text for piece in diff.left if piece.is_changed] == ["Sentence 1000 is here. "]
    assert [piece.text for piece in diff.right if piece.is_changed] == ['"A new one," he said! ']


def hostile():
    chance = random.Random(1)
    few = [f"w{i}" for i in range(100)]
    many = [str(i) for i in range(4_000)]
    shuffled = chance.sample(many, len(many))
    yield "few words", " ".join(chance.choices(few, k=6_000)), " ".join(chance.choices(few, k=6_000))
    yield "shuffled", " ".join(many), " ".join(shuffled)
    yield "turned round", " ".join(many), " ".join(many[::-1])
    yield "two words", "a b " * 5_000, "b a " * 5_000
    yield "one word", "x" * 200_000, "x" * 199_999
    yield "line ends", "\n" * 200_000, "\n\n " * 60_000
    yield "full stops", "." * 200_000, ". " * 100_000
    yield "short sentences", "a. b! " * 30_000, "b! a. " * 30_000
    nested = "".join(f"u{i} c " for i in range(1_500)) + "c " * 1_500
    yield "one anchor at a time", nested, "c " * 1_500 + nested[: len(nested) // 2]


@pytest.mark.parametrize(("name", "left", "right"), list(hostile()), ids=lambda value: str(value)[:20])
def test_hostile_texts_end_in_a_true_account(name, left, right):
    # With anything quadratic in it these would take minutes: the suite's own limit is the assertion.
    for length in (MAX_WORD_CHARS, 3 * MAX_WORD_CHARS):
        account(diff_texts(left[:length], right[:length]), left[:length], right[:length])
