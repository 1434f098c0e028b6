from __future__ import annotations

import os
import socket
import urllib.request

import httpx
import pytest


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: socket.create_connection(("openrouter.ai", 443), timeout=1),
        lambda: socket.socket().connect_ex(("192.0.2.1", 80)),
        lambda: httpx.get("https://openrouter.ai/api/v1/models", trust_env=False),
        lambda: urllib.request.urlopen("http://192.0.2.1/", timeout=1),
    ],
    ids=["address", "name", "connect_ex", "httpx", "urllib"],
)
def test_no_test_reaches_another_machine(reach, monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pytest.fail.Exception, match="only loopback is allowed"):
        reach()


def test_loopback_is_allowed():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5):
            pass


def test_no_key_and_no_home_of_the_developers_is_in_the_environment(airflow_home):
    assert os.environ["AIRFLOW_HOME"] == str(airflow_home)
    assert not airflow_home.name.startswith(".airflow")
    assert [name for name in os.environ if name.endswith("_API_KEY")] == []
    assert [name for name in os.environ if name.startswith(("AIRFLOW_CONN_", "DAYDREAMING_"))] == []
