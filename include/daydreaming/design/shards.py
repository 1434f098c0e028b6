"""Split a plan into shards: runs that Airflow can schedule quickly. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from daydreaming.errors import DesignError

Item = TypeVar("Item")


@dataclass(frozen=True)
class ShardPlan:
    """How many generations each shard has; the last has what is left."""

    generations: int
    size: int

    @property
    def count(self) -> int:
        """How many shards there are."""
        return max(1, -(-self.generations // self.size))


def plan_shards(generations: int, evaluations_each: int, *, shard_size: int, max_instances: int) -> ShardPlan:
    """Choose the size of the shards.

    Args:
        generations: Of the whole plan.
        evaluations_each: Evaluations of each generation.
        shard_size: Generations wanted per shard.
        max_instances: Most instances that Airflow maps in one task (``[core] max_map_length``).

    Raises:
        DesignError: The evaluations of one generation alone, or the shards, are more than ``max_instances``.
    """
    if evaluations_each > max_instances:
        raise DesignError(
            f"each generation has {evaluations_each:,} evaluations; Airflow maps at most {max_instances:,} "
            "in a run. Choose fewer evaluation templates, models or replicates; or raise max_map_length."
        )
    plan = ShardPlan(generations, min(shard_size, max_instances // max(1, evaluations_each)))
    if plan.count > max_instances:
        raise DesignError(
            f"the plan has {generations:,} generations: {plan.count:,} runs of {plan.size:,}; Airflow starts "
            f"at most {max_instances:,} from one. Lower k_max, select fewer concepts, templates or models, "
            "raise shard_size, or split the experiment into several."
        )
    return plan


def split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """``items`` in pieces of ``size``, in order; the last may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)] or [items]


def shard_run_id(run_id: str, shard: int, shards: int) -> str:
    """Run ID of a shard; the first is the run itself."""
    return run_id if shard == 1 else f"{run_id}~shard-{shard}-of-{shards}"


def turn(shard: int, at_once: int) -> int:
    """Place of a shard among those that are started together, from 0.

    Args:
        shard: Its number, from 1; the first one is there before the others are started.
        at_once: Most that run beside it.
    """
    return (shard - 2) % at_once if shard > 1 and at_once > 0 else 0
