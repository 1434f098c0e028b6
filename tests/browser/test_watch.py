"""The tests' own eyes: what they are to see, they see."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, StorageState

from daydreaming.ui.lazy import URL_PREFIX
from tests.browser.watch import Watch, what_is_wrong
from tests.integration.airflow_deployment import RunningAirflow

pytestmark = pytest.mark.browser

_BAD = """<!doctype html><html><body>
<div style="width: 3000px">wide</div><input><a href="/x"></a><img src="data:,">
<table><tr><th>no scope</th></tr></table><div class="scroll"></div><i id="a"></i><i id="a"></i>
</body></html>"""


def test_a_bad_page_is_told_from_a_good_one(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_content(_BAD)
    found = [problem.partition(":")[0] for problem in what_is_wrong(page)]
    page.close()
    assert found == [
        "3008 pixels wide in a window of 1280",
        "no language",
        "not one h1",
        "no main",
        "no label",
        "no name",
        "neither named nor hidden",
        "no scope",
        "not to be scrolled by key",
        "twice",
    ]


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (
            "document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')",
            "has stopped style-src",
        ),
        (
            "document.head.append(Object.assign(document.createElement('script'), {text: '1'}))",
            "has stopped script-src",
        ),
        ("setTimeout(() => { throw new Error('broken') })", "broken"),
        ("fetch('nowhere')", "404"),
    ],
)
def test_what_goes_wrong_in_a_page_is_heard(
    airflow: RunningAirflow, browser: Browser, login: StorageState, does: str, says: str
) -> None:
    context = browser.new_context(base_url=airflow.client.url, storage_state=login)
    page, watch = context.new_page(), Watch()
    watch.follow(page)
    page.goto(f"{URL_PREFIX}/")
    assert watch.problems == []
    page.evaluate(f"() => {{ {does} }}")
    page.wait_for_timeout(500)
    context.close()
    assert any(says in problem for problem in watch.problems), watch.problems
