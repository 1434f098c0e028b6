"""What each of Airflow's settings that we ship brings: the same load with it and with Airflow's default."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.deployment import (
    Bench,
    Design,
    deployment,
    run_stage,
    trigger,
    wait_for_run,
)

_CONCEPTS = 50
_CALLS = 200
_LATENCY = ("--latency-s", "2")
_SMALL_RUNS = 2


@dataclass(frozen=True)
class _Load:
    """What a setting is tried under.

    Attributes:
        measure: Runs it in a deployment and gives the figure.
        unit: Of the figure.
        dispatch: The deployment's.
        llm_options: The simulator's.
    """

    measure: Callable[[Bench], float]
    unit: str
    dispatch: str = "pool"
    llm_options: Sequence[str] = ()


def _rate(bench: Bench) -> float:
    """Calls per second."""
    _warm_up(bench)
    return run_stage(bench, "daydream_experiment", "generate", _conf("calls", _CALLS))


def _small_run(bench: Bench) -> float:
    """Seconds of a whole run of one call and one verdict."""
    _warm_up(bench)
    seconds = []
    for number in range(_SMALL_RUNS):
        began = time.monotonic()
        conf = {**_conf("small", 1), "experiment_id": f"small-{number}", "concepts": [f"c{number:04}"]}
        run_id = trigger(bench, "daydream_experiment", conf)
        if (state := wait_for_run(bench, "daydream_experiment", run_id)) != "success":
            raise SystemExit(f"The small run ended as {state}; look into it with --keep")
        seconds.append(time.monotonic() - began)
    return median(seconds)


_POOL = _Load(_rate, "calls per second, pool")
_TRIGGERER = _Load(_rate, "calls of 2 s per second, triggerer", "triggerer", _LATENCY)
_SMALL = _Load(_small_run, "seconds of a small run")

#: Setting, Airflow's default, and the load that it is for.
_SETTINGS: Sequence[tuple[str, str, _Load]] = (
    ("WORKERS__MIN_HEARTBEAT_INTERVAL", "5", _POOL),
    ("CORE__PARALLELISM", "32", _POOL),
    ("SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME", "1", _SMALL),
    ("TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP", "50", _TRIGGERER),
    # What we ship is Airflow's default here: tried is what a smaller one would cost.
    ("TRIGGERER__CAPACITY", "50", _TRIGGERER),
)


def measure_settings(folder: Path, rounds: int) -> dict[str, Any]:
    """Each setting as shipped and as Airflow has it, next to each other, in turn."""
    return {"settings": {name: _compare(folder / name, name, *rest, rounds) for name, *rest in _SETTINGS}}


def _compare(folder: Path, name: str, default: str, load: _Load, rounds: int) -> dict[str, Any]:
    shipped, other = [], []
    for number in range(rounds):
        shipped.append(_measure(folder / f"shipped{number}", load))
        with _setting(f"AIRFLOW__{name}", default):
            other.append(_measure(folder / f"other{number}", load))
    return {
        "measured": load.unit,
        "shipped": round(median(shipped), 2),
        f"with {default}": round(median(other), 2),
        "ratio_of_rounds": [round(ours / theirs, 3) for ours, theirs in zip(shipped, other, strict=True)],
    }


def _measure(folder: Path, load: _Load) -> float:
    design = Design(_CONCEPTS, ("warm", "small", "calls"))
    with deployment(folder, design, dispatch=load.dispatch, llm_options=load.llm_options) as bench:
        return load.measure(bench)


def _warm_up(bench: Bench) -> None:
    """A service's first task after its start is not what is measured."""
    dry = {**_conf("warm", 1), "dry_run": True}
    wait_for_run(bench, "daydream_experiment", trigger(bench, "daydream_experiment", dry))


def _conf(template: str, calls: int) -> dict[str, object]:
    replicates = max(1, calls // _CONCEPTS)
    return {"experiment": "bench", "generation_templates": [template], "generation_replicates": replicates}


@contextmanager
def _setting(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})
