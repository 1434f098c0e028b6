"""The list of experiments."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from daydreaming.pipeline.plan import note_refusal, start_run
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.experiments import note_experiment
from daydreaming.store.plans import cells_of_run
from tests.support.attempts import call_order
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly


def test_before_the_first_experiment_the_list_says_how_to_start_one(site: TestClient) -> None:
    answer = site.get("/")
    assert answer.status_code == 200
    assert "No experiment has been started yet" in answer.text
    assert 'href="/dags/daydream_experiment"' in answer.text


def test_a_row_says_how_far_an_experiment_is(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", leave_out=frozenset({("evaluation", 0)}))
    text = " ".join(site.get("/").text.split())
    generations, evaluations = (
        len(cells_of_run(engine_for(settings), "run-1", s)) for s in ("generation", "evaluation")
    )
    assert f"{generations} of {generations}" in text
    assert f"{evaluations - 1} of {evaluations}, 1 waiting" in text
    assert 'href="/daydreaming/experiments/demo"' in text
    assert ">complete<" not in text
    assert 'data-every="5"' in text


def test_a_finished_experiment_is_looked_at_less_often(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    text = site.get("/").text
    assert ">complete<" in text
    assert 'data-every="15"' in text


def test_a_cell_that_is_being_called_makes_the_list_live(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    cell = cells_of_run(engine_for(settings), "run-1", "generation")[0]
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="demo", cell_id=cell.cell_id)])
    time.sleep(0.01)  # it starts within this millisecond
    text = site.get("/part").text
    assert "1 running" in text
    assert 'data-every="2"' in text
    assert "<html" not in text


def test_a_users_name_stays_text(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    with engine_for(settings).begin() as connection:
        note_experiment(connection, "hers", {}, NOW, "<script>alert(1)</script>", "0")
    text = site.get("/").text
    assert "by &lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text


@pytest.mark.parametrize(("page", "status"), [("1", 200), ("2", 200), ("0", 422), ("x", 422), ("1e9", 422)])
def test_pages_are_numbers_from_1(site: TestClient, page: str, status: int) -> None:
    answer = site.get(f"/?page={page}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_51_experiments_take_two_pages(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    with engine_for(settings).begin() as connection:
        for number in range(50):
            note_experiment(connection, f"later-{number:02}", {}, NOW + timedelta(days=1 + number), None, "0")
    first, second = site.get("/").text, site.get("/?page=2").text
    assert "1–50 of 51" in first
    assert "later-49" in first
    assert ">demo</a>" not in first
    assert "51–51 of 51" in second
    assert ">demo</a>" in second
    assert "There is no page 3" in site.get("/?page=3").text


def test_a_run_that_failed_before_its_first_call_is_failed_in_list_and_pages(
    site: TestClient, settings: Settings
) -> None:
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    note_refusal(settings, "run-1", "Connection <x> is not defined.")
    reason = "Connection &lt;x&gt; is not defined."
    assert f"failed: {reason}" in site.get("/").text
    overview = site.get("/experiments/demo").text
    assert reason in overview
    assert "this waits for" not in overview.split('id="advice"')[0]
    failures = site.get("/experiments/demo/failures").text
    assert reason in failures
    assert "Nothing is missing" not in failures


def test_what_is_not_to_be_sent_does_not_wait(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    note_refusal(settings, "run-1", "Too dear.")
    text = site.get("/").text
    assert "not to be sent" in text
    assert "waiting" not in text
    planned_run(settings, "run-2", now=NOW + timedelta(seconds=1))
    assert "Too dear." not in site.get("/").text
