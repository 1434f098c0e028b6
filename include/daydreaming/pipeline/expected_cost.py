"""What an experiment has cost, and what it will have cost when all its calls are answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from daydreaming.inputs.records import Stage
from daydreaming.llm.price import to_usd
from daydreaming.store.spending import SpendingRow


def spent_usd(spending: Iterable[SpendingRow]) -> float | None:
    """What rows of the ledger come to; None where an attempt was made whose price nobody knows."""
    rows = list(spending)
    return None if any(row.unpriced for row in rows) else to_usd(sum(row.spent_nanousd for row in rows))


def expected_usd(missing: Mapping[Stage, int], spending: Sequence[SpendingRow]) -> float | None:
    """What is spent, and for each missing call the mean price of its stage's answers.

    Args:
        missing: Calls without an answer, by stage.
        spending: The experiment's rows of the ledger.

    Returns:
        US dollars; None where a price is not known, or nothing of a stage is answered yet.
    """
    total = spent_usd(spending)
    if total is None:
        return None
    for stage, calls in missing.items():
        if not calls:
            continue
        made = [row for row in spending if row.stage == stage and row.state == "answered"]
        attempts = sum(row.attempts for row in made)
        if not attempts:
            return None
        total += calls * to_usd(sum(row.spent_nanousd for row in made)) / attempts
    return total
