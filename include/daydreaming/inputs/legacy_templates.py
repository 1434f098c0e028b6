"""Templates of the Dagster original: a CSV per stage and a text file per template."""

from __future__ import annotations

from dataclasses import dataclass, replace

from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced
from daydreaming.inputs.legacy_tables import read_legacy_rows, read_legacy_text
from daydreaming.inputs.records import Stage


@dataclass(frozen=True)
class LegacyTemplate:
    """A template as the original knows it; '' for what it does not say.

    Attributes:
        parser: Of an evaluation template, in the later tables.
        text: The prompt, as it is now: answers may have been made with an earlier one.
    """

    template_id: str
    template_name: str = ""
    description: str = ""
    parser: str = ""
    text: str = ""


def read_legacy_templates(
    layout: LegacyLayout, stage: Stage, problems: list[Unplaced]
) -> dict[str, LegacyTemplate]:
    """Templates by ID: rows of the table, and text files that no row names (any more)."""
    templates: dict[str, LegacyTemplate] = {}
    for folder in layout.raw:
        table = folder / f"{stage}_templates.csv"
        for row in read_legacy_rows(layout, table, ("template_id",), problems):
            if row["template_id"]:
                templates.setdefault(row["template_id"], _template(row))
        for path in sorted((folder / f"{stage}_templates").glob("*.txt")):
            text = read_legacy_text(layout, path, "template", problems)
            template_id = path.name.removesuffix(".txt")
            known = templates.get(template_id, LegacyTemplate(template_id))
            templates[template_id] = replace(known, text=known.text or text or "")
    return templates


def _template(row: dict[str, str]) -> LegacyTemplate:
    return LegacyTemplate(
        template_id=row["template_id"],
        template_name=row.get("template_name", ""),
        description=row.get("description", ""),
        parser=row.get("parser", "").lower(),
    )
