from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from daydreaming.cli import services
from daydreaming.cli.environment import Home
from daydreaming.cli.services import Deployment, Service, ServiceError, read_deployment, start, stop
from daydreaming.cli.up import bring_up
from daydreaming.errors import InputError
from daydreaming.settings import Settings

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"  # noqa: E501
PARENT = f"import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); print(c.pid, flush=True); time.sleep(60)"  # noqa: E501
DYING = "import sys; [print('line', i) for i in range(40)]; sys.exit('the reason')"
API = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{}')
http.server.HTTPServer(('127.0.0.1', int(os.environ['AIRFLOW__API__PORT'])), Handler).serve_forever()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "airflow")


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Service]]:
    """Small commands in place of Airflow's; what was started is ended whatever the test does."""
    started: list[Service] = []
    spawn = services.spawn

    def recording(*args) -> Service:
        service = spawn(*args)
        started.append(service)
        return service

    monkeypatch.setattr(services, "spawn", recording)
    monkeypatch.setattr(services, "program", lambda _: sys.executable)
    monkeypatch.setattr(services, "_prepare_database", lambda *_: None)
    yield started
    services._end(started)


def _fake(monkeypatch: pytest.MonkeyPatch, **code: str) -> None:
    monkeypatch.setattr(services, "AIRFLOW_SERVICES", {name: ("-c", text) for name, text in code.items()})


def _start(home: Home, settings: Settings, **options) -> Deployment:
    return start(home, settings, **{"port": 0, "llm": "none", "say": lambda _: None, **options})


def _wait_for(condition) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("nothing happened within 10 s")


def _is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_service_is_its_process_and_not_another_with_its_id():
    own = psutil.Process()
    service = Service("x", own.pid, own.create_time())
    assert service.is_running()
    assert not replace(service, created_at=own.create_time() - 100).is_running()


def test_a_process_that_has_ended_is_not_running():
    process = subprocess.Popen([sys.executable, "-c", SLEEPER])
    service = Service("x", process.pid, psutil.Process(process.pid).create_time())
    assert service.is_running()
    process.kill()
    _wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert not service.is_running()
    process.wait()
    assert not service.is_running()


def test_a_reused_process_id_is_never_ended(home: Home):
    bystander = subprocess.Popen([sys.executable, "-c", SLEEPER])
    try:
        born = psutil.Process(bystander.pid).create_time()
        record = {"name": "scheduler", "pid": bystander.pid, "created_at": born - 1000}
        home.path.mkdir()
        home.services_file.write_text(
            json.dumps({"url": "http://127.0.0.1:1", "llm": "none", "llm_url": None, "services": [record]})
        )
        assert stop(home) == 0
        assert bystander.poll() is None
        assert not home.services_file.exists()
    finally:
        bystander.kill()
        bystander.wait()


_LIMITS = "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE), flush=True)"


@pytest.mark.parametrize("soft", [1_000, services._OPEN_FILES + 1])
def test_a_service_may_open_as_many_files_as_it_has_calls_in_flight(home: Home, soft: int):
    """The shell's limit is raised for the service, never lowered, and not for this process."""
    before = _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard > services._OPEN_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        services.spawn(home, "limits", [sys.executable, "-c", _LIMITS], os.environ)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    log = home.path / "logs/services/limits.log"
    _wait_for(lambda: log.read_text().endswith("\n"))
    assert log.read_text().split() == [str(max(soft, services._OPEN_FILES)), str(hard)]


def test_start_records_what_runs_and_a_second_start_starts_nothing(home, settings, spawned, monkeypatch):
    _fake(monkeypatch, **{"api-server": API, "scheduler": SLEEPER})
    deployment = _start(home, settings)
    assert deployment.is_running()
    assert [service.name for service in deployment.services] == ["api-server", "scheduler"]
    assert read_deployment(home) == deployment
    assert _start(home, settings) == deployment
    assert len(spawned) == 2
    assert stop(home) == 2
    assert read_deployment(home) is None
    assert all(_is_gone(service.pid) for service in spawned)


def test_what_is_half_dead_is_started_anew(home, settings, spawned, monkeypatch):
    _fake(monkeypatch, **{"api-server": API, "scheduler": SLEEPER})
    first = _start(home, settings)
    psutil.Process(first.services[1].pid).kill()
    _wait_for(lambda: not first.services[1].is_running())
    second = _start(home, settings)
    assert second.is_running()
    assert not first.services[0].is_running()
    assert len(spawned) == 4


def test_stop_ends_children_too(home, settings, spawned, monkeypatch):
    _fake(monkeypatch, **{"api-server": API, "scheduler": PARENT})
    _start(home, settings)
    log = home.path / "logs/services/scheduler.log"
    _wait_for(lambda: log.read_text().strip())
    child = int(log.read_text())
    assert not _is_gone(child)
    stop(home)
    _wait_for(lambda: _is_gone(child))


def test_stop_ends_what_does_not_listen(home, settings, spawned, monkeypatch):
    monkeypatch.setattr(services, "_STOP_TIMEOUT_S", 0.3)
    _fake(monkeypatch, **{"api-server": API, "scheduler": STUBBORN})
    _start(home, settings)
    _wait_for(lambda: (home.path / "logs/services/scheduler.log").read_text())
    assert stop(home) == 2
    assert all(_is_gone(service.pid) for service in spawned)


def test_a_service_that_ends_shows_the_end_of_its_log_and_leaves_no_process(
    home, settings, spawned, monkeypatch
):
    _fake(monkeypatch, **{"api-server": API, "scheduler": PARENT, "triggerer": DYING})
    # A port on which nothing answers: the failure comes before the API.
    monkeypatch.setattr(services, "_answers", lambda _: False)
    with pytest.raises(ServiceError, match=r"(?s)triggerer ended\. The end of .*triggerer\.log:.*the reason"):
        _start(home, settings)
    assert len(spawned) == 3
    assert all(_is_gone(service.pid) for service in spawned)
    assert read_deployment(home) is None


def test_the_end_of_a_log_is_short(home, settings, spawned, monkeypatch):
    _fake(monkeypatch, triggerer=DYING)
    with pytest.raises(ServiceError) as caught:
        _start(home, settings)
    lines = str(caught.value).splitlines()[1:]
    assert lines[-1] == "the reason"
    assert len(lines) == 15


def test_services_that_never_answer_are_given_up(home, settings, spawned, monkeypatch):
    monkeypatch.setattr(services, "_START_TIMEOUT_S", 0.0)
    _fake(monkeypatch, scheduler=SLEEPER)
    with pytest.raises(ServiceError, match=r"does not answer at http://127\.0\.0\.1"):
        _start(home, settings)
    assert all(_is_gone(service.pid) for service in spawned)
    assert read_deployment(home) is None


def test_an_interrupted_start_leaves_no_process(home, settings, spawned, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(services, "_wait", interrupt)
    _fake(monkeypatch, scheduler=SLEEPER)
    with pytest.raises(KeyboardInterrupt):
        _start(home, settings)
    assert len(spawned) == 1
    assert all(_is_gone(service.pid) for service in spawned)


def test_a_database_that_cannot_be_prepared_shows_the_log_and_starts_nothing(home, settings, monkeypatch):
    monkeypatch.setattr(services, "program", lambda _: sys.executable)
    monkeypatch.setattr(services, "migrate_databases", lambda _settings, _env, migrate: migrate())
    with pytest.raises(ServiceError, match=r"(?s)db migrate failed\. The end of its log:.*No such file"):
        _start(home, settings)
    assert not (home.path / "pools.json").exists()


def test_the_environment_of_services_has_the_settings(home, settings, spawned, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-sesame")
    printing = "import os, time; print(os.environ['AIRFLOW_CONN_OPENROUTER_DEFAULT'], os.environ['DAYDREAMING_DATA_ROOT'], flush=True); time.sleep(60)"  # noqa: E501
    _fake(monkeypatch, **{"api-server": API, "scheduler": printing})
    _start(home, settings)
    log = home.path / "logs/services/scheduler.log"
    _wait_for(log.read_text)
    assert "sk-or-sesame" in log.read_text()
    assert str(settings.data_root) in log.read_text()
    assert "sesame" not in home.services_file.read_text()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "{}",
        '{"services": [{"pid": 1}]}',
        '{"services": [], "other": 1}',
        '{"services": [{"name": "scheduler", "pid": "1", "created_at": 1.0}], "llm": "none"}',
    ],
)
def test_a_damaged_record_is_named(home: Home, record: str):
    home.path.mkdir()
    home.services_file.write_text(record)
    with pytest.raises(InputError, match=r"services\.json: cannot be read"):
        read_deployment(home)


def test_up_says_where_the_ui_is_and_how_to_get_in(settings, monkeypatch):
    deployment = Deployment("http://127.0.0.1:8123", "simulated", "http://127.0.0.1:9/v1", ())
    monkeypatch.setattr("daydreaming.cli.up.start", lambda *_, **__: deployment)
    said: list[str] = []
    bring_up(None, "simulated", said.append)
    assert said[0] == "Airflow: http://127.0.0.1:8123"
    assert Home(Path(os.environ["AIRFLOW_HOME"])).password() in said[1]
    assert "http://127.0.0.1:9/v1" in said[2]
    assert said[-1] == "Stop everything with: make down"


@pytest.mark.parametrize("port", ["abc", "99999", "-1", "8080.5"])
def test_a_port_that_is_none_is_named(home, settings, monkeypatch, port):
    monkeypatch.setenv("AIRFLOW__API__PORT", port)
    with pytest.raises(InputError, match=f"AIRFLOW__API__PORT must be a port from 1 to 65535; got '{port}'"):
        _start(home, settings, port=None)


def test_the_default_port_gives_way_where_it_is_taken(monkeypatch):
    monkeypatch.setattr(services, "DEFAULT_PORT", services._free_port(0))
    assert services._free_port(None) == services.DEFAULT_PORT
    with services.socket.socket() as taken:
        taken.bind(("127.0.0.1", services.DEFAULT_PORT))
        taken.listen()
        assert services._free_port(None) != services.DEFAULT_PORT
