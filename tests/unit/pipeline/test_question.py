from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.question import (
    MAX_CHARS,
    leading_comment,
    question_file,
    read_question,
    set_question,
    settle_question,
)
from tests.support.experiments import edit_input, planned_run


@pytest.mark.parametrize(
    ("yaml", "comment"),
    [
        ("# What is it?\nk_max: 2\n", "What is it?"),
        ("# One\n#   two\n## three\n#\n# Another paragraph\nk_max: 2\n", "One two three"),
        ("\n\n# After a gap\n\n# Not this\n", "After a gap"),
        ("\ufeff# With a mark\n", "With a mark"),
        ("k_max: 2 # no\n# nor this\n", ""),
        ("#\n# after an empty line\n", ""),
        ("", ""),
    ],
)
def test_the_question_is_the_first_paragraph_of_the_leading_comment(yaml, comment):
    assert leading_comment(yaml) == comment


def test_it_is_taken_once_and_later_edits_change_nothing(settings):
    edit_input(settings.inputs_root, "experiments/demo.yaml", "k_max", "# Do moats help search?\nk_max")
    planned_run(settings)
    assert read_question(settings, "demo") == ""
    settle_question(settings, "demo")
    assert read_question(settings, "demo") == "Do moats help search?"
    edit_input(settings.inputs_root, "experiments/demo.yaml", "Do moats", "Why should moats")
    settle_question(settings, "demo")
    assert read_question(settings, "demo") == "Do moats help search?"


def test_where_nobody_wrote_one_there_is_none(settings):
    planned_run(settings)
    settle_question(settings, "demo")
    assert read_question(settings, "demo") == ""
    assert not question_file(settings, "demo").exists()


def test_an_experiment_whose_saved_file_is_gone_has_none(settings):
    planned_run(settings)
    (settings.inputs_root / "experiments/demo.yaml").unlink()
    settle_question(settings, "demo")
    assert read_question(settings, "demo") == ""


def test_a_person_may_write_it_anew(settings):
    planned_run(settings)
    set_question(settings, "demo", "  What\n now? ")
    settle_question(settings, "demo")
    assert read_question(settings, "demo") == "What now?"


@pytest.mark.parametrize("text", ["", " \n ", "x" * (MAX_CHARS + 1)])
def test_one_that_is_empty_or_too_long_is_refused(settings, text):
    with pytest.raises(InputError, match=r"1 to 2,000 characters; got [\d,]+\."):
        set_question(settings, "demo", text)
    assert not question_file(settings, "demo").exists()
