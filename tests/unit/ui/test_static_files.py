"""Files that a browser may keep."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from daydreaming.ui.static_files import STATIC, file_version

STATIC_AT = "/daydreaming/static"


@pytest.mark.parametrize("name", sorted(path.name for path in STATIC.iterdir()))
def test_a_file_with_its_version_is_kept(site: TestClient, name: str) -> None:
    address = f"{STATIC_AT}/{name}?v={file_version(name)}"
    answer = site.get(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    again = site.get(address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, answer.headers["cache-control"])


@pytest.mark.parametrize("query", ["", "?v=", "?v=000000000000", "?v=1&v=2"])
def test_another_version_is_not_kept(site: TestClient, query: str) -> None:
    answer = site.get(f"{STATIC_AT}/app.js{query}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-cache")


def test_what_is_not_there_is_not_kept(site: TestClient) -> None:
    answer = site.get(f"{STATIC_AT}/nothing.js?v=1")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "private, no-cache")


def test_pages_ask_for_the_version_that_is_there(site: TestClient) -> None:
    asked = re.findall(r'/static/([^"?]+)\?v=([^"]+)"', site.get("/").text)
    assert {name for name, _ in asked} == {"app.css", "app.js", "icon.svg"}
    assert all(version == file_version(name) for name, version in asked)
