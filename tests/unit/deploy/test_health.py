from __future__ import annotations

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg2
import pytest


@pytest.fixture(scope="module")
def health(script):
    return script("health")


@pytest.fixture
def jobs(postgres, monkeypatch):
    """Airflow's table of jobs, as far as the check reads it; returns a function that adds one."""
    with postgres.database() as uri:
        monkeypatch.setenv(
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", uri.replace("postgresql:", "postgresql+psycopg2:")
        )
        connection = psycopg2.connect(uri)
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(
            "CREATE TABLE job (job_type text, hostname text, state text, latest_heartbeat timestamptz)"
        )

        def add(job_type="SchedulerJob", hostname=None, state="running", age_s=3):
            row = (job_type, hostname or socket.gethostname(), state, age_s)
            cursor.execute("INSERT INTO job VALUES (%s, %s, %s, now() - %s * interval '1 second')", row)

        yield add
        connection.close()


def test_a_job_with_a_heartbeat_is_alive(health, jobs):
    jobs()
    health.main(["job", "SchedulerJob"])


@pytest.mark.parametrize(
    "other",
    [{"job_type": "TriggererJob"}, {"hostname": "another"}, {"state": "failed"}, {"age_s": 90}],
    ids=["another job", "another container", "ended", "no heartbeat"],
)
def test_any_other_job_is_no_sign_of_life(health, jobs, other):
    jobs(**other)
    with pytest.raises(SystemExit, match="job SchedulerJob: no sign of life"):
        health.main(["job", "SchedulerJob"])


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/well" else 500)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_server_is_alive_while_it_answers_with_success(health, server):
    health.main(["http", f"{server}/well"])
    with pytest.raises(OSError, match="500"):
        health.main(["http", f"{server}/ill"])


def test_a_wrong_call_says_how_it_is_called(health):
    with pytest.raises(SystemExit, match=r"Usage: health\.py job TYPE \| worker \| http URL; got nothing"):
        health.main([])


def test_connections_are_passed_on_to_the_model_server_both_ways(script):
    local_llm = script("local_llm")

    async def echo(reader, writer):
        writer.write((await reader.read(100)).upper())
        await writer.drain()
        writer.close()

    async def scenario():
        model = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = model.sockets[0].getsockname()[1]
        front = await asyncio.start_server(local_llm.forward_to(port), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", front.sockets[0].getsockname()[1])
        writer.write(b"essay")
        answer = await reader.read()
        writer.close()
        model.close()
        front.close()
        return answer

    assert asyncio.run(scenario()) == b"ESSAY"


def test_a_connection_before_the_model_is_loaded_is_closed(script):
    local_llm = script("local_llm")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        async def scenario():
            front = await asyncio.start_server(local_llm.forward_to(port), "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection("127.0.0.1", front.sockets[0].getsockname()[1])
            answer = await reader.read()
            writer.close()
            front.close()
            return answer

        assert asyncio.run(scenario()) == b""
