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


@pytest.mark.parametrize("name", re.findall(r"^## (\w+)$", TEXT, re.MULTILINE))
def test_every_section_about_a_table_has_a_plot(name):
    section = TEXT.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert name in ANALYSES
    assert re.search(r"^!\[[^]]+\]\(images/statistics-[a-z-]+\.svg\)$", section, re.MULTILINE)
