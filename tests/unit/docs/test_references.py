from __future__ import annotations

import pytest

from tests.support.references import FOLDER, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_says_what_the_code_says(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name](), f"{name} is old: run `make docs`."


def test_nothing_else_is_among_the_references() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(PAGES)
