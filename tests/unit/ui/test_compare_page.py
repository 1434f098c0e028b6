"""Two essays side by side: what the page shows, and how the two are chosen."""

from __future__ import annotations

import html
import re

import pytest
from fastapi.testclient import TestClient

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import planned_run
from tests.support.finished import answer_distinctly

COMPARE = "/experiments/demo/compare"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def ids(settings: Settings) -> list[str]:
    """IDs of the essays of an answered run, two of them hostile, the last without an essay."""
    planned_run(settings)
    texts = {
        ("generation", 0): f"Moats meet {SCRIPT} tonight\x00.",
        ("generation", 1): "Moats meet <del>dreams</del> tonight.",
        ("generation", 3): "No tags.",
    }
    leave_out = frozenset({("evaluation", index) for index in range(12, 16)})
    answer_distinctly(settings, "run-1", texts=texts, leave_out=leave_out)
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", "generation")]


def test_changes_are_elements_and_texts_stay_text(site: TestClient, ids):
    page = site.get(f"{COMPARE}?left={ids[0]}&right={ids[1]}")
    assert page.status_code == 200
    assert f"Moats meet <del>{html.escape(SCRIPT)} tonight␀.</del>" in page.text
    assert "Moats meet <ins>&lt;del&gt;dreams&lt;/del&gt; tonight.</ins>" in page.text
    assert "Compared word by word." in page.text
    assert page.text.count("<script") == 1  # our own


def test_scores_are_side_by_side(site: TestClient, ids):
    page = site.get(f"{COMPARE}?left={ids[0]}&right={ids[1]}").text
    row = re.search(r'<th scope="row">rigor</th><td>free</td>(.*?)</tr>', page, re.DOTALL)[1]
    assert re.findall(r'class="number">\s*([^<]*?)<', row) == ["0", "4", "+4"]
    swapped = site.get(f"{COMPARE}?left={ids[1]}&right={ids[0]}").text
    row = re.search(r'<th scope="row">rigor</th><td>free</td>(.*?)</tr>', swapped, re.DOTALL)[1]
    assert re.findall(r'class="number">\s*([^<]*?)<', row) == ["4", "0", "-4"]


def test_without_an_essay_there_is_no_diff_and_the_reason(site: TestClient, ids):
    page = site.get(f"{COMPARE}?left={ids[0]}&right={ids[3]}").text
    assert "No essay was found in the answer" in page
    assert "<del>" not in page
    assert html.escape(SCRIPT) in page


def test_long_texts_say_that_sentences_are_compared(site: TestClient, settings):
    planned_run(settings, generation_templates=["essay"])
    answer_distinctly(settings, "run-1", texts={("generation", 0): "A sentence here. " * 2_000})
    first, second = (cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", "generation"))
    page = site.get(f"{COMPARE}?left={first}&right={second}").text
    assert "more than 20,000 characters: compared sentence by sentence." in page


def test_both_are_chosen_from_the_list(site: TestClient, ids):
    page = site.get(COMPARE).text
    assert "Choose one" in page
    assert f"/daydreaming{COMPARE}?left={ids[0]}" in html.unescape(page)
    page = html.unescape(site.get(f"{COMPARE}?left={ids[0]}").text)
    assert "Choose the other one" in page
    assert '<span class="tag">chosen</span>' in page
    assert f"/daydreaming{COMPARE}?right={ids[1]}&left={ids[0]}" in page or (
        f"/daydreaming{COMPARE}?left={ids[0]}&right={ids[1]}" in page
    )
    assert '<input type="hidden" name="left" value="' in page
    page = html.unescape(site.get(f"{COMPARE}?right={ids[0]}&generation_template=tags").text)
    found = re.findall(r'<span class="id">([^<]+)</span></th>', page)
    assert sorted(found) == sorted(ids[2:])


def test_an_experiment_without_answers_says_what_it_waits_for(site: TestClient, settings):
    planned_run(settings)
    assert "two are needed to compare" in site.get(COMPARE).text


@pytest.mark.parametrize(
    ("query", "status"),
    [("left=nobody", 404), ("left=nobody&right=nobody", 404), ("left=%00", 422), ("page=0", 422)],
)
def test_what_is_unknown_is_refused(site: TestClient, ids, query, status):
    assert site.get(f"{COMPARE}?{query}").status_code == status
    assert site.get("/experiments/none/compare").status_code == 404
