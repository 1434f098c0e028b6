"""Models: ``llm_models.csv``."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.inputs.selection import select
from daydreaming.inputs.tables import Count, Flag, Id, Price, Table, TableRow, Text, read_table
from daydreaming.inputs.wording import did_you_mean, listed, show

LABEL = "01_raw/llm_models.csv"
#: Levels of lists and objects in ``extra_body``: no provider's options nest so.
_DEEPEST = 50
#: What the request says itself, and what would make it cost more than was reserved.
_NOT_EXTRA = frozenset({"max_completion_tokens", "max_tokens", "messages", "model", "n", "stream"})


def _read_extra_body(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        _check_json(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"must be a JSON object or empty ({error})") from error
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object or empty")  # noqa: TRY004 (Pydantic catches ValueError only)
    if taken := _NOT_EXTRA.intersection(value):
        raise ValueError(
            f"must not set {listed(sorted(taken))}: the experiment sets what is asked and how long an answer "
            "may be, and what a call may cost is reserved by that; remove it"
        )
    return value


def _check_json(value: Any, depth: int = 1) -> None:
    """Refuse what JSON can say and files, hashes or providers cannot take."""
    if depth > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} levels")
    if isinstance(value, dict):
        for name, item in value.items():
            _check_json(name, depth)
            _check_json(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_json(item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number too large")
    elif isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("half a surrogate pair")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class ModelRow(TableRow):
    """A row of ``llm_models.csv``; a file without the column ``active`` has only active models."""

    id: Id
    model: Text
    provider: str
    display_name: str
    for_generation: Flag
    for_evaluation: Flag
    specialization: str
    conn_id: Text
    pool: Text
    rpm: Count
    tpm: Count
    rpd: Count
    usd_per_1m_input: Price
    usd_per_1m_output: Price
    extra_body: Annotated[dict[str, Any], BeforeValidator(_read_extra_body)]
    active: Flag = True

    def serves(self, stage: Stage) -> bool:
        """Whether the model may be used in a stage."""
        return self.for_generation if stage == "generation" else self.for_evaluation


def read_models(root: Path, pools: Collection[str] | None, problems: list[str]) -> Table[ModelRow] | None:
    """The table of models.

    Args:
        root: Inputs root.
        pools: Pools that exist; None where that is not known.
        problems: What is wrong is appended, one line each.
    """
    table = read_table(root / LABEL, LABEL, ModelRow, problems)
    if table is not None and pools is not None:
        for model_id, row in table.rows.items():
            if row.pool not in pools:
                problems.append(
                    f"{LABEL}, row {table.numbers[model_id]}: there is no pool {show(row.pool)}."
                    f"{did_you_mean(row.pool, pools)} Pools: {listed(sorted(pools))}. "
                    "Correct it, or add the pool to DAYDREAMING_POOLS."
                )
    return table


def select_models(
    table: Table[ModelRow] | None, stage: Stage, named: Sequence[str], problems: list[str]
) -> list[LLMModel]:
    """The selected models of a stage, in the order of the file."""
    if table is None:
        return []
    for model_id in named:
        row = table.rows.get(model_id)
        if row is not None and not row.serves(stage):
            place = f"{LABEL}, row {table.numbers[model_id]}"
            problems.append(
                f"{stage}_models: {model_id!r} has for_{stage} false in {place}. "
                "Set it to true, or name another model."
            )
    default = [model_id for model_id, row in table.rows.items() if row.active and row.serves(stage)]
    selected = select(table, named, default, f"{stage}_models", problems)
    return [LLMModel(**table.rows[model_id].model_dump(exclude={"active"})) for model_id in selected]
