"""Models of the Dagster original: ``llm_models.csv``, or one table per stage before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced
from daydreaming.inputs.legacy_tables import read_legacy_rows

_TABLES = ("llm_models.csv", "generation_models.csv", "evaluation_models.csv")


@dataclass(frozen=True)
class LegacyModel:
    """A model as the original knows it; '' for what its table does not say.

    Attributes:
        id: ``id`` of ``llm_models.csv``.
        name: The provider's name, such as ``deepseek/deepseek-r1:free``.
        short: ``model_short`` of the older tables.
    """

    id: str
    name: str
    short: str
    provider: str
    display_name: str

    @property
    def spellings(self) -> frozenset[str]:
        """What the original may have written into IDs for this model."""
        # For a time file names had the provider's name with / and : replaced.
        safe = self.name.replace("/", "__").replace(":", "_")
        return frozenset({self.id, self.name, self.short, safe} - {""})

    @property
    def vendor(self) -> str:
        """What stands before the slash in the provider's name; '' without one."""
        vendor, slash, _ = self.name.partition("/")
        return vendor if slash else ""


def read_legacy_models(layout: LegacyLayout, problems: list[Unplaced]) -> tuple[LegacyModel, ...]:
    """All models of all tables, each once, in the order of the tables; what is wrong is appended."""
    rows = (
        row
        for folder in layout.raw
        for table in _TABLES
        for row in read_legacy_rows(layout, folder / table, (), problems)
    )
    models = (_model(row) for row in rows)
    return tuple(dict.fromkeys(model for model in models if model.spellings))


def model_name(spelling: str, models: Iterable[LegacyModel]) -> str:
    """The provider's name of the model that IDs spell so; '' where it is unknown or not the only one."""
    for attribute in ("id", "name", "short", "spellings"):
        names = {model.name for model in models if _is_spelled(model, attribute, spelling)}
        if names:
            return names.pop() if len(names) == 1 else ""
    return ""


def _is_spelled(model: LegacyModel, attribute: str, spelling: str) -> bool:
    value = getattr(model, attribute)
    return bool(spelling in value if isinstance(value, frozenset) else spelling == value)


def _model(row: dict[str, str]) -> LegacyModel:
    return LegacyModel(
        id=row.get("id") or row.get("model_id") or "",
        name=row.get("model") or row.get("model_name") or "",
        short=row.get("model_short", ""),
        provider=row.get("provider", ""),
        display_name=row.get("display_name", ""),
    )
