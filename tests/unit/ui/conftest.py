from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from daydreaming.settings import Settings
from daydreaming.ui.access import Visitor, visitor
from daydreaming.ui.app import create_app
from tests.support.experiments import make_settings

ADA = Visitor("1", "ada", may_rate=True)
READER = Visitor("2", "bob", may_rate=False)


@cache
def _app_for(who: Visitor) -> FastAPI:
    """Between requests it holds nothing, so one serves all tests."""
    app = create_app()
    app.dependency_overrides[visitor] = lambda: who
    return app


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A small inputs tree and an empty data root, as the pages' environment names them."""
    made = make_settings(tmp_path)
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(made.data_root))
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(made.inputs_root))
    return made


@pytest.fixture
def site_as(settings: Settings) -> Iterator[Callable[[Visitor], TestClient]]:
    """The pages on ``settings``, for a visitor who has logged in."""
    clients: list[TestClient] = []

    def open_site(who: Visitor) -> TestClient:
        clients.append(TestClient(_app_for(who), base_url="http://127.0.0.1", root_path="/daydreaming"))
        return clients[-1]

    yield open_site
    for client in clients:
        client.close()


@pytest.fixture
def site(site_as: Callable[[Visitor], TestClient]) -> TestClient:
    """The pages for a user who may rate."""
    return site_as(ADA)
