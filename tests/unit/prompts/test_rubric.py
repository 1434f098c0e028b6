"""What people see of an evaluation template."""

from __future__ import annotations

import pytest

from daydreaming.prompts.rubric import rubric_for_people, whole_rubric
from daydreaming.settings import project_root

OPENING = "You are judging an essay.\n"
RUBRIC = "## Rubric\n\n- 0: nothing\n- 9: all\n"
ESSAY = "## The essay\n\n<<<ESSAY>>>\n{{ response }}\n<<<END>>>\n"
ANSWER = "## How to answer\n\nEnd with one line:\n\nSCORE: x\n"


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        (OPENING + RUBRIC + ESSAY + ANSWER, OPENING + RUBRIC),
        (RUBRIC + ESSAY + ANSWER, RUBRIC),
        (ESSAY + ANSWER + RUBRIC, RUBRIC),
        (
            OPENING + RUBRIC + "### Anchors\n\n5: half\n" + ANSWER,
            OPENING + RUBRIC + "### Anchors\n\n5: half\n",
        ),
        ("Judge {{ response | trim }} by its style.", "Judge [the essay] by its style."),
        (OPENING + ESSAY + ANSWER, OPENING + ESSAY.replace("{{ response }}", "[the essay]") + ANSWER),
        (OPENING + "{{ response }}\n" + RUBRIC + "**SCORE:** x\n", None),
        ("Score: 9 is best.\n" + RUBRIC + "Score: 9 is for the best.\n", None),
    ],
    ids=[
        "sections for judges at the end",
        "no opening",
        "sections for judges first",
        "a section within the rubric",
        "no sections",
        "sections for judges alone",
        "the rubric says how to answer",
        "the word score, not the line",
    ],
)
def test_sections_for_judges_alone_are_left_out(template, shown):
    expected = template.replace("{{ response }}", "[the essay]") if shown is None else shown
    assert rubric_for_people(template) == expected.strip()


def test_all_that_judges_read_has_a_placeholder_for_the_essay():
    whole = whole_rubric(OPENING + RUBRIC + ESSAY + ANSWER)
    assert "<<<ESSAY>>>\n[the essay]\n<<<END>>>" in whole
    assert whole.endswith("SCORE: x")


def test_a_template_that_takes_real_essays_alone_is_shown_as_it_is_written():
    template = "{{ 1 // (response|length - 1) }} of {{ response }}\n"
    assert whole_rubric(template) == template.strip()


@pytest.mark.parametrize(
    "path", sorted(project_root().glob("data/01_raw/evaluation_templates/*-v1.txt")), ids=lambda p: p.stem
)
def test_the_shipped_rubrics_lose_nothing_but_what_is_for_judges(path):
    shown = rubric_for_people(path.read_text(encoding="utf-8"))
    assert "## Rubric" in shown
    for word in ("SCORE", "[the essay]", "marker", "How to answer"):
        assert word not in shown
