"""A deployment of its own for each measurement: services, runs, rates, CPU seconds."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psutil

from daydreaming.cli.environment import USER, Home, airflow_environment
from daydreaming.cli.rest import AirflowClient
from daydreaming.cli.services import Deployment, start, stop
from daydreaming.settings import Settings, project_root

_TIMEOUT_S = 1200.0
_ENDED = {"success", "failed", "upstream_failed", "skipped"}
_ENVIRONMENT = (
    "AIRFLOW__CORE__DAGS_FOLDER",
    "DAYDREAMING_INPUTS_ROOT",
    "DAYDREAMING_DATA_ROOT",
    "DAYDREAMING_POOLS",
    "DAYDREAMING_DISPATCH",
)
_MODEL_HEADER = (
    "id,model,provider,display_name,for_generation,for_evaluation,specialization,conn_id,pool,rpm,tpm,rpd,"
    "usd_per_1m_input,usd_per_1m_output,extra_body\n"
)


@dataclass(frozen=True)
class Bench:
    """A running deployment."""

    home: Home
    settings: Settings
    services: Deployment
    client: AirflowClient


@dataclass(frozen=True)
class Design:
    """What the inputs of a measurement hold: one-concept combinations, so that counts are plain."""

    concepts: int
    templates: Sequence[str] = ("essay",)
    rpm: int | None = None


@contextmanager
def deployment(
    folder: Path, design: Design, *, dispatch: str = "pool", llm_options: Sequence[str] = ()
) -> Iterator[Bench]:
    """Start everything on inputs of its own, and stop it."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    shutil.copytree(project_root() / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parent / "dags" / "bench_yardsticks.py", folder / "dags")
    write_inputs(folder / "inputs", design)
    os.environ.update(
        AIRFLOW__CORE__DAGS_FOLDER=str(folder / "dags"),
        DAYDREAMING_INPUTS_ROOT=str(folder / "inputs"),
        DAYDREAMING_DATA_ROOT=str(folder / "data"),
        DAYDREAMING_POOLS="llm_local=1000,experiment_shards=8",
        DAYDREAMING_DISPATCH=dispatch,
    )
    home, settings = Home(folder / "airflow"), Settings.from_env()
    try:
        services = start(home, settings, port=0, llm="simulated", say=_say, llm_options=llm_options)
        with closing(AirflowClient(services.url, USER, home.password())) as client:
            yield Bench(home, settings, services, client)
    finally:
        stop(home)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def more_triggerers(bench: Bench, count: int) -> Iterator[None]:
    """Further triggerer processes of the same deployment."""
    port = int(bench.services.url.rpartition(":")[2])
    env = airflow_environment(bench.home, bench.settings, port=port, local_llm_url=bench.services.llm_url)
    program = Path(sys.executable).with_name("airflow")
    command = [str(program), "triggerer", "--skip-serve-logs"]
    with (bench.home.path / "more-triggerers.log").open("w") as log:
        processes = [subprocess.Popen(command, env=env, stdout=log, stderr=log) for _ in range(count)]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(30)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def write_inputs(root: Path, design: Design) -> None:
    raw, concepts = root / "01_raw", [f"c{number:04}" for number in range(design.concepts)]
    rpm = "" if design.rpm is None else str(design.rpm)
    files = {
        "concepts/concepts_metadata.csv": "concept_id,name,active\n"
        + "".join(f"{c},Concept {c},true\n" for c in concepts),
        "generation_templates.csv": "template_id,template_name,description,active,parser\n"
        + "".join(f"{t},{t},Short,true,whole\n" for t in design.templates),
        **{
            f"generation_templates/{t}.txt": t + ": {% for c in concepts %}{{ c.name }} {% endfor %}\n"
            for t in design.templates
        },
        "evaluation_templates.csv": "template_id,template_name,description,active,parser,"
        "score_min,score_max\n"
        "judge,Judge,Short,true,strict,0,10\n",
        "evaluation_templates/judge.txt": "{{ response }}\nEnd with SCORE: x (0-10)\n",
        "llm_models.csv": _MODEL_HEADER
        + f"sim,sim,simulator,Simulator,true,false,,local_llm,llm_local,{rpm},,,0,0,\n"
        + f"judge,judge,simulator,Judge,false,true,,local_llm,llm_local,{rpm},,,0,0,\n",
    }
    for name, text in files.items():
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for concept in concepts:
        path = raw / f"concepts/descriptions-paragraph/{concept}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"What {concept} is about.\n", encoding="utf-8")
    (root / "experiments").mkdir()
    (root / "experiments" / "bench.yaml").write_text("k_max: 1\nshard_size: 100000\n")


def trigger(bench: Bench, dag_id: str, conf: Mapping[str, object]) -> str:
    """Start a run once its DAG is parsed; returns its ID."""
    deadline = time.monotonic() + _TIMEOUT_S
    while bench.client.send("GET", f"/api/v2/dags/{dag_id}").status_code != 200:
        if time.monotonic() > deadline:
            raise SystemExit(f"{dag_id} was not parsed in {_TIMEOUT_S:.0f} s; see --keep")
        time.sleep(1)
    body = {"conf": dict(conf), "logical_date": None}
    return str(bench.client.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])


def wait_for_run(bench: Bench, dag_id: str, run_id: str) -> str:
    """Wait until a run has ended; returns its state."""
    deadline = time.monotonic() + _TIMEOUT_S
    address = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    while (state := bench.client.request("GET", address)["state"]) not in ("success", "failed"):
        if time.monotonic() > deadline:
            raise SystemExit(f"{dag_id} has not ended after {_TIMEOUT_S:.0f} s; see --keep")
        time.sleep(0.5)
    return str(state)


def run_stage(bench: Bench, dag_id: str, task_id: str, conf: Mapping[str, object]) -> float:
    """Run a DAG until one mapped task is through; what would come after it is left out.

    Returns:
        Instances per second, from the first start to the last end.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    run_id = trigger(bench, dag_id, conf)
    address = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    while not (states := _states(bench.home, dag_id, run_id, task_id)) or states - _ENDED:
        if time.monotonic() > deadline or bench.client.request("GET", address)["state"] == "failed":
            raise SystemExit(f"{dag_id} failed or has not ended after {_TIMEOUT_S:.0f} s; see --keep")
        time.sleep(1)
    if states != {"success"}:
        raise SystemExit(f"{task_id} ended with {sorted(map(str, states))}; look into it with --keep")
    _end_run(bench, address)
    return rate(bench.home, dag_id, run_id, task_id)


def _end_run(bench: Bench, address: str) -> None:
    """Mark a run as done; where the scheduler is at its instances too, Airflow fails and is asked again."""
    for _ in range(10):
        if bench.client.send("PATCH", address, json={"state": "success"}).status_code == 200:
            return
        time.sleep(1)
    raise SystemExit(f"Airflow does not end the run at {address}")


def _states(home: Home, dag_id: str, run_id: str, task_id: str) -> set[str | None]:
    """States of a mapped task's instances; empty while it is not mapped yet."""
    with closing(sqlite3.connect(home.path / "airflow.db", timeout=30)) as database:
        rows = database.execute(
            "SELECT DISTINCT state FROM task_instance "
            "WHERE dag_id = ? AND run_id = ? AND task_id = ? AND map_index >= 0",
            (dag_id, run_id, task_id),
        )
        return {state for (state,) in rows}


def rate(home: Home, dag_id: str, run_id: str, task_id: str) -> float:
    """Instances per second of a run and its shards, from the first start to the last end."""
    with closing(sqlite3.connect(home.path / "airflow.db", timeout=30)) as database:
        rows = database.execute(
            "SELECT start_date, end_date FROM task_instance "
            "WHERE dag_id = ? AND (run_id = ? OR run_id LIKE ?) AND task_id = ? AND map_index >= 0",
            (dag_id, run_id, f"{run_id}~shard-%", task_id),
        ).fetchall()
    starts, ends = zip(
        *((datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in rows), strict=True
    )
    return len(rows) / (max(ends) - min(starts)).total_seconds()


def cpu_seconds(services: Deployment) -> dict[str, float]:
    """CPU seconds by service, its child processes included, those that have ended too."""
    return {service.name: _cpu_of(psutil.Process(service.pid)) for service in services.services}


def _cpu_of(process: psutil.Process) -> float:
    try:
        own = process.cpu_times()
        children = process.children()
    except psutil.NoSuchProcess:
        return 0.0
    return sum(own[:4]) + sum(_cpu_of(child) for child in children)


def spent(before: dict[str, float], after: dict[str, float], instances: int) -> dict[str, float]:
    """CPU seconds per instance by service, and in all."""
    each = {name: (after[name] - before[name]) / instances for name in after}
    return {**each, "all": sum(each.values())}
