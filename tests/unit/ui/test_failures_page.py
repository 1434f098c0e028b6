"""What is missing and failed, as a page."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from daydreaming.errors import DaydreamingError, LLMPermanentError, LLMTransientError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.import_legacy import import_legacy
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import insert_failure
from daydreaming.store.schema import EvaluationResponse
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly
from tests.support.legacy_folder import make_legacy_folder

PAGE = "/experiments/demo/failures"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "\u202edlrow\u2066",
    "a\x00b",
    "word" * 50_000,
)


def text_of(site: TestClient, query: str = "", path: str = PAGE) -> str:
    answer = site.get(f"{path}?{query}" if query else path)
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def fail(settings: Settings, stage, index: int, error: DaydreamingError) -> str:
    call = open_call(settings, "run-1", stage, index)
    insert_failure(engine_for(settings), failure_row(call, error, attempt=2, final=True, now=NOW))
    return call.cell.cell_id


def test_an_experiment_that_nobody_started_is_not_found(site: TestClient, settings: Settings) -> None:
    assert site.get(PAGE).status_code == 404
    planned_run(settings)
    assert site.get(PAGE.replace("demo", "other")).status_code == 404
    assert site.get(f"{PAGE.replace('demo', 'other')}/part").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["state=answered", "stage=judge", "page=0", "unread_page=x", "model=%00", f"error_class={'x' * 251}"],
)
def test_what_cannot_be_asked_is_told(site: TestClient, settings: Settings, query: str) -> None:
    planned_run(settings)
    assert site.get(f"{PAGE}?{query}").status_code == 422


def test_a_complete_experiment_misses_nothing(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    text = text_of(site)
    assert "Nothing is missing" in text
    assert "Every answer so far could be read" in text


def test_a_failed_call_tells_why_and_where_it_can_be_cleared(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    cell_id = fail(settings, "evaluation", 5, LLMPermanentError("HTTP 402: no credit"))
    text = text_of(site, "state=failed")
    assert "1 failed" in text
    assert f"<code>{cell_id}</code>" in text
    assert "HTTP 402: no credit" in text
    assert "attempt 2, 2026-03-01 12:00" in text
    assert 'href="/dags/daydream_experiment/runs/run-1/tasks/evaluate/mapped/5">evaluate [5]</a>' in text
    assert 'data-airflow href="/dags/daydream_experiment/runs/run-1">run-1</a>' in text
    assert "“only failed”" in text
    assert "The same call will fail again" in text


def test_what_a_provider_says_stays_as_it_says_it(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    fail(settings, "generation", 0, LLMPermanentError("HTTP 404: unknown `deployment ID`"))
    assert "HTTP 404: unknown <code>deployment ID</code>" in text_of(site)


def test_an_import_is_no_run_of_airflows(site: TestClient, settings: Settings, tmp_path: Path) -> None:
    import_legacy(settings, make_legacy_folder(tmp_path / "old"), now=NOW)
    text = site.get("/experiments/legacy").text
    assert "import-legacy-" in text
    assert not re.search('href="[^"]*/runs/import-', text)
    assert not re.search('href="[^"]*/runs/import-', site.get("/experiments/legacy/failures").text)


def test_a_kind_of_error_leads_to_its_calls(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    first = fail(settings, "generation", 0, LLMPermanentError("no"))
    second = fail(settings, "generation", 1, LLMTransientError("busy"))
    (query,) = re.findall(r'failures\?([^"]*error_class=LLMTransientError)"', text_of(site))
    text = text_of(site, query.replace("&amp;", "&"))
    assert f"<code>{second}</code>" in text
    assert f"<code>{first}</code>" not in text
    assert "error class: LLMTransientError" in text
    assert "Show all" in text


def test_blank_fields_of_a_form_ask_for_nothing(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    assert "1–20" not in text_of(site, "state=&stage=&model=")
    assert "20 waiting" in text_of(site, "state=&stage=&model=")


def test_a_choice_that_leaves_nothing_says_so(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    assert "No call without an answer fits this choice" in text_of(site, "state=blocked")
    assert "There is no page 9" in text_of(site, "page=9")


def test_long_lists_have_pages(site: TestClient, settings: Settings) -> None:
    planned_run(settings, generation_replicates=4)
    first, second = text_of(site, "stage=evaluation"), text_of(site, "stage=evaluation&page=2")
    assert "1–50 of 64" in first
    assert "51–64 of 64" in second
    assert "stage=evaluation&amp;page=2" in first or "page=2&amp;stage=evaluation" in first


def test_an_evaluation_without_an_essay_leads_to_the_answer(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    tagged = next(
        c
        for c in cells_of_run(engine_for(settings), "run-1", "generation")
        if c.generation_template == "tags"
    )
    judged = {
        ("evaluation", c.map_index)
        for c in cells_of_run(engine_for(settings), "run-1", "evaluation")
        if c.generation_task_id == tagged.cell_id
    }
    texts = {("generation", tagged.map_index): "No tag."}
    answer_distinctly(settings, "run-1", texts=texts, leave_out=frozenset(judged))
    text = text_of(site)
    assert "4 not possible" in text
    assert f'/essays/{tagged.cell_id}">the answer without an essay' in text
    unread = text.partition('id="unread-title"')[2]
    assert "1 answer without an essay" in unread
    assert f'/essays/{tagged.cell_id}"><code>{tagged.cell_id}</code>' in unread


def test_an_unscored_verdict_leads_to_the_reader(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    cell = cells_of_run(engine_for(settings), "run-1", "evaluation")[3]
    answer_distinctly(settings, "run-1", texts={("evaluation", 3): "Well, well."})
    unread = text_of(site).partition('id="unread-title"')[2]
    assert "1 verdict without a score" in unread
    assert f"/essays/{cell.generation_task_id}?verdict={cell.cell_id}" in unread
    assert "There is no page 2" in text_of(site, "unread_page=2")


def test_the_part_holds_the_lists_alone_and_asks_again(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    part = text_of(site, "state=waiting", f"{PAGE}/part")
    assert "<html" not in part
    assert part.count('id="failures"') == 1
    assert 'data-every="15"' in part
    (address,) = re.findall(r'data-refresh="/daydreaming([^"]*)"', part)
    assert "state=waiting" in address
    assert text_of(site, path=address.replace("&amp;", "&")) == part


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_provider_or_a_model_wrote_stays_text(
    site: TestClient, settings: Settings, hostile: str
) -> None:
    planned_run(settings)
    fail(settings, "evaluation", 0, LLMPermanentError(hostile))
    answer_distinctly(settings, "run-1", leave_out=frozenset({("evaluation", 0)}))
    with engine_for(settings).begin() as connection:
        connection.execute(update(EvaluationResponse).values(score=None, score_error=hostile))
    text = text_of(site)
    assert "<script>alert" not in text
    assert "<img" not in text
    assert ">49<" not in text
    assert "\x00" not in text
    assert text.count("<bdi>") >= 2
    assert len(text) < 100_000
    assert ("198,000 more characters" in text) == (len(hostile) > 2000)


def test_a_run_that_is_over_long_ago_has_no_call_that_is_tried_again(
    site: TestClient, settings: Settings
) -> None:
    planned_run(settings, now=NOW - timedelta(days=1))
    fail(settings, "generation", 0, LLMTransientError("busy"))
    assert "1 failed" in text_of(site)
