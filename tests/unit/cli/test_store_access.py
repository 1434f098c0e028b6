"""What the command line tells Airflow's library, and what of it stays in the process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from daydreaming.cli.environment import Home
from daydreaming.cli.store_access import _airflow_environment
from daydreaming.objects import file_system

SERVICE = "_AIRFLOW_PROCESS_CONTEXT"
LOOK = """
import os, sys
from daydreaming.cli.store_access import know_connections
from daydreaming.objects.path import ObjectPath
know_connections()
before = dict(os.environ)
print((ObjectPath(sys.argv[1]) / "x").read_text())
assert dict(os.environ) == before
"""


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    """An Airflow home that holds nothing."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return Home.from_env()


def test_where_airflow_has_no_database_none_is_asked(home):
    assert _airflow_environment() == {"AIRFLOW_HOME": str(home.path)}
    assert list(home.path.iterdir()) == []


def test_a_database_is_asked_with_the_key_that_it_was_written_with(home):
    (home.path / "airflow.db").touch()
    assert _airflow_environment() == {"AIRFLOW_HOME": str(home.path), SERVICE: "server"}
    made = home.secret_settings()
    assert _airflow_environment() == {"AIRFLOW_HOME": str(home.path), SERVICE: "server", **made}


def test_a_database_elsewhere_is_asked_too(home, monkeypatch):
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://airflow@db/airflow")
    assert _airflow_environment()[SERVICE] == "server"


def test_what_is_set_wins_and_nothing_stays(monkeypatch):
    monkeypatch.setattr(file_system, "_is_guest", lambda: True)
    monkeypatch.setattr(file_system, "_guest_environment", lambda: {"GIVEN": "ours", "ADDED": "ours"})
    monkeypatch.setenv("GIVEN", "theirs")
    with file_system._as_guest():
        assert (os.environ["GIVEN"], os.environ["ADDED"]) == ("theirs", "ours")
    assert os.environ["GIVEN"] == "theirs"
    assert "ADDED" not in os.environ


def test_a_process_of_airflows_keeps_its_environment(monkeypatch):
    monkeypatch.setattr(file_system, "_is_guest", lambda: False)
    monkeypatch.setattr(file_system, "_guest_environment", lambda: {"ADDED": "ours"})
    with file_system._as_guest():
        assert "ADDED" not in os.environ


def test_a_look_from_the_command_line_leaves_the_environment_as_it_was(s3, home):
    root = s3.new_root()
    (root / "x").write_text("far away")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(root)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "far away\n"), done.stderr[-2000:]
