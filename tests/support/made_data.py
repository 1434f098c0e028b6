"""A large finished experiment that no model was called for: plausible texts, scores with real effects.

Files and rows are written by the functions that write them in a run, many calls at once. The same design
gives the same data.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from unittest.mock import patch

from daydreaming.errors import DaydreamingError, EssayParseError, LLMPermanentError, LLMTransientError, Usage
from daydreaming.inputs.records import Stage
from daydreaming.llm.request import ChatRequest
from daydreaming.pipeline.call import (
    CellCall,
    build_request,
    failure_row,
    open_calls,
    store_answer,
    write_prompt,
)
from daydreaming.pipeline.plan import plan_evaluations, plan_generations, start_run
from daydreaming.pipeline.pricing import cost_of, model_price, reserved_nanousd
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.admission import CallEnd, end_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.ledger import Reservation, Settlement, budget_day, insert_calls, reserve
from daydreaming.store.plans import RunRecord, cells_of_run
from daydreaming.store.ratings import RatingRecord, write_rating
from tests.support.experiments import NOW, make_answer
from tests.support.made_design import (
    NO_LIMIT,
    SCALE,
    MadeDesign,
    judges_score,
    persons_score,
    random_of,
    write_inputs,
)
from tests.support.made_texts import critique_text, essay_text, thinking_text

_CHUNK = 500
_ATTEMPTS = 3
_BETWEEN_STARTS = timedelta(seconds=0.4)


@dataclass(frozen=True)
class MadeExperiment:
    """What was made.

    Attributes:
        failed: IDs of the cells without an answer that were called; by stage.
        no_essay: IDs of the generations without an essay.
        unscored: IDs of the evaluations without a score.
    """

    experiment_id: str
    run_id: str
    failed: Mapping[Stage, frozenset[str]]
    no_essay: frozenset[str]
    unscored: frozenset[str]


def make_experiment(
    settings: Settings,
    design: MadeDesign,
    *,
    experiment_id: str = "made",
    now: datetime = NOW,
    rater: str = "ada",
    with_tables: bool = False,
) -> MadeExperiment:
    """Write inputs, plan, prompts, answers and rows of a finished experiment.

    Args:
        settings: Of a data root; inputs of the same names are overwritten.
        design: Its size.
        experiment_id: Its ID, and part of the run's.
        now: When it was started.
        rater: Name of the person who has rated essays, and started it.
        with_tables: Whether its tables are written too, which takes longer than all the rest.
    """
    write_inputs(settings, design, experiment_id)
    run = start_run(settings, {"experiment": experiment_id}, f"{experiment_id}-1", now, created_by=rater)
    plan_generations(settings, run.run_id, now=now, max_instances=NO_LIMIT)
    plan_evaluations(settings, run.run_id, max_instances=NO_LIMIT)
    # Nothing has to outlast a crash, and waiting for the disk would be most of the time.
    with patch("os.fsync"):
        generations = _Stage(settings, run, "generation", design, now)
        generations.answer_all()
        evaluations = _Stage(
            settings,
            run,
            "evaluation",
            design,
            generations.ended_at,
            generations.failed | generations.unreadable,
        )
        evaluations.answer_all()
    # An essay and a rubric once, whoever has judged it.
    judged = {(c.cell.generation_task_id, c.cell.evaluation_template): c for c in evaluations.readable}
    for place in random_of("rated").sample(sorted(judged), min(design.ratings, len(judged))):
        rating = _rating(judged[place], rater, evaluations.ended_at)
        write_rating(engine_for(settings), settings.data_root, rating)
    if with_tables:
        write_all_tables(settings, experiment_id)
    return MadeExperiment(
        experiment_id,
        run.run_id,
        {"generation": generations.failed, "evaluation": evaluations.failed},
        generations.unreadable,
        evaluations.unreadable,
    )


class _Stage:
    """Answers one stage of a run, some hundred calls at a time.

    Args:
        without: Generations without an essay: there is nothing to judge.
    """

    def __init__(
        self,
        settings: Settings,
        run: RunRecord,
        stage: Stage,
        design: MadeDesign,
        starts_at: datetime,
        without: frozenset[str] = frozenset(),
    ) -> None:
        self._settings, self._stage, self._design, self._starts_at = settings, stage, design, starts_at
        planned = {c.cell_id: (run.run_id, c) for c in cells_of_run(engine_for(settings), run.run_id, stage)}
        self._calls = open_calls(settings, run.experiment_id, planned)
        self.readable = [c for c in self._calls.values() if c.cell.generation_task_id not in without]
        ids = sorted(call.cell.cell_id for call in self.readable)
        self.failed = _some(ids, design.failed, f"{stage} failed")
        answered = [cell_id for cell_id in ids if cell_id not in self.failed]
        self._repeated = _some(answered, design.repeated, f"{stage} repeated")
        # Any text at all is an essay where it is taken whole.
        tagged = [i for i in answered if self._calls[i].template.parser != "whole"]
        unreadable = design.no_essay if stage == "generation" else design.unscored
        self.unreadable = _some(tagged, unreadable, f"{stage} unreadable")
        self.ended_at = starts_at + _BETWEEN_STARTS * len(planned) + timedelta(minutes=2)

    def answer_all(self) -> None:
        """Make every call of the stage."""
        calls = iter(self._calls.values())
        while chunk := list(islice(calls, _CHUNK)):
            attempts = [attempt for call in chunk for attempt in self._attempts(call)]
            reservations = [attempt.reservation for attempt in attempts if attempt.reservation]
            with writing_engine(self._settings).begin() as connection:
                reserve(connection, reservations)
                insert_calls(connection, [(r, r.row["reserved_at"].timestamp()) for r in reservations])
                end_calls(connection, [attempt.end for attempt in attempts])

    def _attempts(self, call: CellCall) -> Iterator[_Attempt]:
        cell, random = call.cell, random_of(self._stage, call.cell.cell_id)
        started_at = self._starts_at + _BETWEEN_STARTS * cell.map_index
        try:
            request = build_request(call)
        except EssayParseError:
            return  # Skipped: nothing is recorded.
        except DaydreamingError as error:
            failure = failure_row(call, error, attempt=0, final=True, now=started_at)
            yield _Attempt(None, CallEnd(failure=failure))
            return
        write_prompt(call, request)
        if cell.cell_id in self.failed:
            refused = random.random() < 0.5
            for attempt in range(1, 1 if refused else _ATTEMPTS):
                yield _failed(call, request, _busy(), attempt, started_at, final=False)
                started_at += timedelta(seconds=5)
            error = _refused() if refused else _busy()
            yield _failed(call, request, error, 1 if refused else _ATTEMPTS, started_at, final=True)
            return
        attempt = 1
        if cell.cell_id in self._repeated:
            yield _failed(call, request, _busy(), attempt, started_at, final=False)
            attempt, started_at = 2, started_at + timedelta(seconds=5)
        text = self._text(call, random)
        yield _answered(call, request, text, attempt, started_at, random)

    def _text(self, call: CellCall, random: Random) -> str:
        is_unreadable = call.cell.cell_id in self.unreadable
        if self._stage == "evaluation":
            score = judges_score(call, random)
            critique = critique_text(random, score / SCALE[1])
            return critique if is_unreadable else f"{critique}\n\nSCORE: {score:g}"
        essay = essay_text(random, call.concept_ids, self._design.words)
        if is_unreadable or call.template.parser == "whole":
            return essay
        return (
            f"<thinking>\n{thinking_text(random, call.concept_ids)}\n</thinking>\n<essay>\n{essay}\n</essay>"
        )


@dataclass(frozen=True)
class _Attempt:
    """One attempt: what it asked of the budgets (None: nothing was sent), and what it left."""

    reservation: Reservation | None
    end: CallEnd


def _answered(
    call: CellCall, request: ChatRequest, text: str, attempt: int, started_at: datetime, random: Random
) -> _Attempt:
    latency = timedelta(milliseconds=round(1000 * math.exp(random.gauss(1.2, 0.5))))
    reservation = _reservation(call, request, attempt, started_at)
    answer = make_answer(
        text,
        model_returned=request.model,
        upstream_provider="Made",
        response_id=f"made-{reservation.row['call_id'][:16]}",
        prompt_tokens=len(request.prompt) // 4,
        completion_tokens=len(text) // 4,
    )
    ended_at = started_at + latency
    row = store_answer(call, request, answer, attempts=attempt, started_at=started_at, ended_at=ended_at)
    usage = Usage(answer.prompt_tokens, answer.completion_tokens, None)
    cost = cost_of(model_price(call.model), usage)
    settlement = Settlement(
        reservation.row["call_id"],
        "answered",
        ended_at,
        cost.nanousd,
        cost.source,
        usage.prompt_tokens,
        usage.completion_tokens,
        answer.upstream_provider,
    )
    return _Attempt(reservation, CallEnd(settlement, response=(call.stage, row)))


def _failed(
    call: CellCall,
    request: ChatRequest,
    error: DaydreamingError,
    attempt: int,
    started_at: datetime,
    *,
    final: bool,
) -> _Attempt:
    reservation = _reservation(call, request, attempt, started_at)
    ended_at = started_at + timedelta(seconds=1)
    settlement = Settlement(
        reservation.row["call_id"], "failed", ended_at, 0, "not billed", error_class=type(error).__name__
    )
    failure = failure_row(call, error, attempt=attempt, final=final, now=ended_at)
    return _Attempt(reservation, CallEnd(settlement, failure=failure))


def _reservation(call: CellCall, request: ChatRequest, attempt: int, started_at: datetime) -> Reservation:
    key = f"{call.run.run_id} {call.stage} {call.cell.cell_id} {attempt}"
    price = model_price(call.model)
    row: dict[str, Any] = {
        "call_id": hashlib.sha256(key.encode()).hexdigest()[:32],
        "owner": hashlib.sha256(f"owner {key}".encode()).hexdigest()[:32],
        "experiment_id": call.run.experiment_id,
        "run_id": call.run.run_id,
        "stage": call.stage,
        "cell_id": call.cell.cell_id,
        "model_id": call.model.id,
        "conn_id": call.model.conn_id,
        "model_name": call.model.model,
        "attempt": attempt,
        "price_source": price.source if price else None,
        "budget_day": budget_day(started_at),
        "reserved_at": started_at,
    }
    return Reservation(row, reserved_nanousd(price, request))


def _busy() -> LLMTransientError:
    return LLMTransientError("HTTP 503: the model is overloaded, try again later", status=503)


def _refused() -> LLMPermanentError:
    return LLMPermanentError("HTTP 400: the prompt is longer than the model's context", status=400)


def _rating(call: CellCall, rater: str, now: datetime) -> RatingRecord:
    """What a person gives an essay."""
    cell, key = call.cell, f"{call.run.run_id} {call.cell.cell_id} {rater}"
    return RatingRecord(
        rating_id=hashlib.sha256(key.encode()).hexdigest()[:32],
        generation_task_id=cell.generation_task_id,
        evaluation_template=str(cell.evaluation_template),
        rater=rater,
        score=persons_score(call, random_of(key)),
        score_min=float(SCALE[0]),
        score_max=float(SCALE[1]),
        rated_at=now,
    )


def _some(ids: Sequence[str], share: float, purpose: str) -> frozenset[str]:
    """So many of the IDs, one at least; none where the share is 0."""
    return frozenset(random_of(purpose).sample(ids, math.ceil(share * len(ids))))
