"""Each page on a wide and on a narrow window, light and dark: nothing stopped, nothing cut off, all named."""

from __future__ import annotations

import pytest

from daydreaming.ui.app import create_app
from daydreaming.ui.lazy import URL_PREFIX
from tests.browser.conftest import OpenPage
from tests.browser.deployment import FINISHED
from tests.browser.watch import what_is_wrong
from tests.integration.airflow_deployment import RunningAirflow
from tests.support.site import known_values, page_address, page_paths

pytestmark = pytest.mark.browser

_APP = create_app()


@pytest.mark.parametrize("path", page_paths(_APP).values(), ids=page_paths(_APP).keys())
def test_a_page_is_sound(airflow: RunningAirflow, open_page: OpenPage, path: str) -> None:
    address = page_address(_APP, path, known_values(airflow.settings, FINISHED))
    wrong = {}
    for width, theme in ((1280, "light"), (1280, "dark"), (390, "light")):
        page = open_page(width=width, theme=theme)
        page.goto(f"{URL_PREFIX}{address}")
        if page.evaluate("document.doctype === null"):
            return  # A part, which the page that it belongs to has asked for.
        wrong[width, theme] = what_is_wrong(page)
    assert not any(wrong.values()), wrong
