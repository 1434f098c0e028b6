"""One essay with everything that is known of it: concepts, prompt, answer, where it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daydreaming.errors import EssayParseError, InputError, StoreError
from daydreaming.inputs.snapshot import Inputs
from daydreaming.parsing.essay import parse_essay
from daydreaming.pipeline.cell_states import CellState, cell_states
from daydreaming.pipeline.concept_names import joined_names
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.shown_prompts import ShownPrompt, shown_prompt
from daydreaming.pipeline.shown_texts import ShownText, shown_answer, shown_plain
from daydreaming.pipeline.verdicts_shown import problem_text
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.essay_queries import read_concept_ids
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import PlannedCell, RunRecord, read_planned


@dataclass(frozen=True)
class ShownConcept:
    """An ingredient as the prompt named it.

    Attributes:
        text: The description at the run's level; empty where the frozen inputs cannot be read.
    """

    concept_id: str
    name: str
    text: str


@dataclass(frozen=True)
class Essay:
    """A planned generation of an experiment.

    Attributes:
        run_id: The run that planned it last; ``cell.map_index`` is its instance there.
        is_import: Whether that run was an import, of which Airflow knows nothing.
        essay: None where nothing was answered, or no essay was found in the answer.
        essay_error: Why none was found.
        answer: All that the model said; None where that is the essay alone.
    """

    run_id: str
    is_import: bool
    cell: PlannedCell
    state: CellState
    concepts: Sequence[ShownConcept]
    essay: ShownText | None
    essay_error: str | None
    answer: ShownText | None
    prompt: ShownPrompt | None

    @property
    def concept_names(self) -> str:
        """All of them in one line."""
        names = {concept.concept_id: concept.name for concept in self.concepts}
        return joined_names(names, names)


def open_essay(settings: Settings, experiment_id: str, generation_task_id: str, now: datetime) -> Essay:
    """Read an essay.

    Args:
        settings: The deployment's settings.
        experiment_id: The experiment that planned it.
        generation_task_id: Its ID.
        now: Leases that ended before are over.

    Raises:
        InputError: The experiment is not known, or has planned no such generation.
    """
    run, cell = find_generation(settings, experiment_id, generation_task_id)
    files = DataRoot(settings.data_root)
    state = cell_states(settings, experiment_id, "generation", [cell.cell_id], now)[cell.cell_id]
    essay, essay_error, answer = _texts(files, cell.cell_id, state)
    return Essay(
        run.run_id,
        is_import(run.run_id, experiment_id),
        cell,
        state,
        shown_concepts(settings, run, cell.combo_id),
        essay,
        essay_error,
        answer,
        shown_prompt(files, "generation", cell.cell_id, state.row["prompt_sha256"] if state.row else None),
    )


def find_generation(
    settings: Settings, experiment_id: str, generation_task_id: str
) -> tuple[RunRecord, PlannedCell]:
    """A generation that an experiment planned, and the run that did so last.

    Raises:
        InputError: The experiment is not known, or has planned no such generation.
    """
    choose_experiments(settings, experiment_id)
    try:
        return read_planned(engine_for(settings), experiment_id, "generation", generation_task_id)
    except StoreError as error:
        raise InputError(f"{error} The list of essays shows those that were answered.") from error


def is_import(run_id: str, experiment_id: str) -> bool:
    """Whether a run was an import: named by the experiment that it became, and never seen by Airflow."""
    return run_id.startswith(f"import-{experiment_id}-")


def read_essay_text(files: DataRoot, generation_task_id: str, parser: str) -> str:
    """The essay in a stored answer: its file, else cut anew.

    Raises:
        EssayParseError: There is no file, and no essay in the answer.
        StoreError: A file cannot be read.
    """
    kept = files.read_essay(generation_task_id)
    return (
        parse_essay(files.read_response("generation", generation_task_id), parser) if kept is None else kept
    )


def _texts(
    files: DataRoot, cell_id: str, state: CellState
) -> tuple[ShownText | None, str | None, ShownText | None]:
    """The essay, why there is none, and the whole answer where it is more than the essay."""
    if state.row is None:
        return None, None, None
    try:
        answer = files.read_response("generation", cell_id)
        if state.row["essay_error"]:
            return None, state.row["essay_error"], shown_answer(answer)
        essay = read_essay_text(files, cell_id, state.row["parser"])
    except EssayParseError as error:
        return None, str(error), shown_answer(answer)
    except StoreError as error:
        return ShownText(problem=problem_text(files, error)), None, None
    return shown_plain(essay), None, None if answer.strip() == essay.strip() else shown_answer(answer)


def shown_concepts(settings: Settings, run: RunRecord, combo_id: str) -> list[ShownConcept]:
    """The concepts of a combination, in its order, as a run names them; none where it is not known."""
    ids = read_concept_ids(engine_for(settings), [combo_id]).get(combo_id, ())
    try:
        inputs = frozen_inputs(settings.data_root, run)
    except StoreError:
        # `daydreaming verify` tells of it: the essay can be read without its ingredients.
        return [ShownConcept(concept_id, concept_id, "") for concept_id in ids]
    return [_concept(inputs, concept_id) for concept_id in ids]


def _concept(inputs: Inputs, concept_id: str) -> ShownConcept:
    known = {concept.concept_id: concept for concept in inputs.concepts}
    if concept_id not in known:
        return ShownConcept(concept_id, concept_id, "")
    concept = known[concept_id]
    level = inputs.params.get("description_level") or "paragraph"
    return ShownConcept(concept_id, concept.name, concept.content(level))
