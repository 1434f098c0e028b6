"""Map over indices without asking for them.

``expand`` hands each instance its element of the mapped list. Airflow's SDK reads the whole list from
the API server for that, in every instance. Our lists are ``[0, 1, 2, …]``: an instance's element is its
map index, which it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk.definitions.xcom_arg import PlainXComArg

if TYPE_CHECKING:
    from airflow.sdk import XComArg


class OwnIndices(PlainXComArg):
    """An upstream task's list of indices; the scheduler maps over its length like over any other."""

    def resolve(self, context: Mapping[str, Any]) -> range:
        """What an instance sees of the list: as far as its own element."""
        return range(context["ti"].map_index + 1)


def own_indices(indices: XComArg) -> OwnIndices:
    """``indices``, which are ``[0, 1, 2, …]``, for ``expand``."""
    plain = cast("PlainXComArg", indices)
    return OwnIndices(operator=plain.operator, key=plain.key)
