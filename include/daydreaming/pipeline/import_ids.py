"""From the original's IDs to ours. PURE.

An ID that ours may be stays as it is, so that artifacts of both join. Only a model's may be another:
the original wrote the provider's name, with slash and colon, into IDs for a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from daydreaming.design.ids import id_problem
from daydreaming.errors import DaydreamingError
from daydreaming.inputs.legacy_models import LegacyModel

_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9._-]")
_SLASH = "--"
_OTHER = "-"


class PlacingError(DaydreamingError):
    """One file cannot be placed; the message says why and what to do."""


@dataclass(frozen=True)
class ModelId:
    """A model's ID in the original and with us.

    Attributes:
        why: The rule that made ours, for the report.
    """

    legacy: str
    ours: str
    why: str


@dataclass(frozen=True)
class ModelIds:
    """Gives each model of the original an ID that ours may be.

    Attributes:
        spellings: Every model ID that the original may have used.
        legacy: Its models.
        ours: Provider's name by ID in our own ``llm_models.csv``.
    """

    spellings: frozenset[str]
    legacy: tuple[LegacyModel, ...]
    ours: Mapping[str, str]

    def our_id(self, spelling: str) -> ModelId:
        """Our ID of the model that the original calls ``spelling``.

        Raises:
            PlacingError: There is none, or another model would have the same.
        """
        found = self._map(spelling)
        problem = id_problem(found.ours)
        if problem:
            raise PlacingError(f"model ID {problem}; got {spelling!r}. Rename it in the folder.")
        if found.ours == _replaced(spelling) != spelling:
            others = sorted(s for s in self.spellings if s != spelling and self._map(s).ours == found.ours)
            if others:
                raise PlacingError(
                    f"the models {spelling!r} and {others[0]!r} would both become {found.ours!r}. "
                    "Give one of them an id in the folder's llm_models.csv."
                )
        return found

    def _map(self, spelling: str) -> ModelId:
        if not _NOT_ALLOWED.search(spelling):
            return ModelId(spelling, spelling, "unchanged")
        tables = (
            ("the folder's llm_models.csv", _ids_of(spelling, ((m.id, m.name) for m in self.legacy))),
            ("our llm_models.csv", _ids_of(spelling, self.ours.items())),
        )
        for table, ids in tables:
            if len(ids) == 1:
                return ModelId(spelling, ids[0], f"the id of this model in {table}")
        return ModelId(spelling, _replaced(spelling), "slash became --, other characters -")


def _ids_of(name: str, models: Iterable[tuple[str, str]]) -> list[str]:
    """IDs that ours may be of the models that the provider calls ``name``."""
    return sorted({model_id for model_id, known in models if known == name and not id_problem(model_id)})


def _replaced(spelling: str) -> str:
    return _NOT_ALLOWED.sub(_OTHER, spelling.replace("/", _SLASH))
