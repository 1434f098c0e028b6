"""Our pages within Airflow's frame: there from its navigation, and a way back to Airflow's own pages."""

from __future__ import annotations

import re

import pytest
from airflow.sdk.types import TaskInstanceKey
from playwright.sync_api import FrameLocator, Page, expect

from daydreaming.operators.links import cell_links
from daydreaming.settings import DAG_ID
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run, runs_of_experiment
from daydreaming.ui.lazy import URL_PREFIX
from tests.browser.deployment import FINISHED
from tests.integration.airflow_deployment import RunningAirflow

pytestmark = pytest.mark.browser

#: Airflow keeps the address of the page in its frame in its own.
_FRAMED = "/plugin/experiments"


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title=Experiments]")


def test_airflows_navigation_opens_the_list(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Experiments").click()
    expect(frame_of(page).get_by_role("link", name=FINISHED)).to_be_visible()
    expect(page).to_have_url(re.compile(re.escape(f"{_FRAMED}/daydreaming/") + "$"))


def test_a_page_within_airflow_has_an_address_to_share(page: Page) -> None:
    page.goto(f"{_FRAMED}/daydreaming/experiments/{FINISHED}/essays?sort=sd")
    expect(frame_of(page).get_by_role("link", name=FINISHED)).to_be_visible()
    expect(frame_of(page).get_by_role("columnheader", name="SD")).to_have_attribute("aria-sort", "descending")


def test_the_address_of_an_instances_link_opens_its_essay_within_airflow(
    airflow: RunningAirflow, page: Page
) -> None:
    [run] = runs_of_experiment(engine_for(airflow.settings), FINISHED)
    [cell, *_] = cells_of_run(engine_for(airflow.settings), run.run_id, "generation")
    links = {link.name: link for link in cell_links(URL_PREFIX, "experiments")}
    key = TaskInstanceKey(DAG_ID, "generate", run.run_id, 1, cell.map_index)
    page.goto(links["Essay"].get_link(None, ti_key=key))
    expect(frame_of(page).get_by_text(cell.cell_id).first).to_be_visible()
    reader = f"{_FRAMED}{URL_PREFIX}/experiments/{FINISHED}/essays/{cell.cell_id}"
    expect(page).to_have_url(re.compile(f"{re.escape(reader)}$"))


def test_every_page_within_airflow_leads_back_to_the_list(page: Page) -> None:
    page.goto(f"{_FRAMED}/daydreaming/experiments/{FINISHED}/failures")
    frame_of(page).get_by_role("link", name="All experiments").click()
    expect(frame_of(page).get_by_role("heading", level=1, name="Experiments")).to_be_visible()
    expect(page).to_have_url(re.compile(re.escape(f"{_FRAMED}/daydreaming/") + "$"))


def test_a_link_to_airflow_opens_outside_the_frame(page: Page) -> None:
    page.goto(f"{_FRAMED}/daydreaming/experiments/{FINISHED}/failures")
    link = frame_of(page).locator("a[data-airflow]").filter(has_text=re.compile("instance|generate|evaluate"))
    link.first.click()
    expect(page).to_have_url(re.compile(rf"/dags/{DAG_ID}/runs/[^/]+/tasks/(generate|evaluate)/mapped/\d+"))
    expect(page.locator("iframe[title=Experiments]")).to_have_count(0)


def test_the_way_back_leads_into_the_frame(page: Page) -> None:
    page.goto(f"{_FRAMED}/daydreaming/experiments/{FINISHED}/failures")
    frame_of(page).locator("a[data-airflow]").first.click()
    expect(page.locator("iframe[title=Experiments]")).to_have_count(0)
    page.go_back()
    expect(frame_of(page).get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_pages_follow_the_theme_chosen_in_airflow(open_page, theme: str) -> None:
    page = open_page(theme="light" if theme == "dark" else "dark")
    page.goto("/")
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
    page.goto(f"{_FRAMED}/daydreaming/")
    expect(frame_of(page).locator("html")).to_have_attribute("data-theme", theme)
