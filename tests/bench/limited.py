"""Generations and verdicts under a rate limit, beside the bound that the numbers imply."""

from __future__ import annotations

import json
import os
import sqlite3
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from daydreaming.store.database import engine_for
from daydreaming.store.results import read_responses
from tests.bench.deployment import (
    Bench,
    Design,
    deployment,
    more_triggerers,
    run_stage,
    trigger,
    wait_for_run,
)

GENERATIONS = 240
RPM = 120
LATENCY_S = 3.0
SHARD_SIZE = 60
_WINDOW_S = 60.0


def measure_limited(folder: Path) -> dict[str, Any]:
    """From the trigger to the last verdict in the database, and from there to the finished tables."""
    design = Design(GENERATIONS, rpm=RPM)
    options = ("--latency-s", str(LATENCY_S), "--rpm", str(RPM))
    with deployment(folder, design, dispatch="triggerer", llm_options=options) as bench:
        # A deployment that has run before: a service's first task after its start is not what is measured.
        warm_up = trigger(bench, "daydream_experiment", {"experiment": "bench", "dry_run": True})
        wait_for_run(bench, "daydream_experiment", warm_up)
        began = time.time()
        conf = {"experiment": "bench", "experiment_id": "limited", "shard_size": SHARD_SIZE}
        run_id = trigger(bench, "daydream_experiment", conf)
        state = wait_for_run(bench, "daydream_experiment", run_id)
        ended = time.time()
        verdicts = read_responses(engine_for(bench.settings), "evaluation")
        stats = _stats(bench)
    if state != "success" or len(verdicts) != GENERATIONS:
        raise SystemExit(f"The limited run ended as {state} with {len(verdicts)} verdicts; see --keep")
    last = max(row["ended_at"] for row in verdicts).timestamp()
    # A window's worth goes at once, the rest when the window is over; verdicts overlap, but for the last.
    bound_s = _WINDOW_S * (GENERATIONS / RPM - 1) + 2 * LATENCY_S
    return {
        "limited_wall_s": round(last - began, 1),
        "limited_bound_s": round(bound_s, 1),
        "limited_ratio": round((last - began) / bound_s, 3),
        "limited_429": sum(model["status_codes"].get("429", 0) for model in stats["models"].values()),
        "limited_tables_s": round(ended - last, 1),
    }


def measure_three_triggerers(folder: Path) -> dict[str, Any]:
    """360 calls through three triggerer processes, none of which could take them all."""
    design = Design(3 * RPM, rpm=RPM)
    os.environ["AIRFLOW__TRIGGERER__CAPACITY"] = str(RPM)
    options = ("--latency-s", "1", "--rpm", str(RPM))
    try:
        with deployment(folder, design, dispatch="triggerer", llm_options=options) as bench:
            with more_triggerers(bench, 2):
                conf = {"experiment": "bench"}
                run_stage(bench, "daydream_experiment", "generate", conf)
            stats = _stats(bench)
            triggerers = _triggerers_that_ran(bench)
    finally:
        del os.environ["AIRFLOW__TRIGGERER__CAPACITY"]
    return {
        "three_triggerers_calls": stats["models"]["sim"]["calls"],
        "three_triggerers_429": stats["models"]["sim"]["status_codes"].get("429", 0),
        "three_triggerers_processes": triggerers,
    }


def _triggerers_that_ran(bench: Bench) -> int:
    """How many triggerer processes have run."""
    with closing(sqlite3.connect(bench.home.path / "airflow.db", timeout=30)) as database:
        query = "SELECT count(*) FROM job WHERE job_type = 'TriggererJob'"
        return int(database.execute(query).fetchone()[0])


def _stats(bench: Bench) -> dict[str, Any]:
    address = str(bench.services.llm_url).removesuffix("/v1") + "/stats"
    with urllib.request.urlopen(address) as answer:
        return dict(json.load(answer))
