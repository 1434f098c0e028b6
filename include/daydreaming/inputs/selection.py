"""Which rows a run uses: those named in the parameters, else all that are active."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from daydreaming.inputs.tables import RowT, Table
from daydreaming.inputs.wording import MOST_TOLD, did_you_mean, listed, show


def select(
    table: Table[RowT] | None,
    named: Sequence[str],
    default: Collection[str],
    parameter: str,
    problems: list[str],
) -> list[str]:
    """IDs of the selected rows in the order of the file; IDs of rows with problems are left out.

    Args:
        table: None where it could not be read (said already).
        named: IDs in the parameter; empty for ``default``.
        default: IDs of the active rows.
        parameter: Name of the parameter, for messages.
        problems: What is wrong is appended.
    """
    if table is None:
        return []
    unknown = [name for name in named if name not in table.ids]
    for name in unknown[:MOST_TOLD]:
        hint, there = did_you_mean(name, table.ids), listed(sorted(table.ids), name)
        problems.append(f"{parameter}: {show(name)} is not in {table.label}.{hint} It has {there}.")
    if len(unknown) > MOST_TOLD:
        problems.append(
            f"{parameter}: {len(unknown) - MOST_TOLD:,} more names are not in {table.label}. Correct them."
        )
    if not named and not default and set(table.rows) == set(table.ids):
        problems.append(
            f"{parameter}: no row of {table.label} is active. Activate one, or name it in {parameter}."
        )
    wanted = set(named or default)
    return [row_id for row_id in table.rows if row_id in wanted]
