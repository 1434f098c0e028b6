"""What our generate stage costs beside a no-op mapped DAG of the same size."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.deployment import Design, cpu_seconds, deployment, run_stage, spent

#: Combinations of one concept; replicates make up the number of instances wanted.
_CONCEPTS = 20
_KINDS = ("noop", "deferred", "pool")


def measure_overhead(folder: Path, size: int, rounds: int) -> dict[str, Any]:
    """Run each kind ``rounds`` times, in turn: a machine's speed drifts, and neighbours share its drift.

    The model answers at once: its own time is not what the stage costs.
    """
    design = Design(_CONCEPTS, tuple(f"round{number}" for number in range(rounds + 1)))
    rates: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    costs: dict[str, list[dict[str, float]]] = {kind: [] for kind in _KINDS}
    with deployment(folder, design) as bench:
        for number in range(rounds + 1):
            for kind, (dag_id, task_id, conf) in _runs(number, size).items():
                before = cpu_seconds(bench.services)
                found = run_stage(bench, dag_id, task_id, conf)
                if number:  # The first round warms up, so that no kind pays for what others then find.
                    rates[kind].append(found)
                    costs[kind].append(spent(before, cpu_seconds(bench.services), size))
    ratios = [ours / theirs for ours, theirs in zip(rates["pool"], rates["noop"], strict=True)]
    to_deferred = [ours / theirs for ours, theirs in zip(rates["pool"], rates["deferred"], strict=True)]
    return {
        "instances": size,
        "rounds": rounds,
        **{f"{kind}_instances_per_s": round(median(rates[kind]), 2) for kind in _KINDS},
        # The median of what each round shows: its kinds ran next to each other.
        "pool_ratio": round(median(ratios), 3),
        "pool_ratio_of_rounds": [round(ratio, 3) for ratio in ratios],
        # Without what any deferred task costs in Airflow: what is left is ours.
        "pool_ratio_to_deferred": round(median(to_deferred), 3),
        "cpu_s_per_instance": {
            kind: {name: round(median(cost[name] for cost in costs[kind]), 4) for name in costs[kind][0]}
            for kind in _KINDS
        },
    }


def _runs(number: int, size: int) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """DAG, task and parameters by kind, for a round's number; round 0 is small."""
    count = {"size": size if number else _CONCEPTS}
    # A template of its own for each round, or it would find its answers stored.
    ours = {
        "experiment": "bench",
        "generation_templates": [f"round{number}"],
        "generation_replicates": max(1, size // _CONCEPTS) if number else 1,
    }
    return {
        "noop": ("bench_noop", "noop", count),
        "deferred": ("bench_deferred", "deferred", count),
        "pool": ("daydream_experiment", "generate", ours),
    }
