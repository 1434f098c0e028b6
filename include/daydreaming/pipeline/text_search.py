"""Search all texts of an experiment: essays, verdicts, prompts, and what else the models said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from daydreaming.errors import EssayParseError, StoreError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.concept_names import concept_names
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.pipeline.reader import read_essay_text
from daydreaming.pipeline.snippets import SnippetPiece, snippet_pieces
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.results import read_responses
from daydreaming.store.search_terms import match_expression
from daydreaming.store.text_index import DocumentKey, Hit, IndexState, Kind, Part, Source, TextIndex
from daydreaming.store.text_versions import (
    AnswerVersion,
    read_answer_versions,
    read_prompt_versions,
    read_stamp,
    read_verdict_versions,
)

Scope = Literal["essays", "verdicts", "prompts", "all"]
PARTS_OF: Final[Mapping[Scope, tuple[Part, ...]]] = {
    "essays": ("essay",),
    "verdicts": ("verdict",),
    "prompts": ("prompt",),
    "all": ("essay", "verdict", "prompt", "rest"),
}
#: What one request adds to the index: some tenths of a second.
MAX_DOCUMENTS = 1_000
MAX_CHARS = 2_000_000
_PROMPTS: Final[Mapping[Kind, Stage]] = {
    "generation_prompt": "generation",
    "evaluation_prompt": "evaluation",
}


@dataclass(frozen=True)
class FoundText:
    """A text in which something was found.

    Attributes:
        stage: Of the cell that it belongs to.
        cell_id: That cell; of a prompt that several share, the first.
        row: Of the cell's answer.
        concepts: Names of the concepts of the essay, in one line.
    """

    stage: Stage
    cell_id: str
    part: Part
    pieces: Sequence[SnippetPiece]
    row: Mapping[str, Any]
    concepts: str


@dataclass(frozen=True)
class SearchResult:
    """What was found, in an index that may not be whole yet.

    Attributes:
        total: Texts in which something was found, on all pages.
        state: How far the index is.
    """

    found: Sequence[FoundText]
    total: int
    state: IndexState


def search_texts(
    settings: Settings,
    experiment_id: str,
    typed: str,
    scope: Scope,
    now: datetime,
    *,
    limit: int,
    offset: int,
) -> SearchResult:
    """Find texts with all words, ``"phrases"`` and ``prefixes*`` that were typed.

    The index is brought up to date first, by what one request may take; an empty search does that alone.

    Raises:
        InputError: The experiment is not known.
        StoreError: The index cannot be used.
    """
    choose_experiments(settings, experiment_id)
    index = TextIndex(settings.cache_folder / "search" / experiment_id)
    source = _source(settings, experiment_id)
    state = index.update(source, now, max_documents=MAX_DOCUMENTS, max_chars=MAX_CHARS)
    expression = match_expression(typed)
    if not expression:
        return SearchResult((), 0, state)
    hits, total = index.search(expression, PARTS_OF[scope], limit=limit, offset=offset)
    return SearchResult(_found(settings, experiment_id, hits), total, state)


def _source(settings: Settings, experiment_id: str) -> Source:
    engine, files = engine_for(settings), DataRoot(settings.data_root)

    def list_all() -> dict[DocumentKey, str]:
        answers = read_answer_versions(engine, experiment_id)
        wanted = {DocumentKey("answer", one.generation_task_id): _version(one) for one in answers}
        verdicts = read_verdict_versions(engine, experiment_id)
        wanted |= {DocumentKey("verdict", cell_id): digest for cell_id, digest in verdicts}
        for kind, stage in _PROMPTS.items():
            prompts = read_prompt_versions(engine, experiment_id, stage)
            wanted |= {DocumentKey(kind, cell_id): digest for cell_id, digest in prompts}
        return wanted

    def read(key: DocumentKey, version: str) -> Mapping[Part, str]:
        try:
            return _read(files, key, version)
        except (StoreError, OSError, UnicodeDecodeError):
            # Gone since its row was written, or no text: `daydreaming verify` tells of it.
            return {}

    def files_of(key: DocumentKey) -> list[Path]:
        if key.kind in _PROMPTS:
            return [files.prompt(_PROMPTS[key.kind], key.cell_id)]
        if key.kind == "verdict":
            return [files.response("evaluation", key.cell_id)]
        return [files.response("generation", key.cell_id), files.essay(key.cell_id)]

    return Source(read_stamp(engine, experiment_id), list_all, read, files_of)


def _version(answer: AnswerVersion) -> str:
    """Digest and, where an essay was found, the parser that found it."""
    return f"{answer.response_sha256}:{answer.parser if answer.has_essay else ''}"


def _read(files: DataRoot, key: DocumentKey, version: str) -> dict[Part, str]:
    if key.kind == "verdict":
        return {"verdict": files.read_response("evaluation", key.cell_id)}
    if key.kind in _PROMPTS:
        return {"prompt": files.prompt(_PROMPTS[key.kind], key.cell_id).read_text(encoding="utf-8")}
    text, parser = files.read_response("generation", key.cell_id), version.partition(":")[2]
    if not parser:
        return {"rest": text}
    try:
        essay = read_essay_text(files, key.cell_id, parser)
    except EssayParseError:
        return {"rest": text}
    return {"essay": essay, "rest": text.replace(essay, "\n", 1)}


def _found(settings: Settings, experiment_id: str, hits: Sequence[Hit]) -> list[FoundText]:
    rows: dict[tuple[Stage, str], Mapping[str, Any]] = {}
    stages: tuple[Stage, ...] = ("generation", "evaluation")
    for stage in stages:
        ids = {hit.key.cell_id for hit in hits if _stage(hit.key) == stage}
        read = read_responses(engine_for(settings), stage, ids) if ids else []
        rows |= {(stage, row[f"{stage}_task_id"]): row for row in read}
    concepts = concept_names(settings, experiment_id, {row["combo_id"] for row in rows.values()})
    found = []
    for hit in hits:
        stage = _stage(hit.key)
        answer = rows.get((stage, hit.key.cell_id))
        if answer is None:
            # It was deleted between the two looks.
            continue
        names = concepts.get(answer["combo_id"], answer["combo_id"])
        found.append(FoundText(stage, hit.key.cell_id, hit.part, snippet_pieces(hit.snippet), answer, names))
    return found


def _stage(key: DocumentKey) -> Stage:
    return "generation" if key.kind in ("answer", "generation_prompt") else "evaluation"
