"""The essays' list and the reader: what they show, and what hostile texts cannot do in them."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient

from daydreaming.errors import LLMPermanentError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly

ESSAYS = "/experiments/demo/essays"
SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(1)> {{7*7}} {% raw %}'
SIGNS = "\u202eright to left\u202c \x00 \x1b[31m \ufeff"
HOSTILE = {
    ("generation", 0): f"{SCRIPT} {BREAKOUT} {SIGNS}",
    ("generation", 1): "w" * 200_000,
    ("generation", 2): f"<think>{SCRIPT}</think><essay>Moats meet search.</essay>{BREAKOUT}",
    ("evaluation", 0): f"<think>{BREAKOUT}</think>{SCRIPT}\nSCORE: 7",
    ("evaluation", 1): f"{BREAKOUT}\nSCORE: </mark>9",
}


def ids(settings: Settings, stage: str = "generation", run_id: str = "run-1") -> list[str]:
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), run_id, stage)]


@pytest.fixture
def answered(settings: Settings) -> Settings:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    return settings


@pytest.fixture
def hostile(settings: Settings) -> Settings:
    planned_run(settings)
    fields = {
        ("evaluation", 2): {"model_returned": SCRIPT, "response_id": BREAKOUT, "upstream_provider": SIGNS}
    }
    answer_distinctly(settings, "run-1", texts=HOSTILE, fields=fields)
    return settings


def rows_of(page: str) -> list[str]:
    return re.findall(r'<span class="id"[^>]*>([^<]+)</span></th>', page)


def links_in(page: str) -> list[str]:
    return [html.unescape(href) for href in re.findall(r'href="([^"]+)"', page)]


def path_of(href: str) -> str:
    return href.removeprefix("/daydreaming")


def test_the_list_has_every_answered_essay_with_its_figures(site: TestClient, answered):
    page = site.get(ESSAYS)
    assert page.status_code == 200
    assert sorted(rows_of(page.text)) == sorted(ids(answered))
    assert "Economic moat + Combinatorial search" in page.text
    assert "Rubrics differ in their range" in page.text
    assert 'data-label="Tokens" class="number">200<' in page.text


def test_the_list_is_filtered_and_sorted_by_its_address(site: TestClient, answered):
    page = site.get(f"{ESSAYS}?generation_template=tags&sort=id&order=desc&min_score=&state=").text
    assert rows_of(page) == sorted((i for i in ids(answered) if "_tags_" in i), reverse=True)
    assert '<option value="tags" selected>' in page
    assert 'aria-sort="descending"' in page
    one = site.get(f"{ESSAYS}?evaluation_template=rigor").text
    assert "Scores are points from 0 to 9." in one
    assert "No essay fits this filter." in site.get(f"{ESSAYS}?min_score=100.5").text


def test_the_list_and_the_reader_tell_how_far_judges_are_apart(site: TestClient, settings):
    planned_run(settings, generation_templates=["essay"], generation_models=["free"])
    # Both judges give rigor 7 and 9 of 9, and style 1 and 2 of 10; then each one's mean on rigor alone.
    scores = {("evaluation", index): f"SCORE: {score}" for index, score in enumerate((7, 9, 1, 2))}
    answer_distinctly(settings, "run-1", texts=scores)
    page = site.get(ESSAYS).text
    assert "SD over judges from (%)" in page
    assert 'data-label="SD over judges" class="number">11 %<' in page
    rigor = site.get(f"{ESSAYS}?evaluation_template=rigor").text
    assert 'data-label="Mean" class="number">8<' in rigor
    assert 'data-label="SD over judges" class="number">1.41<' in rigor
    one_judge = site.get(f"{ESSAYS}?evaluation_template=rigor&evaluation_model=judge").text
    assert 'data-label="SD over judges" class="number">–<' in one_judge
    reader = " ".join(site.get(f"{ESSAYS}/{ids(settings)[0]}").text.split())
    assert "SD over judges 11 %; 4 of 4 verdicts scored." in reader


def test_links_of_the_list_keep_its_filter(site: TestClient, answered):
    page = site.get(f"{ESSAYS}?generation_template=tags&sort=id&order=desc").text
    first = next(link for link in links_in(page) if f"/essays/{rows_of(page)[0]}" in link)
    assert parse_qs(urlsplit(first).query) == {
        "generation_template": ["tags"],
        "sort": ["id"],
        "order": ["desc"],
    }
    essay = site.get(path_of(first)).text
    assert "1 of 2 in this list" in essay
    following = re.search(r'href="([^"]+)" rel="next" data-key="n"', essay)[1]
    last = site.get(path_of(html.unescape(following))).text
    assert "2 of 2 in this list" in last
    assert 'rel="prev" data-key="p"' in last
    assert 'rel="next"' not in last


def test_an_essay_outside_the_filter_can_be_read_all_the_same(site: TestClient, answered):
    name = next(i for i in ids(answered) if "_essay_" in i)
    page = site.get(f"{ESSAYS}/{name}?generation_template=tags")
    assert page.status_code == 200
    assert "not in this list" in page.text


def test_a_page_past_the_end_leads_to_the_first(site: TestClient, answered):
    page = site.get(f"{ESSAYS}?page=7&sort=id")
    assert "There is no page 7." in page.text
    assert f"/daydreaming{ESSAYS}?page=1&amp;sort=id&amp;order=asc" in page.text


def test_an_experiment_without_answers_says_what_it_waits_for(site: TestClient, settings):
    planned_run(settings)
    assert "as the calls of <code>generate</code> are answered" in site.get(ESSAYS).text
    page = site.get(f"{ESSAYS}/{ids(settings)[0]}")
    assert page.status_code == 200
    assert "nothing has been sent so far" in page.text
    assert "Not rendered yet." in page.text


def test_the_reader_shows_the_essay_its_verdicts_and_where_they_come_from(site: TestClient, answered):
    name = ids(answered)[2]
    page = site.get(f"{ESSAYS}/{name}").text
    assert "Moats meet search in run-1-2." in page
    assert "The whole answer, of which the essay is a part" in page
    assert page.count('class="card verdict') == 4
    assert "SCORE: <mark>8</mark>" in page
    assert "Try pairs." in page
    assert f"03_generation/generation_responses/{name}.txt" in page
    assert '<a data-airflow href="/dags/daydream_experiment/runs/run-1/tasks/generate/mapped/2">' in page
    assert '<a data-airflow href="/dags/daydream_experiment/runs/run-1/tasks/evaluate/mapped/8">' in page
    assert f"/daydreaming/experiments/demo/compare?left={name}" in page
    assert '<details id="prompt">' in page
    assert '<details id="prompt" open>' in site.get(f"{ESSAYS}/{name}?show=prompt").text


def test_a_verdict_can_be_addressed(site: TestClient, answered):
    name, verdict = ids(answered)[2], ids(answered, "evaluation")[9]
    page = site.get(f"{ESSAYS}/{name}?verdict={verdict}").text
    [card] = re.findall(r'<section class="card verdict is-chosen" id="([^"]+)"[^>]*autofocus>', page)
    assert card == "verdict-2"
    assert "Judge:" not in page  # its prompt is not asked for
    assert "Judge:" in site.get(f"{ESSAYS}/{name}?verdict={verdict}&show=prompt").text
    refused = site.get(f"{ESSAYS}/{name}?verdict={ids(answered, 'evaluation')[0]}")
    assert (refused.status_code, "No verdict" in refused.text) == (404, True)


def test_many_verdicts_are_paged_and_an_addressed_one_is_on_its_page(site: TestClient, settings):
    planned_run(settings, evaluation_replicates=8, generation_templates=["essay"], generation_models=["free"])
    answer_distinctly(settings, "run-1")
    name = ids(settings)[0]
    first, second = site.get(f"{ESSAYS}/{name}").text, site.get(f"{ESSAYS}/{name}?verdict_page=2").text
    assert [page.count('class="card verdict') for page in (first, second)] == [24, 8]
    last = re.findall(r"verdict=([^&#\"]+)", second)[-1]
    assert 'is-chosen" id="verdict-32"' in site.get(f"{ESSAYS}/{name}?verdict={last}").text


def test_failed_unscored_and_unread_cells_say_so(site: TestClient, settings):
    planned_run(settings)
    texts = {("generation", 3): "No tags.", ("evaluation", 1): "No score."}
    leave_out = frozenset({("evaluation", index) for index in (0, 12, 13, 14, 15)})
    answer_distinctly(settings, "run-1", texts=texts, leave_out=leave_out)
    call = open_call(settings, "run-1", "evaluation", 0)
    record_failure(call, LLMPermanentError(f"HTTP 400 {SCRIPT}"), attempt=1, final=True, now=NOW)
    first, *_, last = ids(settings)
    page = site.get(f"{ESSAYS}/{first}").text
    assert "The call failed (LLMPermanentError, 2026-03-01 12:00 UTC):" in page
    assert f"HTTP 400 {html.escape(SCRIPT)}" in page
    assert "Unscored: the last line must be" in page
    page = site.get(f"{ESSAYS}/{last}").text
    assert "No essay was found in the answer: no essay: looked for" in page
    assert page.count("No judge is asked") == 4
    page = site.get(f"{ESSAYS}?state=no_essay").text
    assert rows_of(page) == [last]
    assert "no essay</span>" in page
    assert rows_of(site.get(f"{ESSAYS}?state=unscored").text) == [first]


def tags_in(page: str) -> set[str]:
    return {name.lower() for name in re.findall(r"<([a-zA-Z][\w-]*)", page)}


def test_hostile_texts_are_text(site: TestClient, hostile):
    plain = tags_in(site.get(ESSAYS).text)
    for name in ids(hostile):
        page = site.get(f"{ESSAYS}/{name}?show=prompt").text
        assert tags_in(page) - plain <= {
            "article", "aside", "details", "dl", "dt", "dd", "div", "h2", "h3", "mark", "section", "strong",
            "summary",
        }  # fmt: skip
        assert page.count("<script") == 1  # our own
        assert " onerror=alert" not in re.sub(r"&gt;|&#34;|&lt;", "", re.sub(r">[^<]*<", "><", page))
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", page)
    page = site.get(f"{ESSAYS}/{ids(hostile)[0]}").text
    assert html.escape(SCRIPT) in page
    assert "{{7*7}} {% raw %}" in page
    assert "␀ ␛[31m" in page
    assert "<mark>7</mark>" in page


def test_each_text_of_a_model_is_a_block_of_its_own_direction(site: TestClient, hostile):
    page = site.get(f"{ESSAYS}/{ids(hostile)[0]}").text
    for block in re.findall(r"<(?:div|dd|p)[^>]*>[^<]*\u202e", page):
        assert 'dir="auto"' in block
    assert page.count("\u202e") >= 2


def test_a_word_of_200_kilobytes_is_shown(site: TestClient, hostile):
    page = site.get(f"{ESSAYS}/{ids(hostile)[1]}")
    assert "w" * 200_000 in page.text


def test_a_text_of_a_megabyte_is_shown_in_part_and_says_so(site: TestClient, settings):
    planned_run(settings)
    answer_distinctly(settings, "run-1", texts={("generation", 0): "long " * 200_000})
    page = site.get(f"{ESSAYS}/{ids(settings)[0]}").text
    assert "The first 300,000 of 999,999 characters are shown." in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/experiments/none/essays", 404),
        ("/experiments/none/essays/x", 404),
        (f"{ESSAYS}/nobody", 404),
        (f"{ESSAYS}/a%2Fb", 404),
        (f"{ESSAYS}/%00", 422),
        (f"{ESSAYS}?sort=best", 422),
        (f"{ESSAYS}?min_score=nan", 422),
        (f"{ESSAYS}?min_sd=1e99", 422),
        (f"{ESSAYS}?generation_replicate=0", 422),
        (f"{ESSAYS}?page=0", 422),
        (f"{ESSAYS}?combination=a%00b", 422),
        (f"{ESSAYS}?combination={'x' * 251}", 422),
        (f"{ESSAYS}?state=gone", 422),
        (f"{ESSAYS}/x?show=all", 422),
    ],
)
def test_what_is_unknown_or_not_allowed_is_refused_in_one_line(site: TestClient, answered, path, status):
    page = site.get(path)
    assert page.status_code == status
    assert "Traceback" not in page.text


def test_a_phone_sorts_by_the_form(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    page = site.get("/experiments/demo/essays?sort=id&order=asc").text
    assert '<option value="id" selected>essay</option>' in page
    assert '<option value="asc" selected>' in page
    assert 'type="hidden" name="sort"' not in page
    chosen = site.get("/experiments/demo/essays?sort=n&order=asc&state=").text
    assert '<option value="n" selected>' in chosen
