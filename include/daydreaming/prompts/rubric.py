"""What a person needs to read of an evaluation template: the rubric, not how a judge is to answer."""

from __future__ import annotations

import re

from daydreaming.errors import InputError
from daydreaming.prompts.enclosure import PLACE
from daydreaming.prompts.render import render

ESSAY_PLACE = "[the essay]"
"""Stands where judges read the essay."""

_SECTION = re.compile(r"^(?=#{1,6} )", re.MULTILINE)
_ANSWER_FORM = re.compile(r"^[^\w\n]*SCORE[^\w\n]*[:=]", re.MULTILINE)


def whole_rubric(template_text: str) -> str:
    """All that judges read, with a placeholder for the essay.

    A template that cannot be rendered without a real essay is shown as it is written.
    """
    try:
        rendered = render(template_text, {"response": PLACE})
    except InputError:
        return template_text.strip()
    return rendered.replace(PLACE, ESSAY_PLACE).strip()


def rubric_for_people(template_text: str) -> str:
    """The same without the sections (Markdown headings) that are for judges alone.

    These are the sections that hold the essay or a line that begins with ``SCORE:``. Where no section
    would be left, nothing is left out.
    """
    whole = whole_rubric(template_text)
    opening, *sections = _SECTION.split(whole)
    kept = [s for s in sections if ESSAY_PLACE not in s and not _ANSWER_FORM.search(s)]
    return "".join((opening, *kept)).strip() if kept else whole
