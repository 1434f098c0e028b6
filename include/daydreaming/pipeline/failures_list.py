"""What an experiment misses and why: planned cells without an answer, and answers that could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from daydreaming.errors import (
    BatchError,
    BatchMemberError,
    BudgetError,
    LLMPermanentError,
    LLMTransientError,
    MissingResponseError,
    StaleResponseError,
)
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.experiment_progress import check_experiment
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.open_cells import (
    STATES,
    OpenCell,
    OpenFilter,
    OpenGroup,
    Scope,
    State,
    count_open,
    moment_of,
    read_open,
)
from daydreaming.store.run_refusals import last_refusals
from daydreaming.store.unread_answers import UnreadAnswer, count_unread, read_unread

#: What to do about a failure, by the name of its class.
ADVICE: Final[Mapping[str, str]] = {
    LLMTransientError.__name__: (
        "The provider was busy, slow or out of reach. Clear the run when it answers again."
    ),
    LLMPermanentError.__name__: (
        "The same call will fail again. Mend what the message names (key, credit, model, max_tokens), then "
        "clear the run; a changed input needs a new run."
    ),
    BatchMemberError.__name__: (
        "The batch had no answer to this call. Clear the run: it is called alone, at the ordinary price."
    ),
    BatchError.__name__: ("A whole batch came to nothing. Read the log of its instance, then clear the run."),
    BudgetError.__name__: (
        "A cap was reached. Raise it with `daydreaming cost ID --cap USD`, then clear the run."
    ),
    MissingResponseError.__name__: "Its generation has no answer. Clear the run: both are called again.",
    StaleResponseError.__name__: (
        "The stored answer is to another request. Start a run with on_stale archive (ask again) or reuse "
        "(keep it)."
    ),
}
OTHER_ADVICE: Final = "Read the message and the log of the instance, mend the reason, then clear the run."
#: Why nobody calls what has not failed.
REASONS: Final[Mapping[State, str]] = {
    "failed": "Given up: nobody tries again before the instance is cleared.",
    "running": "The call was sent and is not answered yet.",
    "waiting": "Not called yet, or tried again later. Where its run has ended, clear that run.",
    "blocked": (
        "No essay was found in its generation's answer, so there is nothing to judge. To ask for another "
        "essay, delete that response file and start a new run."
    ),
    "held": (
        "Planned in a dry run, refused with its estimate, or its run failed before the first call: start a "
        "run that may call."
    ),
}
#: How a state is called where it is shown: everywhere the same.
STATE_WORDS: Final[Mapping[State, str]] = {
    "failed": "failed",
    "running": "running",
    "waiting": "waiting",
    "blocked": "not possible",
    "held": "not to be sent",
}


@dataclass(frozen=True)
class ErrorKind:
    """Cells that were given up for one kind of error.

    Attributes:
        message: Of one of them.
        advice: What to do.
    """

    error_class: str
    stage: Stage
    cells: int
    message: str
    advice: str


@dataclass(frozen=True)
class Missing:
    """Open cells of an experiment.

    Attributes:
        total: How many the filter leaves, of all of ``by_state``.
        errors: Why cells were given up: causes, the most frequent first, before what only followed from them.
        failed_by_run: Runs with cells that were given up, and how many.
        refusal: Why the latest run sends nothing; None where it may.
    """

    cells: Sequence[OpenCell]
    total: int
    by_state: Mapping[State, int]
    errors: Sequence[ErrorKind]
    failed_by_run: Sequence[tuple[str, int]]
    refusal: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether calls are being made."""
        return self.by_state.get("running", 0) > 0


def read_missing(
    settings: Settings, experiment_id: str, wanted: OpenFilter, now: datetime, *, page: int, size: int
) -> Missing:
    """A page of the open cells of an experiment.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose cells.
        wanted: Which of them.
        now: The time.
        page: From 1.
        size: Cells per page.

    Raises:
        InputError: Nobody has started the experiment.
    """
    check_experiment(settings, experiment_id)
    engine, scope, moment = engine_for(settings), Scope(experiment_id), moment_of(settings, now)
    groups = count_open(engine, scope, moment)
    cells = read_open(engine, scope, moment, wanted, limit=size, offset=(page - 1) * size)
    total = sum(group.cells for group in groups if wanted.holds(group))
    refusal = last_refusals(engine, experiment_id).get(experiment_id)
    return replace(missing_of(groups, cells, total), refusal=refusal)


def first_failed(settings: Settings, experiment_id: str, now: datetime, count: int) -> list[OpenCell]:
    """The first cells that were given up."""
    wanted = OpenFilter(state="failed")
    scope, moment = Scope(experiment_id), moment_of(settings, now)
    return read_open(engine_for(settings), scope, moment, wanted, limit=count)


def missing_of(groups: Sequence[OpenGroup], cells: Sequence[OpenCell], total: int) -> Missing:
    """Sums over groups of open cells, beside some of these."""
    states = {state: sum(g.cells for g in groups if g.state == state) for state in STATES}
    failed = [group for group in groups if group.state == "failed"]
    by_run: dict[str, int] = {}
    by_kind: dict[tuple[str, Stage], list[OpenGroup]] = {}
    for group in failed:
        by_run[group.run_id] = by_run.get(group.run_id, 0) + group.cells
        by_kind.setdefault((group.error_class or "", group.stage), []).append(group)
    kinds = [
        ErrorKind(
            name,
            stage,
            sum(group.cells for group in found),
            min(group.message or "" for group in found),
            ADVICE.get(name, OTHER_ADVICE),
        )
        for (name, stage), found in by_kind.items()
    ]
    return Missing(
        cells,
        total,
        {state: count for state, count in states.items() if count},
        sorted(kinds, key=_causes_first),
        sorted(by_run.items(), key=lambda item: (-item[1], item[0])),
    )


def _causes_first(kind: ErrorKind) -> tuple[bool, int, str, str]:
    return kind.error_class == MissingResponseError.__name__, -kind.cells, kind.error_class, kind.stage


def read_unreadable(
    settings: Settings, experiment_id: str, *, page: int, size: int
) -> tuple[list[UnreadAnswer], Mapping[Stage, int]]:
    """A page of the answers that could not be read, and how many there are by stage."""
    engine = engine_for(settings)
    answers = read_unread(engine, experiment_id, limit=size, offset=(page - 1) * size)
    return answers, count_unread(engine, experiment_id)
