"""What holds for every page: login, headers, errors."""

from __future__ import annotations

import html
import sqlite3
from collections.abc import Callable

import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from daydreaming.errors import ObjectStoreError, StoreError
from daydreaming.store.database import SQLITE_NAME
from daydreaming.ui import access, lazy
from daydreaming.ui.access import Visitor
from daydreaming.ui.app import create_app
from tests.unit.ui.conftest import ADA, READER


def test_nobody_sees_a_page_without_a_login(settings) -> None:
    site = TestClient(create_app(), root_path="/daydreaming")
    answer = site.get("/")
    assert answer.status_code == 401
    assert "Log in to Airflow" in answer.text
    assert 'href="/auth/login"' in answer.text


@pytest.mark.parametrize("path", ["/", "/nowhere", "/?page=0", "/static/app.js", "/static/nothing.js"])
def test_every_answer_says_what_a_browser_may_load(site: TestClient, path: str) -> None:
    headers = site.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_page_brings_scripts_or_styles_of_its_own(site: TestClient) -> None:
    text = site.get("/").text
    assert "<style" not in text
    assert " style=" not in text
    assert "<script>" not in text
    assert " onclick" not in text


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/nowhere", 404, "Not found"), ("/?page=0", 422, "greater than or equal to 1, got &#39;0&#39;")],
)
def test_a_mistake_gets_a_page(site: TestClient, path: str, status: int, says: str) -> None:
    answer = site.get(path)
    assert answer.status_code == status
    assert says in answer.text


def test_a_store_that_is_down_gets_a_page_that_says_so(settings) -> None:
    app = create_app()

    def read() -> None:
        raise ObjectStoreError("s3://dreams: the object store cannot be reached.", "down")

    app.add_api_route("/far", read)
    answer = TestClient(app).get("/far")
    assert answer.status_code == 503
    assert "Not available now" in answer.text
    assert "s3://dreams: the object store cannot be reached." in answer.text


def test_a_file_that_cannot_be_read_gets_a_page_that_says_so(settings) -> None:
    app = create_app()

    def read() -> None:
        raise StoreError("x.txt is not UTF-8.")

    app.add_api_route("/broken", read)
    answer = TestClient(app).get("/broken")
    assert (answer.status_code, "x.txt is not UTF-8." in answer.text) == (503, True)


def test_a_database_without_tables_gets_a_page_that_says_what_to_do(
    site: TestClient, settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.data_root.mkdir(parents=True, exist_ok=True)
    sqlite3.connect(settings.data_root / SQLITE_NAME).execute("CREATE TABLE of_others (x)")
    answer = site.get("/")
    assert answer.status_code == 503
    assert "`daydreaming migrate`" in html.unescape(answer.text)
    assert "no such table" not in answer.text
    assert "no such table" in caplog.text


def test_a_write_by_get_is_refused(site: TestClient) -> None:
    assert site.post("/").status_code == 405


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc"])
def test_nothing_but_looks_is_served_without_a_login(path: str, settings) -> None:
    assert TestClient(create_app()).get(path).status_code == 404


def test_the_application_is_built_at_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def build() -> Callable[..., object]:
        built.append("app")
        return create_app()

    monkeypatch.setattr("daydreaming.ui.app.create_app", build)
    app = lazy.LazyApp()
    assert built == []
    site = TestClient(app)
    assert [site.get("/static/app.css").status_code for _ in range(2)] == [200, 200]
    assert built == ["app"]


def test_only_who_may_edit_the_dag_may_rate() -> None:
    assert access.rater(ADA) is ADA
    with pytest.raises(HTTPException, match="403"):
        access.rater(READER)


@pytest.mark.parametrize(("refuses", "may_rate"), [((), True), (("PUT",), False)])
def test_a_visitor_is_who_airflow_says(
    monkeypatch: pytest.MonkeyPatch, refuses: tuple[str, ...], may_rate: bool
) -> None:
    class User:
        def get_id(self) -> str:
            return "7"

        def get_name(self) -> str:
            return "ada"

    def check(method: str) -> Callable[[object, object], None]:
        def inner(request: object, user: object) -> None:
            if method in refuses:
                raise HTTPException(403)

        return inner

    monkeypatch.setattr(access, "_may_read", check("GET"))
    monkeypatch.setattr(access, "_may_edit", check("PUT"))
    assert access.visitor(None, User()) == Visitor("7", "ada", may_rate)  # type: ignore[arg-type]


def test_who_may_not_read_the_dag_is_no_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(request: object, user: object) -> None:
        raise HTTPException(403)

    monkeypatch.setattr(access, "_may_read", refuse)
    with pytest.raises(HTTPException):
        access.visitor(None, None)  # type: ignore[arg-type]
