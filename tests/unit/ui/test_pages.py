"""Addresses and formats."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi import Request

from daydreaming.ui import formats
from daydreaming.ui.pages import Addresses
from daydreaming.ui.paging import Paged


def addresses(root_path: str = "/daydreaming") -> Addresses:
    return Addresses(Request({"type": "http", "root_path": root_path}))


def test_an_address_holds_any_id() -> None:
    at = addresses()
    assert at() == "/daydreaming/"
    assert at("experiments", "a/b ?#%") == "/daydreaming/experiments/a%2Fb%20%3F%23%25"
    assert at("e", q="a&b", page=2, none=None, empty="", many=["x", "y"]) == (
        "/daydreaming/e?q=a%26b&page=2&many=x&many=y"
    )
    assert at(page=3) == "/daydreaming/?page=3"


def test_an_address_follows_where_airflow_is_mounted() -> None:
    at = addresses("/air/flow/daydreaming")
    assert at("run") == "/air/flow/daydreaming/run"
    assert at.airflow("dags", "d") == "/air/flow/dags/d"
    assert at.instance("d", "manual__2026-01-01T00:00:00+00:00", "generate", 3) == (
        "/air/flow/dags/d/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00/tasks/generate/mapped/3"
    )
    assert at.instance("d", "r", "report").endswith("/tasks/report")


def test_a_static_files_address_changes_with_its_content() -> None:
    first, second = (addresses().static(name) for name in ("app.js", "app.css"))
    assert first.startswith("/daydreaming/static/app.js?v=")
    assert first.rpartition("=")[2] != second.rpartition("=")[2]


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (formats.count(12345), "12,345"),
        (formats.count(None), "–"),
        (formats.score(7.0), "7"),
        (formats.score(7.254), "7.25"),
        (formats.score(0.1), "0.1"),
        (formats.score(7.625), "7.63"),
        (formats.score(7.625 - 1e-14), "7.63"),
        (formats.score(7.625 + 1e-14), "7.63"),
        (formats.score(7.635), "7.64"),
        (formats.score(7.6249), "7.62"),
        (formats.score(-0.125), "-0.13"),
        (formats.score(1e30), "1" + 30 * "0"),
        (formats.score(math.nan), "–"),
        (formats.score(-0.001), "0"),
        (formats.percent(0.416), "42 %"),
        (formats.percent(0.625), "63 %"),
        (formats.percent(0.625 - 1e-16), "63 %"),
        (formats.percent(0.625 + 1e-16), "63 %"),
        (formats.percent(-0.001), "0 %"),
        (formats.percent(math.nan), "–"),
        (formats.percent(None), "–"),
        (formats.usd(0.0042), "$0.0042"),
        (formats.usd(0), "$0.00"),
        (formats.usd(1234.5), "$1,234.50"),
        (formats.usd(None), "–"),
        (formats.seconds(3.21), "3.2 s"),
        (formats.seconds(42), "42 s"),
        (formats.seconds(59.7), "1 min"),
        (formats.seconds(200), "3 min 20 s"),
        (formats.seconds(7500), "2 h 5 min"),
        (formats.seconds(3600), "1 h"),
        (formats.day_time(datetime(2026, 1, 31, 14, 5, 59, tzinfo=UTC)), "2026-01-31 14:05"),
        (formats.day_time(datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=2)))), "2026-01-30 23:00"),
        (formats.day_time(None), "–"),
    ],
)
def test_numbers_and_times_are_short(made: str, text: str) -> None:
    assert made == text


def test_a_list_is_cut_into_pages() -> None:
    second = Paged(list(range(25)), 2, 10)
    assert (second.rows, second.first_row, second.last_row, second.last) == (list(range(10, 20)), 11, 20, 3)
    beyond = Paged(list(range(25)), 9, 10)
    assert (beyond.rows, beyond.first_row, beyond.last_row) == ([], 0, 0)
    assert Paged([], 1, 10).last == 1
    cut_by_the_database = Paged(["k"], 3, 10, total=21)
    assert (cut_by_the_database.rows, cut_by_the_database.first_row, cut_by_the_database.last) == (
        ["k"],
        21,
        3,
    )
