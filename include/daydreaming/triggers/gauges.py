"""Figures that no counter gives: calls that a triggerer holds, and the money of the day.

Sent by what runs anyway while calls are made: each time that leases are renewed. All triggerers send the
same figures of money, for they are the deployment's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from datetime import UTC, datetime

from daydreaming.errors import DaydreamingError
from daydreaming.llm.price import to_nanousd
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import budget_day, day_scope, read_budget
from daydreaming.triggers import metrics

log = logging.getLogger(__name__)


def send_open_calls(count: int) -> None:
    """Tell how many calls this process holds."""
    metrics.gauge(metrics.OPEN_CALLS, {"hostname": socket.gethostname()}, count)


async def send_day_budget() -> None:
    """Tell what is spent and reserved today, and the cap where there is one."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        settings = Settings.from_env()
        day = day_scope(budget_day(datetime.now(UTC)))
        _, reserved, spent = await asyncio.to_thread(read_budget, engine_for(settings), day)
    except (DaydreamingError, SQLAlchemyError) as error:
        log.warning("Could not read the day's budget for the metrics: %s", error)
        return
    metrics.gauge(metrics.DAY_SPENT, {}, spent)
    metrics.gauge(metrics.DAY_RESERVED, {}, reserved)
    if settings.daily_budget_usd is not None:
        metrics.gauge(metrics.DAY_CAP, {}, to_nanousd(settings.daily_budget_usd))
