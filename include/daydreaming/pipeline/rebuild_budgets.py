"""Budgets, added up from the ledger; their caps from the files that say what was set last."""

from __future__ import annotations

from daydreaming.llm.price import to_nanousd
from daydreaming.settings import Settings
from daydreaming.store.caps import read_cap
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import day_scope, experiment_scope
from daydreaming.store.plans import insert_rows, read_runs


def restore_budgets(fresh: Settings) -> None:
    """Fill the budgets of a database that has runs and the ledger.

    Raises:
        StoreError: The file of a cap cannot be read.
    """
    from daydreaming.store.schema import Budget

    caps, money = _caps(fresh), _money(fresh)
    rows = [
        {
            "scope": scope,
            "cap_nanousd": caps.get(scope),
            "reserved_nanousd": money.get(scope, (0, 0))[0],
            "spent_nanousd": money.get(scope, (0, 0))[1],
        }
        for scope in sorted({*money, *caps})
    ]
    with engine_for(fresh).begin() as connection:
        insert_rows(connection, Budget, rows)


def _money(fresh: Settings) -> dict[str, tuple[int, int]]:
    """Reserved and spent, in billionths of a US dollar, by scope."""
    from sqlalchemy import case, func, select

    from daydreaming.store.schema import LLMCall

    reserved = case((LLMCall.state == "reserved", LLMCall.reserved_nanousd), else_=0)
    sums = tuple(func.coalesce(func.sum(column), 0) for column in (reserved, LLMCall.cost_nanousd))
    money: dict[str, tuple[int, int]] = {}
    with engine_for(fresh).connect() as connection:
        for column, scope in ((LLMCall.experiment_id, experiment_scope), (LLMCall.budget_day, day_scope)):
            for key, held, spent in connection.execute(select(column, *sums).group_by(column)):
                money[scope(key)] = (int(held), int(spent))
    return money


def _caps(fresh: Settings) -> dict[str, int | None]:
    """Caps that were ever set, by scope; that of the latest run that set one where no file says it."""
    caps: dict[str, int | None] = {}
    runs = [run for run, _, _ in read_runs(engine_for(fresh)) if not run.is_shard_of_another]
    for run in runs:
        if run.params.get("max_cost_usd") is not None and not run.params.get("dry_run"):
            caps[experiment_scope(run.experiment_id)] = to_nanousd(run.params["max_cost_usd"])
    for experiment_id in {run.experiment_id for run in runs}:
        file = read_cap(fresh.data_root, experiment_id)
        if file is not None:
            cap = file.max_cost_usd
            caps[experiment_scope(experiment_id)] = None if cap is None else to_nanousd(cap)
    return caps
