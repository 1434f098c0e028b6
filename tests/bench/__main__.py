"""Run the benchmark and print one JSON object.

make bench
.venv/bin/python -m tests.bench --size 100
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.rest import AirflowClient
from daydreaming.cli.services import Deployment, start, stop
from daydreaming.settings import Settings, project_root

#: The model answers at once: its own time is not what the stage costs.
LATENCY_S = 0.0
#: Combinations of one concept; replicates make up the number of instances wanted.
_CONCEPTS = 14
_TIMEOUT_S = 900.0
_ENDED = {"success", "failed", "upstream_failed", "skipped"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=200, help="mapped instances of each kind (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each kind runs (default 3)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder and name it")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="daydreaming-bench-"))
    try:
        print(json.dumps(measure(folder, options.size, options.rounds), indent=2))
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """Run each kind ``rounds`` times, in turn: a machine's speed drifts, and neighbours share its drift."""
    prepare(folder, size, rounds)
    home, settings = Home(folder / "airflow"), Settings.from_env()
    deployment = start(
        home,
        settings,
        port=0,
        llm="simulated",
        say=lambda line: print(line, file=sys.stderr),
        llm_options=["--latency-s", str(LATENCY_S)],
    )
    try:
        client = AirflowClient(deployment.url, USER, home.password())
        # Warm first, so that no kind pays for what the others then find in memory.
        kinds = _kinds(size)
        for dag_id, task_id, conf in kinds(0):
            rate(home, run(home, client, dag_id, task_id, conf), task_id)
        rates, costs = [], []
        for number in range(1, rounds + 1):
            for dag_id, task_id, conf in kinds(number):
                before = cpu_seconds(deployment)
                rates.append(rate(home, run(home, client, dag_id, task_id, conf), task_id))
                costs.append(spent(before, cpu_seconds(deployment), size))
    finally:
        stop(home)
    noop, deferred, pool = rates[0::3], rates[1::3], rates[2::3]
    ratios = [ours / theirs for ours, theirs in zip(pool, noop, strict=True)]
    return {
        "instances": size,  # of the yardsticks; a multiple of the 14 concepts near it of ours
        "rounds": rounds,
        "noop_instances_per_s": round(median(noop), 2),
        "deferred_instances_per_s": round(median(deferred), 2),
        "pool_instances_per_s": round(median(pool), 2),
        # The median of what each round shows: its kinds ran next to each other.
        "pool_ratio": round(median(ratios), 3),
        "pool_ratio_of_rounds": [round(ratio, 3) for ratio in ratios],
        # Without what any deferred task costs in Airflow: what is left is ours.
        "pool_ratio_to_deferred": round(median(p / d for p, d in zip(pool, deferred, strict=True)), 3),
        "cpu_s_per_instance": {
            kind: {name: round(median(cost[name] for cost in costs[at::3]), 4) for name in costs[at]}
            for at, kind in enumerate(("noop", "deferred", "pool"))
        },
    }


def cpu_seconds(deployment: Deployment) -> dict[str, float]:
    """CPU seconds by service, its child processes included, those that have ended too."""
    return {service.name: _cpu_of(psutil.Process(service.pid)) for service in deployment.services}


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


def _kinds(size: int) -> Callable[[int], list[tuple[str, str, dict]]]:
    """DAG, task and parameters of each kind, for a round's number; round 0 is small."""

    def of_round(number: int) -> list[tuple[str, str, dict]]:
        count = {"size": size if number else _CONCEPTS}
        # A template of its own for each round, or it would find its answers stored.
        ours = {"experiment": "bench", "generation_templates": [f"round{number}"]}
        ours |= {} if number else {"generation_replicates": 1}
        return [
            ("bench_noop", "noop", count),
            ("bench_deferred", "deferred", count),
            ("daydream_experiment", "generate", ours),
        ]

    return of_round


def prepare(folder: Path, size: int, rounds: int) -> None:
    """Inputs of an experiment of ``size`` generations, and the DAGs beside the yardstick."""
    shutil.copytree(project_root() / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parent / "dags" / "bench_yardsticks.py", folder / "dags")
    write_inputs(folder / "inputs", size, rounds)
    os.environ.update(
        AIRFLOW__CORE__DAGS_FOLDER=str(folder / "dags"),
        DAYDREAMING_INPUTS_ROOT=str(folder / "inputs"),
        DAYDREAMING_DATA_ROOT=str(folder / "data"),
        DAYDREAMING_POOLS="llm_local=1000",
        DAYDREAMING_DISPATCH="pool",
    )


def write_inputs(root: Path, size: int, rounds: int) -> None:
    raw = root / "01_raw"
    concepts = [f"c{i:02}" for i in range(_CONCEPTS)]
    templates = [f"round{number}" for number in range(rounds + 1)]
    files = {
        "concepts/concepts_metadata.csv": "concept_id,name,active\n"
        + "".join(f"{c},Concept {c},true\n" for c in concepts),
        **{f"concepts/descriptions-paragraph/{c}.txt": f"What {c} is about.\n" for c in concepts},
        "generation_templates.csv": "template_id,template_name,description,active,parser\n"
        + "".join(f"{t},{t},Short,true,whole\n" for t in templates),
        **{
            f"generation_templates/{t}.txt": t + ": {% for c in concepts %}{{ c.name }} {% endfor %}\n"
            for t in templates
        },
        "evaluation_templates.csv": "template_id,template_name,description,active,parser,"
        "score_min,score_max\n"
        "judge,Judge,Short,true,strict,0,10\n",
        "evaluation_templates/judge.txt": "{{ response }}\nEnd with SCORE: x (0-10)\n",
        "llm_models.csv": "id,model,provider,display_name,for_generation,for_evaluation,specialization,"
        "conn_id,pool,rpm,tpm,rpd,usd_per_1m_input,usd_per_1m_output,extra_body\n"
        "sim,sim,simulator,Simulator,true,true,,local_llm,llm_local,,,,0,0,\n",
    }
    for name, text in files.items():
        path = raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "experiments").mkdir()
    # C(14, 1) combinations times replicates: close to the size asked for, and named in the result.
    replicates = max(1, round(size / _CONCEPTS))
    (root / "experiments" / "bench.yaml").write_text(f"k_max: 1\ngeneration_replicates: {replicates}\n")


def run(home: Home, client: AirflowClient, dag_id: str, task_id: str, conf: dict) -> tuple[str, str]:
    """Trigger a DAG and wait until one mapped task is through; what would come after it is left out."""
    deadline = time.monotonic() + _TIMEOUT_S
    while client.send("GET", f"/api/v2/dags/{dag_id}").status_code != 200:
        time.sleep(1)
    body = {"conf": conf, "logical_date": None}
    run_id = client.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
    address = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    while not (states := _states(home, dag_id, run_id, task_id)) or states - _ENDED:
        if time.monotonic() > deadline or client.request("GET", address)["state"] == "failed":
            raise SystemExit(f"{dag_id} failed or has not ended after {_TIMEOUT_S:.0f} s; see --keep")
        time.sleep(1)
    if states != {"success"}:
        raise SystemExit(f"{task_id} ended with {sorted(states)}; look into it with --keep")
    client.request("PATCH", address, json={"state": "success"})
    return dag_id, run_id


def _states(home: Home, dag_id: str, run_id: str, task_id: str) -> set[str | None]:
    """States of a mapped task's instances; empty while it is not mapped yet."""
    with closing(sqlite3.connect(home.path / "airflow.db")) as database:
        rows = database.execute(
            "SELECT DISTINCT state FROM task_instance "
            "WHERE dag_id = ? AND run_id = ? AND task_id = ? AND map_index >= 0",
            (dag_id, run_id, task_id),
        )
        return {state for (state,) in rows}


def rate(home: Home, run_key: tuple[str, str], task_id: str) -> float:
    """Instances per second, from the first start to the last end."""
    with closing(sqlite3.connect(home.path / "airflow.db")) as database:
        rows = database.execute(
            "SELECT start_date, end_date FROM task_instance WHERE dag_id = ? AND run_id = ? AND task_id = ?",
            (*run_key, task_id),
        ).fetchall()
    starts, ends = zip(
        *((datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in rows), strict=True
    )
    return len(rows) / (max(ends) - min(starts)).total_seconds()


if __name__ == "__main__":
    main()
