"""What the documents type on one machine, typed in a checkout: from the demo to another judgement of it.

Each test has an Airflow of its own, for it is by such commands that one is started and stopped.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from daydreaming.cli.environment import USER
from daydreaming.cli.rest import AirflowClient
from daydreaming.cli.services import read_deployment
from daydreaming.llm.local import why_unavailable
from daydreaming.llm.simulator import SimulatorProcess
from tests.support.checkout import Checkout, checkout
from tests.support.described import GUIDE, write_described
from tests.support.documents import Command, block_with, blocks, commands, replaced, typed_lines
from tests.support.rest_calls import login_text
from tests.support.statsd_sink import StatsdSink

pytestmark = [pytest.mark.integration, pytest.mark.own_processes]

CLI = "docs/reference/cli.md"
REJUDGING = "docs/rescore-and-rejudge.md"
MAKE_DEMO = block_with("README.md", "make demo")
BY_NAME = block_with("README.md", "daydreaming run NAME")
DEMO, DOWN = block_with(CLI, "daydreaming demo"), block_with(CLI, "daydreaming down")
UP = block_with(CLI, "daydreaming up")
RUN, REJUDGE = block_with(CLI, "daydreaming run"), block_with(CLI, "daydreaming rejudge")
RUBRIC = block_with(REJUDGING, "daydreaming rejudge demo --evaluation-templates scientific-rigor-v1")
REPLICATES = block_with(REJUDGING, "--no-wait")
BY_REST = block_with(REJUDGING, "curl")
GUIDED = block_with("docs/operating.md", "daydreaming run boredom")
SERVER = block_with("docs/operating.md", "AIRFLOW_CONN_MY_SERVER")
IN_A_SCRIPT = block_with("docs/terminal.md", "| jq")
METRICS = block_with("docs/monitoring.md", "make up")
KEY = block_with("docs/configuration.md", "OPENROUTER_API_KEY")
[RUN_BY_NAME] = [command for command in commands(BY_NAME) if command.arguments[0] == "run"]
[RUN_GUIDED] = [command for command in commands(GUIDED) if command.arguments[0] == "run"]
DOCUMENTED = (
    *(MAKE_DEMO, DEMO, UP, DOWN, METRICS, KEY),
    *(RUN, RUN_BY_NAME, RUN_GUIDED, IN_A_SCRIPT),
    *(REJUDGE, RUBRIC, REPLICATES, BY_REST),
)
#: A saved experiment of that name: two calls.
PAIRS = """
concepts: [offline_replay, remote_association]
k_max: 2
description_level: sentence
generation_templates: [demo_essay]
generation_models: [local_gemma_270m]
evaluation_templates: [demo_creativity]
evaluation_models: [local_judge_270m]
"""
_PATIENCE_S = 300.0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Checkout]:
    with checkout(tmp_path / "checkout") as made:
        yield made


def test_the_demo_is_run_again_and_its_essays_are_judged_anew(machine: Checkout) -> None:
    assert sum(write_described(block, machine.folder / "data") for block in blocks(GUIDE)) == 8
    (machine.folder / "data/experiments/pairs.yaml").write_text(PAIRS, encoding="utf-8")
    with SimulatorProcess() as server:
        export = replaced(SERVER.text, "http://127.0.0.1:8000/v1", server.base_url)
        out = machine.type(export + DEMO.text)
        assert "12 of 12 evaluations scored" in out
        assert "18 new calls, 0 answers reused" in out
        for again in ("make demo LLM=simulated", RUN.text, replaced(_line(RUN_BY_NAME), "NAME", "demo")):
            assert "No new call: all 18 answers were reused" in machine.type(again), again

        out = machine.type(_line(RUN_GUIDED))
        assert "6 of 6 evaluations scored" in out
        assert "9 new calls, 0 answers reused" in out
        assert server.stats()["calls"] == 3 + 6

    _judge_anew(machine)

    if shutil.which("jq") is None:
        pytest.skip(f"jq is not installed: {IN_A_SCRIPT} was not typed; all before it was")
    counted = machine.type(IN_A_SCRIPT.text).split()
    assert counted[-1] == "2/2"
    # The generation may be planned a moment before its evaluation.
    assert set(counted) <= {"0/1", "1/1", "0/2", "1/2", "2/2"}


def _judge_anew(machine: Checkout) -> None:
    """By the commands and the call of the page on it, and by the command's own example."""
    [(line, shown)] = typed_lines(RUBRIC)
    out = machine.type(line)
    for told in (
        "Nothing is generated: 6 stored essays are judged",
        "18 of 18 evaluations scored",
        "6 new calls, 0 answers reused",
    ):
        assert told in shown
        assert told in out

    text = replaced(REJUDGE.text, "templates rigor", "templates prior-art-v1")
    out = machine.type(replaced(text, "models judge", "models local_judge_270m"))
    assert "24 of 24 evaluations scored" in out

    [(line, shown)] = typed_lines(REPLICATES)
    left_out = re.search(r"1 generations \((\w+)\)", shown)
    assert left_out
    (machine.folder / "data/03_generation/generation_responses" / f"{left_out[1]}.txt").unlink()
    out = machine.type(line)
    assert out.splitlines()[:2] == shown.splitlines()[:2]
    started = re.search(r"^Run (\S+) of daydream_experiment$", out, re.MULTILINE)
    assert started
    with closing(_client(machine)) as client:
        call = json.loads(machine.type(login_text(client.url, client.password) + BY_REST.text))
        _wait(client, started[1], str(call["dag_run_id"]))


def test_metrics_and_a_key_are_given_to_what_is_started(machine: Checkout) -> None:
    sink = StatsdSink()
    with sink.kept_up(), closing(sink):
        text = replaced(METRICS.text, "STATSD_PORT=9125", f"STATSD_PORT={sink.port}")
        assert "Airflow: http://127.0.0.1:" in machine.type(text)
        deadline = time.monotonic() + _PATIENCE_S
        while not (found := sink.samples("airflow.pool.open_slots")):
            assert time.monotonic() < deadline, sink.samples("")
            time.sleep(0.5)
    assert {"pool_name"} == set(found[0].tags)

    out = machine.type(KEY.text)
    assert "Stopped " in out
    assert "Airflow: http://127.0.0.1:" in out
    deployment = read_deployment(machine.home)
    assert deployment
    key = "sk-or-…"
    # Those that calls go through; the API server's own title lies over what can be seen of its variables.
    for service in (s for s in deployment.services if s.name in ("scheduler", "triggerer")):
        connection = json.loads(psutil.Process(service.pid).environ()["AIRFLOW_CONN_OPENROUTER_DEFAULT"])
        assert connection["password"] == key
    files = [path for path in machine.folder.rglob("*") if path.is_file()]
    assert [path for path in files if key.encode() in path.read_bytes() and path.suffix != ".md"] == []
    assert "Stopped 4 processes." in machine.type(DOWN.text)


@pytest.mark.skipif(why_unavailable() is not None, reason="requirements-demo.lock is not installed")
def test_the_demo_is_run_by_the_local_model(machine: Checkout) -> None:
    assert "Model server (local): http://127.0.0.1:" in machine.type(UP.text)
    make_demo, make_down = (line for line, _ in typed_lines(MAKE_DEMO))
    out = machine.type(make_demo)
    assert "12 of 12 evaluations scored" in out
    assert "18 new calls, 0 answers reused" in out
    assert "Stopped 5 processes." in machine.type(make_down)


def _line(command: Command) -> str:
    """The line of its block that holds a command."""
    words = " ".join([command.program, *command.arguments])
    return next(line for line, _ in typed_lines(command.block) if line.startswith(words))


def _client(machine: Checkout) -> AirflowClient:
    deployment = read_deployment(machine.home)
    assert deployment
    return AirflowClient(deployment.url, USER, machine.home.password())


def _wait(client: AirflowClient, *run_ids: str) -> None:
    """Until runs have ended, all well."""
    deadline = time.monotonic() + _PATIENCE_S
    while (states := {client.run_state(run_id) for run_id in run_ids}) != {"success"}:
        assert "failed" not in states
        assert time.monotonic() < deadline, states
        time.sleep(0.5)
