"""The search page: what it finds, shows and says while its index grows."""

from __future__ import annotations

import html
import re

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape

from daydreaming.pipeline import text_search
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import planned_run
from tests.support.finished import answer_distinctly

SEARCH = "/experiments/demo/search"
SCRIPT = "<script>alert('heron')</script>"


@pytest.fixture
def answered(settings: Settings) -> Settings:
    planned_run(settings)
    texts = {
        ("generation", 0): f"A heron says {SCRIPT} \x02not a mark\x03 \x00",
        ("generation", 1): "w" * 200_000,
        ("evaluation", 0): "Two herons.\nSCORE: 8",
        ("evaluation", 1): "A heron, unscored.",
    }
    answer_distinctly(settings, "run-1", texts=texts)
    return settings


def ids(settings: Settings, stage: str) -> list[str]:
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", stage)]


def test_what_is_found_is_marked_and_stays_text(site: TestClient, answered):
    page = site.get(f"{SEARCH}?q=heron&in=essays").text
    escaped = str(escape(SCRIPT)).replace("heron", "<mark>heron</mark>")
    assert f"A <mark>heron</mark> says {escaped}" in page
    assert "1 text, the best match first." in page
    assert page.count("<script") == 1  # our own
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", page)


def test_hits_lead_to_the_text_that_they_are_in(site: TestClient, answered):
    essay, verdicts = ids(answered, "generation")[0], ids(answered, "evaluation")
    page = html.unescape(site.get(f"{SEARCH}?q=heron&in=all").text)
    assert f'href="/daydreaming/experiments/demo/essays/{essay}"' in page
    assert f'href="/daydreaming/experiments/demo/essays/{essay}?verdict={verdicts[1]}"' in page
    assert f'href="/daydreaming/experiments/demo/essays/{essay}?verdict={verdicts[0]}&show=prompt"' in page
    page = html.unescape(site.get(f"{SEARCH}?q=pairs&in=prompts").text)
    assert f'href="/daydreaming/experiments/demo/essays/{essay}?show=prompt#prompt"' in page
    for link in re.findall(r'href="/daydreaming(/experiments/demo/essays/[^"]+)"', page):
        assert site.get(link).status_code == 200


def test_verdicts_show_their_score(site: TestClient, answered):
    page = site.get(f"{SEARCH}?q=heron*&in=verdicts").text
    assert "<strong>8</strong>" in page
    assert '<span class="is-bad">unscored</span>' in page


def test_one_word_of_200_kilobytes_is_shown_in_short(site: TestClient, answered):
    page = site.get(f"{SEARCH}?q=www*&in=essays").text
    assert len(page) < 20_000
    assert f"<mark>{'w' * 150}…{'w' * 150}</mark>" in page


def test_what_was_typed_stays_in_the_form(site: TestClient, answered):
    typed = '"><img src=x> {{7*7}}'
    page = site.get(SEARCH, params={"q": typed, "in": "verdicts"}).text
    assert f'value="{escape(typed)}"' in page
    assert '<option value="verdicts" selected>' in page
    assert "<img" not in page
    assert "No text has all of this." in page


@pytest.mark.parametrize("typed", ["", "   ", '"', "* AND (", "a" * 300])
def test_anything_may_be_typed(site: TestClient, answered, typed):
    assert site.get(SEARCH, params={"q": typed}).status_code == 200


def test_hits_are_paged(site: TestClient, answered):
    page = site.get(f"{SEARCH}?q=score&in=verdicts").text
    assert "of 15" not in page  # all on one page
    past = site.get(f"{SEARCH}?q=score&in=verdicts&page=3").text
    assert "There is no page 3." in past


def test_while_the_index_grows_the_page_says_so_and_asks_again(site: TestClient, answered, monkeypatch):
    monkeypatch.setattr(text_search, "MAX_DOCUMENTS", 20)
    page = site.get(f"{SEARCH}?q=heron").text
    assert "Indexed 20 of 30 texts, continuing" in page
    part = html.unescape(re.search(r'data-refresh="/daydreaming([^"]+)" data-every="1"', page)[1])
    assert part == f"{SEARCH}/part?page=1&q=heron&in=all"
    again = site.get(part).text
    assert '<section id="found"' in again
    assert "data-refresh" not in again
    assert "<html" not in again


def test_an_experiment_without_answers_says_what_it_waits_for(site: TestClient, settings):
    planned_run(settings)
    assert "There is no text yet" in site.get(SEARCH).text


def test_an_index_that_cannot_be_written_is_told(site: TestClient, answered):
    cache = answered.cache_folder
    cache.write_text("a file where the folder belongs")
    page = site.get(f"{SEARCH}?q=heron")
    assert page.status_code == 200
    assert (
        "Searching is not possible: cache/search/demo/texts-1.sqlite3: the search index cannot be"
        in page.text
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/experiments/none/search", 404),
        ("/experiments/none/search/part", 404),
        (f"{SEARCH}?in=everything", 422),
        (f"{SEARCH}?q={'a' * 301}", 422),
        (f"{SEARCH}?page=0", 422),
    ],
)
def test_what_is_unknown_or_not_allowed_is_refused(site: TestClient, answered, path, status):
    assert site.get(path).status_code == status


def test_an_open_quotation_mark_is_told(site: TestClient, answered):
    told = "The last quotation mark is not closed"
    assert told in site.get(SEARCH, params={"q": '"meet search'}).text
    assert told not in site.get(SEARCH, params={"q": '"meet search"'}).text


def test_prompts_with_one_passage_are_shown_once(site: TestClient, settings: Settings):
    planned_run(settings)
    text = f"<essay>{'word ' * 80}pelican{' word' * 80}</essay>"
    answer_distinctly(settings, "run-1", texts={("generation", i): text for i in range(4)})
    page = site.get(SEARCH, params={"q": "pelican", "in": "prompts"}).text
    total = int(re.search(r"(\d+) texts, the best match first", page)[1])
    shown = len(re.findall(r"<li value=", page))
    more = sum(map(int, re.findall(r"The same passage in (\d+) more prompts?", page)))
    assert shown + more == total > 1
    assert shown < total
    (link, *_) = re.findall(r'<li><a href="/daydreaming([^"]+)">', page)
    assert site.get(html.unescape(link)).status_code == 200
