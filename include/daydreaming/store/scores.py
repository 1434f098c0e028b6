"""Readings of verdicts: one for each parser and scale that a verdict was read with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from daydreaming.parsing.score import PARSER_VERSIONS
from daydreaming.store.id_chunks import id_chunks

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: (evaluation ID, parser, scale): what a reading goes by.
ScoreKey = tuple[str, str, str]


def score_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The reading in a row of ``evaluations``, as a row of ``scores``."""
    return {
        "evaluation_task_id": row["evaluation_task_id"],
        "parser": row["parser"],
        "scale": scale_text(row["score_min"], row["score_max"]),
        # A parser that this release does not have any more read it in some version of its own.
        "parser_version": PARSER_VERSIONS.get(row["parser"], 0),
        "score": row["score"],
        "error": row["score_error"],
    }


def scale_text(minimum: float, maximum: float) -> str:
    """A scale as ``scores`` names it, such as ``0-10``."""
    return f"{minimum:g}-{maximum:g}"


def score_key(row: Mapping[str, Any]) -> ScoreKey:
    """What a row of ``scores`` goes by."""
    return row["evaluation_task_id"], row["parser"], row["scale"]


def replace_scores(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the readings of verdicts that landed; those of verdicts that were there before them go.

    Args:
        connection: Within a transaction.
        rows: Of ``evaluations``.
    """
    from daydreaming.store.schema import Score
    from daydreaming.store.upsert import upsert

    by_id = {row["evaluation_task_id"]: row for row in rows}
    delete_scores(connection, by_id)
    upsert(connection, Score, [score_row(row) for row in by_id.values()])


def delete_scores(connection: Connection, evaluation_ids: Iterable[str]) -> None:
    """Remove all readings of verdicts, those that experiments have of their own too."""
    from sqlalchemy import delete

    from daydreaming.store.own_readings import delete_own_readings
    from daydreaming.store.schema import Score

    listed = list(evaluation_ids)
    delete_own_readings(connection, listed)
    for chunk in id_chunks(listed):
        connection.execute(delete(Score).where(Score.evaluation_task_id.in_(chunk)))


def read_scores(engine: Engine, evaluation_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Every reading of some verdicts, by evaluation ID."""
    from sqlalchemy import select

    from daydreaming.store.schema import Score

    query = select(Score.__table__).order_by(Score.evaluation_task_id, Score.parser, Score.scale)
    with engine.connect() as connection:
        return [
            dict(row)
            for chunk in id_chunks(evaluation_ids)
            for row in connection.execute(query.where(Score.evaluation_task_id.in_(chunk))).mappings()
        ]


def change_scores(
    engine: Engine, changed: Sequence[Mapping[str, Any]], superfluous: Iterable[ScoreKey]
) -> None:
    """Write readings that are new or differ, and remove those that no scoring asks for.

    Args:
        engine: Whose transactions take the write lock (``database.writing_engine``).
        changed: Rows of ``scores``.
        superfluous: Keys of rows that go.
    """
    from sqlalchemy import bindparam, delete

    from daydreaming.store.schema import Score
    from daydreaming.store.upsert import upsert

    gone = [dict(zip(("evaluation", "read_by", "on"), key, strict=True)) for key in superfluous]
    if not changed and not gone:
        return
    one = (
        Score.evaluation_task_id == bindparam("evaluation"),
        Score.parser == bindparam("read_by"),
        Score.scale == bindparam("on"),
    )
    with engine.begin() as connection:
        upsert(connection, Score, changed)
        if gone:
            connection.execute(delete(Score).where(*one), gone)
