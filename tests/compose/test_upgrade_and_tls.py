"""An upgrade by the commands of the docs, and then TLS by Caddy with a certificate of its own authority.

In this order, because TLS makes the containers anew and podman-compose does not where only the image is new.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.compose.documented import TLS, lines, upgrade
from tests.compose.engine import run
from tests.compose.stack import Stack, change_settings, commit, log_in, wait_for

pytestmark = pytest.mark.integration

NAME = "airflow.example.org"
NEW_DAG = "of_the_next_release"
_NEW_FILE = f"""from airflow.sdk import dag


@dag(schedule=None)
def {NEW_DAG}():
    pass


{NEW_DAG}()
"""
#: What the image's program asks for, and Docker gives to nobody but root.
_NET_BIND_SERVICE = 1 << 10


@pytest.fixture(scope="module")
def upgraded(stack: Stack) -> dict[str, str]:
    """What the commands print; the release before had one secret less, the next has a DAG more."""
    text = stack.env_file.read_text(encoding="utf-8")
    secret = f"GRAFANA_PASSWORD={stack.setting('GRAFANA_PASSWORD')}\n"
    stack.env_file.write_text(text.replace(secret, ""), encoding="utf-8")
    (stack.upstream / "dags" / f"{NEW_DAG}.py").write_text(_NEW_FILE, encoding="utf-8")
    commit(stack, "The next release")
    printed = {line: stack.shell(line) for line in upgrade()}
    stack.wait("airflow-init")
    return printed


@pytest.fixture(scope="module")
def authority(
    stack: Stack, upgraded: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The certificate that a browser is told to trust; Caddy is gone at the end, and its settings with it."""
    before = stack.env_file.read_text(encoding="utf-8")
    change_settings(stack.env_file, TLS_OPTION="tls internal")  # the world does not reach this name
    file = tmp_path_factory.mktemp("authority") / "root.crt"
    engine, caddy = stack.engine.program, stack.container("caddy")
    try:
        for line in lines(TLS):
            stack.shell(line)
        stack.wait("caddy", "airflow-apiserver")
        run([engine, "cp", f"{caddy}:/data/caddy/pki/authorities/local/root.crt", str(file)])
        yield file
    finally:
        stack.env_file.write_text(before, encoding="utf-8")
        run([engine, "rm", "--force", caddy], check=False)
        for volume in ("data", "config"):
            run([engine, "volume", "rm", f"{stack.project}_caddy-{volume}"], check=False)


@pytest.fixture
def trust(authority: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a browser trusts that has the authority; the name of the docs leads to this machine meanwhile."""
    look_up = socket.getaddrinfo

    def here(host, *rest, **options):
        return look_up("127.0.0.1" if host == NAME else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    return ssl.create_default_context(cafile=authority)


def test_an_upgrade_adds_the_secret_that_is_new_and_keeps_the_others(stack: Stack, upgraded: dict[str, str]):
    assert "made GRAFANA_PASSWORD." in upgraded["make secrets"]
    assert stack.setting("GRAFANA_PASSWORD")
    assert stack.client().request("GET", "/api/v2/version")  # as the admin, with the password of before


def test_the_services_run_the_release_that_was_pulled(stack: Stack, authority: Path):
    def listed() -> bool:
        return NEW_DAG in {dag["dag_id"] for dag in stack.client().request("GET", "/api/v2/dags")["dags"]}

    wait_for(NEW_DAG, listed)


def test_a_user_logs_in_through_caddy_by_name_with_a_certificate(stack: Stack, trust: ssl.SSLContext):
    url = f"https://{NAME}"
    assert stack.setting("PUBLIC_URL") == url
    anyone = httpx.get(f"{url}/daydreaming/", verify=trust, timeout=60, trust_env=False)
    assert anyone.status_code == 401
    assert anyone.headers["Strict-Transport-Security"] == "max-age=31536000"
    with log_in(url, stack.setting("ADMIN_USER"), stack.setting("ADMIN_PASSWORD"), verify=trust) as browser:
        assert browser.get("/daydreaming/").status_code == 200
        assert browser.cookies
        assert all(cookie.secure for cookie in browser.cookies.jar)


def test_plain_http_leads_to_https(trust: ssl.SSLContext):
    answer = httpx.get(f"http://{NAME}/daydreaming/", timeout=60, trust_env=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{NAME}/daydreaming/")


def test_the_certificate_is_of_caddys_authority_and_of_no_other(trust: ssl.SSLContext):
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{NAME}/", timeout=60, trust_env=False)


def test_caddy_runs_without_root_and_with_one_capability_at_most(stack: Stack, authority: Path):
    assert stack.execute("caddy", "id", "-u").stdout.strip() == "1000"
    capabilities = stack.execute("caddy", "grep", "CapEff", "/proc/1/status").stdout
    assert int(capabilities.split()[1], 16) in (0, _NET_BIND_SERVICE)
