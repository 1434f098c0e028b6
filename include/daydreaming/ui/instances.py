"""Which of the DAG's tasks makes the calls of a stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from daydreaming.settings import CALL_STAGES

TASKS: Final[Mapping[str, str]] = {stage: task_id for task_id, stage in CALL_STAGES.items()}
