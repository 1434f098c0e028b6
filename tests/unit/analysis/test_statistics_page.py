"""docs/statistics.md names every table, and what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daydreaming.analysis.tables import ANALYSES
from daydreaming.pipeline.human_agreement import TABLE as HUMAN_AGREEMENT

PAGE = Path(__file__).parents[3] / "docs/statistics.md"
TEXT = PAGE.read_text(encoding="utf-8")
#: Those of every experiment, and the one that needs ratings by people.
TABLES = (*ANALYSES, HUMAN_AGREEMENT)


@pytest.mark.parametrize("name", TABLES)
def test_the_page_names_every_table(name):
    assert f"`{name}`" in TEXT


def test_every_link_of_the_page_leads_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 10
    for link in links:
        path, _, heading = link.partition("#")
        target = PAGE.parent / path if path else PAGE
        assert target.exists(), link
        assert not heading or heading in _headings(target), link


def _headings(page: Path) -> list[str]:
    return re.findall(r"^## (\w+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", re.findall(r"^## (\w+)$", TEXT, re.MULTILINE))
def test_every_section_about_a_table_has_a_plot(name):
    section = TEXT.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert name in TABLES
    assert re.search(r"^!\[[^]]+\]\(images/statistics-[a-z-]+\.svg\)$", section, re.MULTILINE)
