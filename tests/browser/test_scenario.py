"""A person's way through an experiment: started in Airflow's form, watched, read, rated, mended."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, StorageState, expect

from daydreaming.settings import DAG_ID
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import cells_of_run
from daydreaming.store.ratings import read_ratings
from daydreaming.ui.lazy import URL_PREFIX
from tests.browser.conftest import OpenPage, Picture, pages
from tests.browser.deployment import FINISHED, GENERATORS, HOSTILE, SAVED, hostile_generation
from tests.integration.airflow_deployment import RunningAirflow

pytestmark = pytest.mark.browser

#: Until all calls of a stage have been made, some waiting for others.
_RUN_TIMEOUT_MS = 240_000
_EXPERIMENT = f"{URL_PREFIX}/experiments/{SAVED}"


@pytest.fixture(scope="module")
def run_id(airflow: RunningAirflow, browser: Browser, login: StorageState) -> str:
    """The run that all tests below are about, one after the other: started from Airflow's own form."""
    with pages(airflow, browser, login) as open_page:
        return _start_from_form(open_page())


def test_an_experiment_started_from_the_form_is_watched(page: Page, run_id: str, picture: Picture) -> None:
    page.goto("/")
    page.get_by_role("link", name="Experiments").click()
    row = _frame(page).get_by_role("row").filter(has_text=SAVED)
    expect(row).to_contain_text(" of 8")
    row.get_by_role("link", name=SAVED).click()
    calls = _frame(page).locator("#progress")
    # Nobody asks for the page again: it follows by itself.
    for model in GENERATORS:
        row = calls.get_by_role("row", name=f"generation {model}")
        expect(row).to_contain_text(re.compile(r"[1-4] of 4"), timeout=_RUN_TIMEOUT_MS)
    # Airflow's navigation leaves its frame as it is where that is open already; the page's own does not.
    _frame(page).get_by_role("link", name="All experiments").click()
    expect(_frame(page).get_by_role("row").filter(has_text=FINISHED)).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 480})
    picture(page, "page-list")


def test_some_calls_fail_and_the_page_says_which(airflow: RunningAirflow, page: Page, run_id: str) -> None:
    assert airflow.wait(run_id) == "failed"
    page.goto(f"{_EXPERIMENT}/failures")
    failed = [i for i in airflow.instances(run_id, task_id="generate") if i.state == "failed"]
    assert 0 < len(failed) < 7
    cells = {c.map_index: c.cell_id for c in cells_of_run(engine_for(airflow.settings), run_id, "generation")}
    for instance in failed:
        row = page.get_by_role("row").filter(has_text=f"generate [{instance.map_index}]")
        expect(row).to_contain_text(cells[instance.map_index])
        expect(row).to_contain_text("HTTP 500")


def test_an_instances_link_opens_its_essay(airflow: RunningAirflow, page: Page, run_id: str) -> None:
    cells = _cells(airflow, run_id)
    made = [i for i in airflow.instances(run_id, task_id="generate") if i.state == "success"]
    [instance, *_] = [i for i in made if cells[i.map_index] != hostile_generation()]
    cell_id = cells[instance.map_index]
    page.goto(f"/dags/{DAG_ID}/runs/{quote(run_id)}/tasks/generate/mapped/{instance.map_index}/details")
    page.get_by_role("link", name="Essay", exact=True).click()
    frame = _frame(page)
    expect(frame.get_by_text(cell_id).first).to_be_visible()
    text = DataRoot(airflow.settings.data_root).read_response("generation", cell_id)
    expect(frame.get_by_role("article").first).to_contain_text(text.split("\n")[0])
    expect(page).to_have_url(re.compile(f"/plugin/experiments{_EXPERIMENT}/essays/{cell_id}$"))


def test_what_a_model_wrote_is_text_whatever_it_is(page: Page, run_id: str) -> None:
    page.goto(f"{_EXPERIMENT}/essays/{hostile_generation()}")
    article = page.get_by_role("article").first
    for line in HOSTILE.splitlines():
        expect(article).to_contain_text(line)
    assert article.locator("script, img").count() == 0
    expect(page).not_to_have_title(re.compile("taken over"))


def test_an_essay_is_rated_blind(airflow: RunningAirflow, page: Page, run_id: str) -> None:
    before = {rating.rating_id for rating in read_ratings(engine_for(airflow.settings))}
    page.goto(f"{_EXPERIMENT}/rate")
    assert not re.search("|".join((*GENERATORS, "combo_v1_")), page.inner_text("main"))
    page.get_by_label("Score from 0 to 10").fill("6.5")
    page.get_by_label("Comment").fill("<b>Well put.</b>")
    page.get_by_role("button", name="Rate").click()
    expect(page.get_by_role("status")).to_contain_text("Rated 6.5")
    [rating] = [r for r in read_ratings(engine_for(airflow.settings)) if r.rating_id not in before]
    assert (rating.score, rating.comment, rating.rater) == (6.5, "<b>Well put.</b>", "admin")


def test_a_failed_instance_is_cleared_and_the_page_follows(
    airflow: RunningAirflow, page: Page, run_id: str, open_page: OpenPage
) -> None:
    airflow.simulator.control(rate_500=0)
    watched = open_page()
    watched.goto(f"{_EXPERIMENT}/failures")
    state = watched.get_by_role("region", name="Calls without an answer")
    page.goto(f"/plugin/experiments{_EXPERIMENT}/failures")
    link = _frame(page).get_by_role("link", name=re.compile(r"^generate \[\d+\]$")).first
    name = link.inner_text()
    expect(state.get_by_role("row").filter(has_text=name)).to_contain_text("failed")
    link.click()
    _clear_instance(page)
    expect(state.get_by_role("row").filter(has_text=name)).to_have_count(0, timeout=_RUN_TIMEOUT_MS)


def _start_from_form(page: Page) -> str:
    """Trigger the saved experiment, with the models chosen in the form; returns the run's ID."""
    page.goto(f"/dags/{DAG_ID}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.locator("[name=element_experiment]").fill(SAVED)
    models = form.locator("#element_generation_models").get_by_role("combobox")
    for model in GENERATORS:
        models.fill(model)
        models.press("Enter")
    form.get_by_role("button", name="Trigger", exact=True).click()
    expect(page).to_have_url(re.compile("/runs/manual__"))
    return unquote(page.url.rpartition("/runs/")[2])


def _cells(airflow: RunningAirflow, run_id: str) -> dict[int, str]:
    """IDs of the run's generations by map index."""
    planned = cells_of_run(engine_for(airflow.settings), run_id, "generation")
    return {cell.map_index: cell.cell_id for cell in planned}


def _clear_instance(page: Page) -> None:
    """Clear the instance that is open, as Airflow proposes: with what comes after it."""
    page.get_by_role("button", name=re.compile("clear", re.IGNORECASE)).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Confirm").click()
    expect(dialog).to_have_count(0)


def _frame(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title=Experiments]")
