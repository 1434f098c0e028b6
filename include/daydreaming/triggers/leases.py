"""The leases that this process holds, renewed together while its calls go on."""

from __future__ import annotations

import asyncio
import logging
import time
from weakref import WeakKeyDictionary

from daydreaming.store.admission import keep_leases
from daydreaming.store.claims import LEASE_S, RENEW_EVERY_S, Lease
from daydreaming.store.group_writer import GroupWriter
from daydreaming.triggers.gauges import send_day_budget, send_open_calls
from daydreaming.triggers.metrics import metrics_on

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews what is held every ``RENEW_EVERY_S`` seconds, all in one transaction."""

    def __init__(self, writer: GroupWriter) -> None:
        self._writer = writer
        self._held: dict[Lease, float] = {}
        self._task: asyncio.Task[None] | None = None

    def hold(self, lease: Lease, since: float) -> None:
        """Keep a lease that was taken or renewed; ``since``: when that was asked for (``time.monotonic``).

        When the answer came does not count: this process may have been stopped in between.
        """
        self._held[lease] = since
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep())

    def drop(self, lease: Lease) -> None:
        """Renew it no more."""
        self._held.pop(lease, None)

    def is_held(self, lease: Lease) -> bool:
        """Whether it is kept."""
        return lease in self._held

    def is_safe(self, lease: Lease) -> bool:
        """Whether the lease still stands: not lost, and not too old after this process was stopped."""
        renewed = self._held.get(lease)
        return renewed is not None and time.monotonic() - renewed < LEASE_S - RENEW_EVERY_S / 2

    async def _keep(self) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        while self._held:
            await asyncio.sleep(RENEW_EVERY_S)
            leases, asked = tuple(self._held), time.monotonic()
            try:
                lost = await self._writer.run(keep_leases, leases)
            except SQLAlchemyError as error:
                # A lease outlasts several renewals: the next one may go through.
                log.warning("Could not renew %d leases: %s", len(leases), error)
                continue
            for lease in leases:
                if lease not in self._held:
                    continue  # given back meanwhile
                if lease in lost:
                    log.warning("Lost the lease on %s", lease.cell_id)
                    self.drop(lease)
                else:
                    self._held[lease] = max(asked, self._held[lease])
            if metrics_on():
                send_open_calls(len(self._held))
                await send_day_budget()
        send_open_calls(0)


_keepers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[GroupWriter, LeaseKeeper]] = WeakKeyDictionary()


def keeper_for(writer: GroupWriter) -> LeaseKeeper:
    """The keeper of this event loop for a database."""
    keepers = _keepers.setdefault(asyncio.get_running_loop(), {})
    if writer not in keepers:
        keepers[writer] = LeaseKeeper(writer)
    return keepers[writer]
