"""Pool dispatch beside triggerer dispatch, with calls that take 2 s; and a large plan in shards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.bench.deployment import (
    Bench,
    Design,
    cpu_seconds,
    deployment,
    rate,
    run_stage,
    spent,
    trigger,
    wait_for_run,
)

_LATENCY = ("--latency-s", "2")
_CONCEPTS = 100


def measure_dispatch(folder: Path, size: int) -> dict[str, Any]:
    """Instances per second of ``size`` calls in both ways of dispatch."""
    found: dict[str, Any] = {"calls": size}
    for dispatch in ("pool", "triggerer"):
        design = Design(_CONCEPTS, ("warm", "calls"))
        with deployment(folder / dispatch, design, dispatch=dispatch, llm_options=_LATENCY) as bench:
            _stage(bench, "warm", 1)
            before = cpu_seconds(bench.services)
            with peak_memory_mb(bench) as peak:
                found[f"{dispatch}_2s_instances_per_s"] = round(_stage(bench, "calls", size // _CONCEPTS), 2)
            found[f"{dispatch}_2s_cpu_s"] = {
                name: round(cost, 4)
                for name, cost in spent(before, cpu_seconds(bench.services), size).items()
            }
            found[f"{dispatch}_2s_triggerer_peak_mb"] = round(peak[0])
    pool, triggerer = found["pool_2s_instances_per_s"], found["triggerer_2s_instances_per_s"]
    return {"triggerer_instances_per_s": triggerer, "triggerer_ratio": round(triggerer / pool, 2), **found}


def measure_shards(folder: Path, small: int, large: int) -> dict[str, Any]:
    """Instances per second of a large plan in shards beside a smaller one, in one deployment."""
    design = Design(_CONCEPTS, ("small", "large"))
    with deployment(folder, design, dispatch="triggerer", llm_options=_LATENCY) as bench:
        rates = {}
        for template, size in (("small", small), ("large", large)):
            conf = {
                "experiment": "bench",
                "experiment_id": template,
                "generation_templates": [template],
                "generation_replicates": size // _CONCEPTS,
                "shard_size": 100,
            }
            run_id = trigger(bench, "daydream_experiment", conf)
            if wait_for_run(bench, "daydream_experiment", run_id) != "success":
                raise SystemExit(f"The sharded run of {size} failed; look into it with --keep")
            rates[template] = rate(bench.home, "daydream_experiment", run_id, "generate")
    return {
        "sharded_instances": large,
        "sharded_instances_per_s": round(rates["large"], 2),
        "sharded_small_instances_per_s": round(rates["small"], 2),
        "sharded_ratio": round(rates["large"] / rates["small"], 3),
    }


def _stage(bench: Bench, template: str, replicates: int) -> float:
    conf = {
        "experiment": "bench",
        "generation_templates": [template],
        "generation_replicates": replicates,
    }
    return run_stage(bench, "daydream_experiment", "generate", conf)


@contextmanager
def peak_memory_mb(bench: Bench) -> Iterator[list[float]]:
    """Peak memory (RSS, MB) of the triggerer's processes together, sampled twice a second."""
    [pid] = [service.pid for service in bench.services.services if service.name == "triggerer"]
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            peak[0] = max(peak[0], sum(process.memory_info().rss for process in family) / 1e6)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
