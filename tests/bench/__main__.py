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
from contextlib import closing
from datetime import datetime
from pathlib import Path

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.rest import AirflowClient
from daydreaming.cli.services import start, stop
from daydreaming.settings import Settings, project_root

#: The model answers at once: its own time is not what the stage costs.
LATENCY_S = 0.0
#: Combinations of one concept; replicates make up the number of instances wanted.
_CONCEPTS = 14
_TIMEOUT_S = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=400, help="mapped instances of each kind (default 400)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder and name it")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="daydreaming-bench-"))
    try:
        print(json.dumps(measure(folder, options.size), indent=2))
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def measure(folder: Path, size: int) -> dict[str, float]:
    prepare(folder, size)
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
        # Warm first, so that neither kind pays for what the other then finds in memory.
        for dag_id in ("bench_noop", "bench_deferred"):
            run(client, dag_id, {"size": 10})
        noop = rate(home, run(client, "bench_noop", {"size": size}), "noop")
        deferred = rate(home, run(client, "bench_deferred", {"size": size}), "deferred")
        pool = rate(home, run(client, "daydream_experiment", {"experiment": "bench"}), "generate")
    finally:
        stop(home)
    return {
        "instances": size,  # of the yardsticks; a multiple of the 14 concepts near it of ours
        "noop_instances_per_s": round(noop, 2),
        "deferred_instances_per_s": round(deferred, 2),
        "pool_instances_per_s": round(pool, 2),
        "pool_ratio": round(pool / noop, 3),
        # Without what any deferred task costs in Airflow: what is left is ours.
        "pool_ratio_to_deferred": round(pool / deferred, 3),
    }


def prepare(folder: Path, size: int) -> None:
    """Inputs of an experiment of ``size`` generations, and the DAGs beside the yardstick."""
    shutil.copytree(project_root() / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).parent / "dags" / "bench_yardsticks.py", folder / "dags")
    write_inputs(folder / "inputs", size)
    os.environ.update(
        AIRFLOW__CORE__DAGS_FOLDER=str(folder / "dags"),
        DAYDREAMING_INPUTS_ROOT=str(folder / "inputs"),
        DAYDREAMING_DATA_ROOT=str(folder / "data"),
        DAYDREAMING_POOLS="llm_local=1000",
        DAYDREAMING_DISPATCH="pool",
    )


def write_inputs(root: Path, size: int) -> None:
    raw = root / "01_raw"
    concepts = [f"c{i:02}" for i in range(_CONCEPTS)]
    files = {
        "concepts/concepts_metadata.csv": "concept_id,name,active\n"
        + "".join(f"{c},Concept {c},true\n" for c in concepts),
        **{f"concepts/descriptions-paragraph/{c}.txt": f"What {c} is about.\n" for c in concepts},
        "generation_templates.csv": "template_id,template_name,description,active,parser\n"
        "bench,Bench,Short,true,whole\n",
        "generation_templates/bench.txt": "Write about {% for c in concepts %}{{ c.name }} {% endfor %}\n",
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


def run(client: AirflowClient, dag_id: str, conf: dict) -> tuple[str, str]:
    """Trigger a DAG and wait for its end."""
    deadline = time.monotonic() + _TIMEOUT_S
    while client.send("GET", f"/api/v2/dags/{dag_id}").status_code != 200:
        time.sleep(1)
    body = {"conf": conf, "logical_date": None}
    run_id = client.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)["dag_run_id"]
    while (state := client.request("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]) not in (
        "success",
        "failed",
    ):
        if time.monotonic() > deadline:
            raise SystemExit(f"{dag_id} has not ended after {_TIMEOUT_S:.0f} s")
        time.sleep(1)
    if state != "success":
        raise SystemExit(f"{dag_id} failed; look into it with --keep")
    return dag_id, run_id


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
