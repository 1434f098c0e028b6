"""Where the links on task instances lead."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from daydreaming.errors import LLMTransientError
from daydreaming.pipeline.call import build_request, open_call, record_failure, write_prompt
from daydreaming.pipeline.plan import note_refusal
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, answer_call, planned_run


@pytest.fixture
def answered(settings: Settings) -> Settings:
    """Generation 0 and its first verdict are answered; generation 1 has failed; 3 has no essay."""
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0)
    answer_call(settings, "run-1", "generation", 3, "No tags.")
    call = open_call(settings, "run-1", "generation", 1)
    write_prompt(call, build_request(call))
    record_failure(call, LLMTransientError("<b>busy</b>"), attempt=4, final=True, now=NOW)
    return settings


def ids(settings: Settings, stage: str) -> list[str]:
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", stage)]


def cell(site: TestClient, task_id: str, map_index: int, show: str):
    query = {"run_id": "run-1", "task_id": task_id, "map_index": map_index, "show": show}
    return site.get("/cell", params=query, follow_redirects=False)


@pytest.mark.parametrize(
    ("task_id", "show", "expected"),
    [
        ("generate", "essay", "{essay}"),
        ("generate", "prompt", "{essay}?show=prompt"),
        ("generate", "verdict", "{essay}#verdicts"),
        ("evaluate", "essay", "{essay}"),
        ("evaluate", "verdict", "{essay}?verdict={verdict}"),
        ("evaluate", "prompt", "{essay}?verdict={verdict}&show=prompt"),
    ],
)
def test_an_answered_instance_leads_to_the_reader(site: TestClient, answered, task_id, show, expected):
    page = cell(site, task_id, 0, show)
    place = expected.format(essay=ids(answered, "generation")[0], verdict=ids(answered, "evaluation")[0])
    assert page.status_code == 303
    assert page.headers["location"] == f"/daydreaming/experiments/demo/essays/{place}"
    assert site.get(page.headers["location"].removeprefix("/daydreaming")).status_code == 200


def test_a_failed_instance_has_a_page_that_says_why(site: TestClient, answered):
    page = cell(site, "generate", 1, "prompt")
    assert page.status_code == 200
    assert "This essay is not there yet" in page.text
    assert "The call failed (LLMTransientError, 2026-03-01 12:00 UTC):" in page.text
    assert "&lt;b&gt;busy&lt;/b&gt;" in page.text
    assert '<a data-airflow href="/dags/daydream_experiment/runs/run-1/tasks/generate/mapped/1">' in page.text
    assert "<details open>" in page.text
    assert "Combinatorial search: Try pairs." in page.text
    assert ids(answered, "generation")[1] in page.text


def test_a_verdict_that_is_not_there_leads_to_its_essay(site: TestClient, answered):
    page = cell(site, "evaluate", 1, "verdict")
    assert (page.status_code, "This verdict is not there yet" in page.text) == (200, True)
    assert "nothing has been sent so far" in page.text
    assert f'/daydreaming/experiments/demo/essays/{ids(answered, "generation")[0]}">The answer' in page.text
    assert "Not rendered yet" in page.text
    assert "This essay is not there yet" in cell(site, "evaluate", 4, "essay").text


def test_a_verdict_on_an_answer_without_an_essay_says_that_nobody_is_asked(site: TestClient, answered):
    assert "No judge is asked" in cell(site, "evaluate", 12, "verdict").text


def test_a_call_that_no_run_may_send_says_so(site: TestClient, answered):
    note_refusal(answered, "run-1", "Too dear.")
    page = cell(site, "evaluate", 1, "verdict").text
    assert '<span class="tag ">not to be sent</span>' in page
    assert "its estimate was refused" in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("run_id=none&task_id=generate&map_index=0", 404),
        ("run_id=run-1&task_id=generate&map_index=99", 404),
        ("run_id=run-1&task_id=evaluate&map_index=2147483647", 404),
        ("run_id=run-1&task_id=evaluate&map_index=2147483648", 422),
        ("run_id=run-1&task_id=generate&map_index=-1", 422),
        ("run_id=run-1&task_id=report&map_index=0", 422),
        ("run_id=run-1&task_id=generate&map_index=0&show=all", 422),
        ("run_id=a%00b&task_id=generate&map_index=0", 422),
        ("", 422),
    ],
)
def test_what_no_plan_names_is_refused(site: TestClient, answered, query, status):
    assert site.get(f"/cell?{query}").status_code == status


def test_without_a_database_nothing_is_planned_and_none_is_made(site: TestClient, settings):
    page = site.get("/cell?run_id=r&task_id=generate&map_index=0")
    assert (page.status_code, "no run has planned anything" in page.text) == (404, True)
    assert not settings.data_root.exists()
