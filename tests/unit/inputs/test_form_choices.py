from __future__ import annotations

import pytest

from daydreaming.inputs.choices import FormChoices, form_choices


def test_choices_have_labels_and_mark_what_is_inactive(root):
    choices = form_choices(root)
    assert choices.concepts["search"] == "Combinatorial search"
    assert choices.concepts["dream"] == "Dreaming (inactive)"
    assert choices.generation_templates["essay"] == "Essay: Plain, short"
    assert list(choices.generation_models) == ["free", "paid", "local"]
    assert list(choices.evaluation_models) == ["free", "judge", "local"]
    assert choices.generation_models["local"] == "Gemma (local) (inactive)"
    assert choices.experiments == ["demo", "plain"]


def test_no_files_give_no_choices(tmp_path):
    assert form_choices(tmp_path) == FormChoices()


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe\0", b"a,b\n1\n1,2,3\n", b'concept_id\n"x', b"\0", b"x" * 200_000]
)
def test_a_broken_csv_gives_no_choices_and_no_error(root, data):
    (root / "01_raw/concepts/concepts_metadata.csv").write_bytes(data)
    choices = form_choices(root)
    assert "search" not in choices.concepts
    assert choices.generation_models
