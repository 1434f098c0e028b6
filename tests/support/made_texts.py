"""Concepts, essays and verdicts put together from word lists: what a finished experiment is filled with."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

#: Concept ID and what its description says.
CONCEPTS = {
    "tidal-memory": "What was learned returns in waves, weaker each time unless something calls it up.",
    "borrowed-attention": "Whoever works on one thing lends part of the mind to another, unasked.",
    "slow-search": "A search without a deadline tries pairs that a hurried one would never look at.",
    "quiet-critic": "A second reader throws nearly everything away, and says why in one line.",
    "spare-capacity": "A machine that waits for its next task could think in between at little cost.",
    "distant-pairs": "Two facts from far fields are put side by side, and mostly have nothing to say.",
    "worn-paths": "Thought follows the way that it took before, until something is in the way.",
    "night-shift": "What is sorted while nobody watches is found in its place the next morning.",
    "surprise-meter": "How far an outcome lies from what was expected can be counted, and be paid for.",
    "moat": "An advantage that others cannot copy by watching lasts longer than a better price.",
    "seed-catalogue": "Small beginnings are kept in order, so that one can be planted when its season comes.",
    "open-loop": "A question that was put aside keeps pulling until it has been answered.",
}
_SUBJECTS = (
    "A mind at rest",
    "The idle machine",
    "An unpaid hour",
    "The second reader",
    "Any large archive",
    "A careful gardener",
    "Whoever keeps a notebook",
    "The night watch",
    "A patient market",
    "The loop itself",
    "Half of the evidence",
    "A map with a hole in it",
)
_VERBS = (
    "returns to",
    "trades away",
    "rehearses",
    "puts a price on",
    "takes apart",
    "forgets",
    "tests the edge of",
    "borrows from",
    "stumbles over",
    "keeps a list of",
    "argues against",
    "makes room for",
)
_OBJECTS = (
    "what nobody asked for",
    "pairs that look useless",
    "the cheapest of its own guesses",
    "a question without an owner",
    "old notes in a new order",
    "the one exception in a thousand",
    "a rule that has stopped working",
    "signals too weak for a dashboard",
    "the distance between two trades",
    "an answer that came too early",
    "every draft but the last",
    "things that are almost the same",
)
_TURNS = (
    "and so {concept} becomes a method instead of a mood",
    "which is where {concept} earns its keep",
    "though without {concept} nothing of it would be kept",
    "because {concept} sets the terms on which the rest is judged",
    "until {concept} makes the difference visible",
    "and the reader sees {concept} from its other side",
    "as if {concept} had been waiting for this case",
    "while {concept} quietly pays for the whole",
)
_PRAISE = (
    "The argument holds together and can be followed step by step.",
    "Its central mechanism is stated plainly enough to be tested.",
    "The link between the ingredients is more than a list of them.",
    "The example in the middle carries the idea well.",
    "The closing paragraph adds a consequence instead of a summary.",
)
_BLAME = (
    "The second half repeats what the first has said.",
    "One of the ingredients is named and then left alone.",
    "No case is given in which the claim would be wrong.",
    "The prose is fluent, and hides that a step is missing.",
    "What is called a mechanism is a comparison.",
)


def essay_text(random: Random, concepts: Sequence[str], words: int) -> str:
    """An essay of about so many words, in paragraphs, that names its concepts."""
    paragraphs: list[list[str]] = [[]]
    written = 0
    while written < words:
        if len(paragraphs[-1]) == 6:
            paragraphs.append([])
        sentence = _sentence(random, random.choice(list(concepts)))
        paragraphs[-1].append(sentence)
        written += len(sentence.split())
    return "\n\n".join(" ".join(sentences) for sentences in paragraphs)


def thinking_text(random: Random, concepts: Sequence[str]) -> str:
    """What a model says to itself before its essay."""
    first, second = random.sample(list(concepts), 2)
    return f"Begin with {first}, for it is the plainest. Then see what {second} would change. " + _sentence(
        random, first
    )


def critique_text(random: Random, share: float) -> str:
    """Reasons for a score; the higher its share of the scale, the more praise."""
    praise = min(4, max(0, round(4 * share + random.uniform(-0.7, 0.7))))
    reasons = [*random.sample(_PRAISE, praise), *random.sample(_BLAME, 4 - praise)]
    random.shuffle(reasons)
    shown = f"{random.choice(_SUBJECTS).lower()} {random.choice(_VERBS)} {random.choice(_OBJECTS)}"
    return " ".join([*reasons, f"Most telling is the passage in which {shown}."])


def _sentence(random: Random, concept: str) -> str:
    clauses = f"{random.choice(_SUBJECTS)} {random.choice(_VERBS)} {random.choice(_OBJECTS)}"
    return f"{clauses}, {random.choice(_TURNS).format(concept=concept.replace('-', ' '))}."
