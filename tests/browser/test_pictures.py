"""The matrix, the reader and the report, as pictures for the docs; the report stands alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.results import read_responses
from daydreaming.ui.lazy import URL_PREFIX
from tests.browser.conftest import OpenPage, Picture
from tests.browser.deployment import FINISHED
from tests.browser.watch import what_is_wrong
from tests.integration.airflow_deployment import RunningAirflow

pytestmark = pytest.mark.browser


def test_the_matrix(page: Page, picture: Picture) -> None:
    page.goto(f"{URL_PREFIX}/experiments/{FINISHED}")
    matrix = page.locator("#matrix")
    matrix.scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#matrix').scrollIntoView()")
    page.set_viewport_size({"width": 1280, "height": 640})
    expect(matrix).to_be_in_viewport()
    picture(page, "page-matrix")


def test_the_reader(airflow: RunningAirflow, page: Page, picture: Picture) -> None:
    answers = read_responses(engine_for(airflow.settings), "generation")
    answer = next(row for row in answers if row["experiment_id"] == FINISHED and not row["essay_error"])
    page.goto(f"{URL_PREFIX}/experiments/{FINISHED}/essays/{answer['generation_task_id']}")
    expect(page.get_by_role("article")).to_be_visible()
    picture(page, "page-reader")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_stands_alone(
    airflow: RunningAirflow, open_page: OpenPage, picture: Picture, width: int
) -> None:
    page = open_page(width=width)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((DataRoot(airflow.settings.data_root).summary(FINISHED) / "report.html").as_uri())
    assert what_is_wrong(page) == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    if width == 1280:
        picture(page, "report")
