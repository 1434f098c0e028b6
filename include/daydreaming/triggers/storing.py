"""Store an answer that was paid for, however long a disk or an object store takes to come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from daydreaming.errors import ObjectStoreError, StoreError

Row = TypeVar("Row")
#: Seconds between two tries, and how long after the first one an answer is given up.
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 30.0
GIVEN_UP_AFTER_S = 3600.0

log = logging.getLogger(__name__)
#: Threads of their own: what was paid for never queues behind new calls.
_threads = ThreadPoolExecutor(4, thread_name_prefix="daydreaming-store")


async def stored(store: Callable[[], Row]) -> Row:
    """Run what stores an answer on a thread; again and again where the disk or the object store refuses.

    Args:
        store: Leaves the same where it is done twice.

    Raises:
        StoreError: It was not taken for an hour: the answer is lost.
    """
    loop = asyncio.get_running_loop()
    until, wait_s = loop.time() + GIVEN_UP_AFTER_S, FIRST_WAIT_S
    while True:
        try:
            return await loop.run_in_executor(_threads, store)
        except (ObjectStoreError, OSError) as error:
            # Whatever the disk says: room, open files, a mount or rights may come back, a second call costs.
            if loop.time() + wait_s > until:
                raise StoreError(
                    f"The answer could not be stored for {GIVEN_UP_AFTER_S / 60:.0f} minutes and is lost: "
                    f"{error} Clear this instance to pay for it again."
                ) from error
            log.warning("An answer waits to be stored, tried again in %.0f s: %s", wait_s, error)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
