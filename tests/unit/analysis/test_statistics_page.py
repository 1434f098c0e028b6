"""docs/statistics.md names every table, and what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daydreaming.analysis.tables import ANALYSES

PAGE = Path(__file__).parents[3] / "docs/statistics.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ANALYSES)
def test_the_page_names_every_table(name):
    assert f"`{name}`" in TEXT


def test_every_link_of_the_page_leads_somewhere():
    headings = set(re.findall(r"^## (\w+)$", TEXT, re.MULTILINE))
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 10
    for link in links:
        assert link[1:] in headings if link.startswith("#") else (PAGE.parent / link).exists(), link
