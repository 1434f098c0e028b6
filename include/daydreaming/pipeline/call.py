"""One planned call, from the plan to the stored answer; both stages, both ways of dispatch.

The steps are plain blocking functions; the trigger runs them in threads. Nothing heavy is
imported at module level: every task instance imports this.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from daydreaming.errors import (
    DaydreamingError,
    EssayParseError,
    MissingResponseError,
    StaleResponseError,
    StoreError,
    Usage,
)
from daydreaming.inputs.records import LLMModel, Stage, Template
from daydreaming.inputs.snapshot import Inputs
from daydreaming.llm.answer import Answer
from daydreaming.llm.price import to_usd
from daydreaming.llm.request import ChatRequest
from daydreaming.parsing.essay import parse_essay
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.pricing import Cost, batch_price, cost_of, model_price
from daydreaming.pipeline.rows import evaluation_row, generation_row
from daydreaming.pipeline.scoring import current_scoring
from daydreaming.prompts.render import render_evaluation, render_generation
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.plans import (
    Plan,
    PlannedCell,
    RunRecord,
    combinations_of_experiment,
    read_call,
    read_plan,
    read_planned,
    runs_of_experiment,
)
from daydreaming.store.results import insert_failure, response_exists, upsert_responses

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: By data root, database, run and stage.
_plans: OrderedDict[tuple[Path, str, str, Stage], Plan] = OrderedDict()
_plans_lock = Lock()
_PLANS_KEPT = 16


@dataclass(frozen=True)
class CellCall:
    """One planned call of one run, and where its answer belongs."""

    settings: Settings
    run: RunRecord
    inputs: Inputs
    cell: PlannedCell
    concept_ids: tuple[str, ...]

    @property
    def files(self) -> DataRoot:
        """The data root."""
        return DataRoot(self.settings.data_root, self.settings.results_conn)

    @property
    def engine(self) -> Engine:
        """The results database."""
        return engine_for(self.settings)

    @property
    def stage(self) -> Stage:
        """``generation`` or ``evaluation``."""
        return self.cell.stage

    @property
    def template(self) -> Template:
        """The template of this call's prompt; an evaluation's with the scoring that counts now."""
        planned = self.planned_template
        if self.stage == "generation":
            return planned
        scoring = current_scoring(self.settings, self.run.experiment_id).get(planned.template_id)
        return scoring.applied_to(planned) if scoring else planned

    @property
    def planned_template(self) -> Template:
        """The template as the run froze it."""
        if self.stage == "generation":
            return self.inputs.generation_template(self.cell.generation_template)
        return self.inputs.evaluation_template(str(self.cell.evaluation_template))

    @property
    def is_rejudging(self) -> bool:
        """Whether the run generates nothing, and takes the essays as they are stored."""
        return bool(self.inputs.params.get("rejudge"))

    @property
    def model(self) -> LLMModel:
        """The model that is called."""
        if self.stage == "generation":
            return self.inputs.generation_model(self.cell.generation_model)
        return self.inputs.evaluation_model(str(self.cell.evaluation_model))


def open_call(settings: Settings, run_id: str, stage: Stage, map_index: int) -> CellCall:
    """Look up what a mapped instance is to call.

    Raises:
        StoreError: The run, its plan or its frozen inputs are missing.
    """
    run, cell, concept_ids = read_call(engine_for(settings), run_id, stage, map_index)
    return CellCall(settings, run, frozen_inputs(settings.data_root, run), cell, concept_ids)


def find_cell(settings: Settings, run_id: str, stage: Stage, map_index: int) -> tuple[str, PlannedCell]:
    """Which experiment's cell a mapped instance means.

    Raises:
        StoreError: The plan has no such instance.
    """
    run, cell, _ = read_call(engine_for(settings), run_id, stage, map_index)
    return run.experiment_id, cell


def is_open(settings: Settings, cell: PlannedCell) -> bool:
    """Whether a cell has no answer, nor one in the archive, and an evaluation's generation has one.

    Told from the names of files alone; where it is False, a closer look is needed.
    """
    files = DataRoot(settings.data_root)
    if files.is_answered(cell.stage, cell.cell_id) or files.has_archived(cell.stage, cell.cell_id):
        return False
    return cell.stage == "generation" or files.is_answered("generation", cell.generation_task_id)


def open_call_of_plan(settings: Settings, run_id: str, stage: Stage, map_index: int) -> CellCall:
    """The same, for processes that make many calls: a run's plan is read once and kept.

    Raises:
        StoreError: The run, its plan or its frozen inputs are missing.
    """
    plan = _kept_plan(settings, run_id, stage)
    cell = plan.cells.get(map_index)
    if cell is None:
        return open_call(settings, run_id, stage, map_index)
    inputs = frozen_inputs(settings.data_root, plan.run)
    return CellCall(settings, plan.run, inputs, cell, plan.concept_ids[cell.combo_id])


def _kept_plan(settings: Settings, run_id: str, stage: Stage) -> Plan:
    key = (settings.data_root, settings.results_conn, run_id, stage)
    with _plans_lock:
        plan = _plans.get(key)
        if plan is None:
            plan = read_plan(engine_for(settings), run_id, stage)
            if plan.cells:
                _plans[key] = plan
            while len(_plans) > _PLANS_KEPT:
                _plans.popitem(last=False)
    return plan


def open_calls(
    settings: Settings, experiment_id: str, planned: Mapping[str, tuple[str, PlannedCell]]
) -> dict[str, CellCall]:
    """Look up many calls of one experiment at once.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose calls they are.
        planned: Run ID and cell by cell ID.
    """
    engine = engine_for(settings)
    runs = {run.run_id: run for run in runs_of_experiment(engine, experiment_id)}
    inputs = {run_id: frozen_inputs(settings.data_root, run) for run_id, run in runs.items()}
    combinations = combinations_of_experiment(engine, experiment_id)
    concepts = {combination.combo_id: combination.concept_ids for combination in combinations}
    return {
        cell_id: CellCall(settings, runs[run_id], inputs[run_id], cell, concepts[cell.combo_id])
        for cell_id, (run_id, cell) in planned.items()
    }


def build_request(call: CellCall) -> ChatRequest:
    """Render the prompt and put the request together; nothing is written.

    Raises:
        MissingResponseError: An evaluation's generation has no response.
        EssayParseError: An evaluation's generation has a response without an essay.
        StoreError: The frozen inputs do not hold a concept of the combination.
    """
    params = call.inputs.params
    return ChatRequest(
        model=call.model.model,
        prompt=_render(call),
        temperature=params[f"{call.stage}_temperature"],
        max_tokens=params[f"{call.stage}_max_tokens"],
        extra_body=call.model.extra_body,
    )


def settle_stored(call: CellCall, request: ChatRequest) -> bool:
    """Whether the wanted answer is stored; sees to its row, and to a stale answer as ``on_stale`` says.

    Raises:
        StaleResponseError: The stored answer was made by another request, and ``on_stale`` is ``fail``.
    """
    files, stage, cell_id = call.files, call.stage, call.cell.cell_id
    is_restored = False
    while True:
        if not files.is_answered(stage, cell_id):
            is_restored = files.restore_response(stage, cell_id, request.request_hash)
            # Where it was not, another may have brought one at this moment.
            if not is_restored and not files.is_answered(stage, cell_id):
                return False
        stale_hash = _stale_hash(call, request)
        if not stale_hash:
            break
        if call.inputs.params["on_stale"] == "fail":
            raise StaleResponseError(_stale_message(call, stale_hash, request.request_hash))
        # Then settled anew: another may have archived it first, and what is there now is another answer.
        files.archive_response(stage, cell_id, stale_hash)
    if is_restored:
        # The one that is there is of the answer that took its place.
        write_prompt(call, request)
    if is_restored or not response_exists(call.engine, stage, cell_id):
        index_response(call)
    return True


def is_outdated(call: CellCall) -> bool:
    """Whether the stored answer, or the essay that it judges, answers another request than this run's."""
    if not call.files.is_answered(call.stage, call.cell.cell_id):
        return False
    try:
        return _stale_hash(call, build_request(call)) is not None
    except StaleResponseError:
        return True
    except DaydreamingError:
        return False


def has_lost_essay(call: CellCall) -> bool:
    """Whether a verdict is stored, and the essay that it was asked about is there no more.

    One without a record was put there by a person, who knows what it judges.
    """
    if call.stage == "generation" or not call.files.is_answered(call.stage, call.cell.cell_id):
        return False
    try:
        build_request(call)
    except (MissingResponseError, EssayParseError):
        return bool(call.files.read_provenance(call.stage, call.cell.cell_id).get("request_hash"))
    except DaydreamingError:
        pass
    return False


def write_prompt(call: CellCall, request: ChatRequest) -> None:
    """Write the rendered prompt where people look for it."""
    write_whole(call.files.prompt(call.stage, call.cell.cell_id), request.prompt, durable=False)


def record_answer(
    call: CellCall,
    request: ChatRequest,
    answer: Answer,
    *,
    attempts: int,
    started_at: datetime,
    ended_at: datetime,
) -> None:
    """Store an answer with its provenance, then its row; an evaluation's with its score."""
    row = store_answer(call, request, answer, attempts=attempts, started_at=started_at, ended_at=ended_at)
    upsert_responses(call.engine, call.stage, [row])


def store_answer(
    call: CellCall,
    request: ChatRequest,
    answer: Answer,
    *,
    attempts: int,
    started_at: datetime,
    ended_at: datetime,
    batch_id: str = "",
) -> dict[str, Any]:
    """Write the files of an answer; returns its row, which the caller writes.

    Args:
        call: The planned call.
        request: What was sent.
        answer: What came back.
        attempts: How often it was sent.
        started_at: When it was sent last; ``ended_at`` when it was answered.
        ended_at: See there.
        batch_id: The provider's name for the batch that it came in, at batch price; '' for none.
    """
    record = _provenance(call, request, answer, attempts, started_at, ended_at)
    if batch_id:
        usage = Usage(answer.prompt_tokens, answer.completion_tokens, answer.cost_usd)
        record = {**record, "batch_id": batch_id, **_cost_fields(cost_of(batch_price(call.model), usage))}
    call.files.write_response(call.stage, call.cell.cell_id, answer.text, record)
    return _row_with_essay_file(call)


def index_response(call: CellCall) -> dict[str, Any]:
    """Write the row of a stored response, and a generator's essay file; returns the row."""
    row = _row_with_essay_file(call)
    upsert_responses(call.engine, call.stage, [row])
    return row


def _row_with_essay_file(call: CellCall) -> dict[str, Any]:
    row, essay = response_row(call)
    if essay is not None:
        write_whole(call.files.essay(call.cell.cell_id), essay, durable=False)
    return row


def response_row(call: CellCall) -> tuple[dict[str, Any], str | None]:
    """Derive the row of a stored response from its files; a generation's essay too."""
    files, stage, cell = call.files, call.stage, call.cell
    text = files.read_response(stage, cell.cell_id)
    record = files.read_provenance(stage, cell.cell_id)
    path = files.response(stage, cell.cell_id)
    file: dict[str, Any] = {
        "response_file": files.relative(path),
        "experiment_id": call.run.experiment_id,
        "run_id": call.run.run_id,
    }
    if not record.get("ended_at"):
        file["ended_at"] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    if stage == "generation":
        return generation_row(cell, call.template, text, record, file)
    return evaluation_row(cell, call.template, text, record, file), None


def record_failure(
    call: CellCall, error: DaydreamingError, *, attempt: int, final: bool, now: datetime
) -> None:
    """Record a failed attempt; ``attempt`` is 0 where nothing was sent."""
    insert_failure(call.engine, failure_row(call, error, attempt=attempt, final=final, now=now))


def failure_row(
    call: CellCall, error: DaydreamingError, *, attempt: int, final: bool, now: datetime
) -> dict[str, Any]:
    """The row of a failed attempt; arguments as above."""
    return {
        "experiment_id": call.run.experiment_id,
        "run_id": call.run.run_id,
        "stage": call.stage,
        "cell_id": call.cell.cell_id,
        "model": call.cell.model_id,
        "attempt": attempt,
        "error_class": type(error).__name__,
        "message": str(error),
        "final": final,
        "occurred_at": now,
    }


def _stale_hash(call: CellCall, request: ChatRequest) -> str | None:
    """Hash of the request that made the stored answer, where that makes it unusable for this run."""
    stored = call.files.read_provenance(call.stage, call.cell.cell_id).get("request_hash")
    # A file without a record was brought by a person: it cannot be told stale.
    if not stored or stored == request.request_hash or call.inputs.params["on_stale"] == "reuse":
        return None
    return str(stored)


def _render(call: CellCall) -> str:
    if call.stage == "generation":
        return render_generation(call.planned_template.text, _concepts(call))
    return render_evaluation(call.planned_template.text, _essay(call))


def _concepts(call: CellCall) -> list[dict[str, str]]:
    level = call.inputs.params["description_level"]
    try:
        concepts = [call.inputs.concept(concept_id) for concept_id in call.concept_ids]
    except KeyError as error:
        # An import freezes what the folder says of concepts, which may be less than its combinations name.
        raise StoreError(
            f"The frozen inputs of run {call.run.run_id} do not hold the concept {error} of "
            f"{call.cell.combo_id}, so its prompt cannot be made. Add it to the tables of concepts, and "
            "import the folder again or start a new run."
        ) from error
    return [{"name": concept.name, "content": concept.content(level)} for concept in concepts]


def _essay(call: CellCall) -> str:
    generation_id = call.cell.generation_task_id
    if not call.files.is_answered("generation", generation_id):
        raise MissingResponseError(
            f"Generation {generation_id} has no response, so there is nothing to judge. {_remedy(call)}"
        )
    generation = _generation_of(call)
    try:
        if call.is_rejudging:
            return essay_as_stored(generation)
        request = build_request(generation)
        stale_hash = _stale_hash(generation, request)
        if stale_hash:
            raise StaleResponseError(_stale_message(generation, stale_hash, request.request_hash))
        return _cut_essay(generation)
    except EssayParseError as error:
        raise EssayParseError(f"Generation {generation_id} has no essay to judge: {error}") from error


def _remedy(call: CellCall) -> str:
    if call.is_rejudging:
        return "This run generates nothing: run the experiment without rejudge, then clear this evaluation."
    return "Clear the failed instances of this run (only failed): generation first, then this evaluation."


def essay_as_stored(generation: CellCall) -> str:
    """The essay of an answered generation as its file has it; cut anew where that file is gone.

    Raises:
        EssayParseError: There is no file, and no essay in the answer.
    """
    kept = generation.files.read_essay(generation.cell.cell_id)
    return _cut_essay(generation) if kept is None else kept


def _cut_essay(generation: CellCall) -> str:
    text = generation.files.read_response("generation", generation.cell.cell_id)
    return parse_essay(text, generation.template.parser)


def _generation_of(call: CellCall) -> CellCall:
    """The generation that an evaluation judges; of a run that only judges, as another run planned it."""
    cell = call.cell
    if call.is_rejudging:
        run, generation = read_planned(
            call.engine, call.run.experiment_id, "generation", cell.generation_task_id
        )
        inputs = frozen_inputs(call.settings.data_root, run)
        return CellCall(call.settings, run, inputs, generation, call.concept_ids)
    generation = PlannedCell(
        stage="generation",
        map_index=-1,
        cell_id=cell.generation_task_id,
        pool="",
        model_name=call.inputs.generation_model(cell.generation_model).model,
        generation_task_id=cell.generation_task_id,
        combo_id=cell.combo_id,
        generation_template=cell.generation_template,
        generation_model=cell.generation_model,
        generation_replicate=cell.generation_replicate,
    )
    return replace(call, cell=generation)


def _provenance(
    call: CellCall,
    request: ChatRequest,
    answer: Answer,
    attempts: int,
    started_at: datetime,
    ended_at: datetime,
) -> Mapping[str, Any]:
    usage = Usage(answer.prompt_tokens, answer.completion_tokens, answer.cost_usd)
    cost = cost_of(model_price(call.model), usage)
    return {
        "stage": call.stage,
        "cell_id": call.cell.cell_id,
        "experiment_id": call.run.experiment_id,
        "run_id": call.run.run_id,
        "prompt_sha256": request.prompt_sha256,
        "request": request.parameters(),
        "request_hash": request.request_hash,
        # So that an edit of the answer shows, whatever happens to the database.
        "response_sha256": hashlib.sha256(answer.text.encode()).hexdigest(),
        "model_id": call.model.id,
        "model_requested": request.model,
        "model_returned": answer.model_returned,
        "conn_id": call.model.conn_id,
        "upstream_provider": answer.upstream_provider,
        "response_id": answer.response_id,
        "finish_reason": answer.finish_reason,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        **_cost_fields(cost),
        "latency_s": round((ended_at - started_at) / timedelta(seconds=1), 3),
        "attempts": attempts,
        "started_at": started_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        # Only where it was: the text is then not quite what the model wrote.
        **({"is_redacted": True} if answer.is_redacted else {}),
    }


def _cost_fields(cost: Cost) -> dict[str, Any]:
    return {
        "cost_usd": None if cost.nanousd is None else to_usd(cost.nanousd),
        "cost_source": cost.source,
    }


def _stale_message(call: CellCall, stored_hash: str, wanted_hash: str) -> str:
    path = call.files.response(call.stage, call.cell.cell_id)
    return (
        f"{call.files.relative(path)} is stale: it answers another request ({stored_hash[:12]}) than the one "
        f"that would be sent now ({wanted_hash[:12]}); its prompt, model or parameters have changed. Set "
        "on_stale to 'archive' to keep it aside and call again, to 'reuse' to take it as it is, or give the "
        "changed template or model an ID of its own."
    )
