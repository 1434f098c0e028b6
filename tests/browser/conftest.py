from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from daydreaming.cli.environment import USER
from daydreaming.settings import project_root
from tests.browser.deployment import deployment
from tests.browser.watch import Watch
from tests.integration.airflow_deployment import RunningAirflow

#: Where the pictures of the docs go; none are taken where it is not set.
_PICTURES = os.environ.get("PICTURES")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_WIDE = {"width": 1280, "height": 900}
expect.set_options(timeout=60_000)

OpenPage = Callable[..., Page]
Picture = Callable[[Page, str], None]


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """One Airflow for all files, with a finished experiment."""
    with deployment(tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.fail("Chromium is not installed. Install it (apt-get install chromium), or: make test-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def login(airflow: RunningAirflow, browser: Browser) -> StorageState:
    """What the browser keeps of a login to Airflow."""
    context = browser.new_context(base_url=airflow.client.url, viewport=_WIDE)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(airflow.home.password())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Experiments")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


@contextmanager
def pages(airflow: RunningAirflow, browser: Browser, login: StorageState) -> Iterator[OpenPage]:
    """Pages of a user who has logged in; what goes wrong in one of ours fails the test."""
    contexts: list[BrowserContext] = []
    watch = Watch()

    def make(width: int = 1280, height: int = 900, theme: str = "light") -> Page:
        context = browser.new_context(
            base_url=airflow.client.url,
            storage_state=login,
            viewport={"width": width, "height": height},
            color_scheme=theme,
        )
        contexts.append(context)
        page = context.new_page()
        watch.follow(page)
        return page

    yield make
    for context in contexts:
        context.close()
    assert watch.problems == []


@pytest.fixture
def open_page(airflow: RunningAirflow, browser: Browser, login: StorageState) -> Iterator[OpenPage]:
    """Opens such a page, of any size, in light or dark colours."""
    with pages(airflow, browser, login) as make:
        yield make


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """One such page, of 1280 by 900 pixels, in light colours."""
    return open_page()


@pytest.fixture(scope="session")
def picture() -> Picture:
    """Takes a picture for the docs, where ``PICTURES`` names their folder."""

    def take(page: Page, name: str) -> None:
        if _PICTURES:
            folder = project_root() / _PICTURES
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"{name}.png", animations="disabled")

    return take
