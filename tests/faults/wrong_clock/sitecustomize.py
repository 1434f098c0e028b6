"""Sets the clock of each Python process that has this folder on its path, forks and children included.

Not libfaketime: with it, Python's sleeps hang or fail.
"""

import os
from datetime import UTC, datetime, timedelta

import time_machine

_AHEAD = timedelta(seconds=int(os.environ["CLOCK_AHEAD_S"]))
time_machine.travel(datetime.now(UTC) + _AHEAD, tick=True).start()
