"""Names of combinations and cells. They never change, so that artifacts of years join.

An ID is never split to get its parts back: join on the columns of the task tables.
Source: DESIGN.md, "IDs"; the same rule as the Dagster original.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from daydreaming.errors import DesignError

#: Longest ID. Airflow's instance labels fail beyond it, and file systems at 255 bytes.
MAX_ID_CHARS = 250
COMBO_PREFIX = "combo_v1_"
_COMBO_DIGITS = 12
#: Length of every combination ID made here. Being equal for all, it makes the rest of an ID decide.
COMBO_ID_CHARS = len(COMBO_PREFIX) + _COMBO_DIGITS

_ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
_REPLICATE_ENDING = re.compile(r"_rep[0-9]+\Z")


def id_problem(value: str) -> str | None:
    """What is wrong with an ID of a concept, template or model; None where nothing is."""
    if not _ALLOWED.fullmatch(value):
        return "must be made of letters A-Z a-z, digits, '.', '_' and '-'"
    if _REPLICATE_ENDING.search(value):
        return "must not end in '_rep' and digits (that marks replicates)"
    if len(value) > MAX_ID_CHARS or not value.strip("."):
        return f"must be at most {MAX_ID_CHARS} characters long and not dots alone"
    return None


def check_id(kind: str, value: str) -> None:
    """Refuse an ID that would make the IDs of cells ambiguous or unfit as file names.

    Raises:
        DesignError: Names ``kind`` (such as ``template_id``), the value and the rule.
    """
    problem = id_problem(value)
    if problem:
        raise DesignError(f"{kind} {problem}; got {value!r}. Rename it.")


def combo_id(concept_ids: Iterable[str], description_level: str, k_max: int) -> str:
    """Stable ID of a set of concepts at one level; the order of ``concept_ids`` does not matter."""
    parts = f"{'|'.join(sorted(concept_ids))}|{description_level}|{k_max}"
    digest = hashlib.sha256(parts.encode("utf-8")).hexdigest()
    return COMBO_PREFIX + digest[:_COMBO_DIGITS]


def replicate_suffix(replicate: int) -> str:
    """What a replicate appends to the ID it repeats: nothing for the first."""
    return f"_rep{replicate}" if replicate >= 2 else ""


def generation_task_id(combo: str, template_id: str, model_id: str, replicate: int = 1) -> str:
    """ID of one generation."""
    return f"{combo}_{template_id}_{model_id}{replicate_suffix(replicate)}"


def evaluation_task_id(generation: str, template_id: str, model_id: str, replicate: int = 1) -> str:
    """ID of one evaluation of the generation with ID ``generation``."""
    return f"{generation}_{template_id}_{model_id}{replicate_suffix(replicate)}"
