"""A data folder of the Dagster original, read whole but for its answers. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from daydreaming.design.combinations import Combination
from daydreaming.inputs.legacy_combos import read_legacy_combos
from daydreaming.inputs.legacy_concepts import read_legacy_concepts
from daydreaming.inputs.legacy_layout import LegacyLayout, Unplaced, find_layout
from daydreaming.inputs.legacy_models import LegacyModel, read_legacy_models
from daydreaming.inputs.legacy_tasks import LegacyTasks, read_legacy_tasks
from daydreaming.inputs.legacy_templates import LegacyTemplate, read_legacy_templates
from daydreaming.inputs.records import Concept, Stage


@dataclass(frozen=True)
class LegacyFolder:
    """Everything that the folder says, typed.

    Attributes:
        templates: By stage and ID.
        combinations: By ID; of many old ones nothing is known.
        problems: What cannot be read, and files whose shape is not known.
    """

    layout: LegacyLayout
    models: tuple[LegacyModel, ...]
    templates: Mapping[Stage, Mapping[str, LegacyTemplate]]
    concepts: Mapping[str, Concept]
    combinations: Mapping[str, Combination]
    tasks: LegacyTasks
    problems: tuple[Unplaced, ...]


def read_legacy(root: Path) -> LegacyFolder:
    """Read a data folder of the original; answers are only listed.

    Raises:
        InputError: No such folder, or nothing of the original in it.
    """
    layout = find_layout(root)
    problems = list(layout.strangers)
    return LegacyFolder(
        layout=layout,
        models=read_legacy_models(layout, problems),
        templates={
            "generation": read_legacy_templates(layout, "generation", problems),
            "evaluation": read_legacy_templates(layout, "evaluation", problems),
        },
        concepts=read_legacy_concepts(layout, problems),
        combinations=read_legacy_combos(layout, problems),
        tasks=read_legacy_tasks(layout, problems),
        problems=tuple(problems),
    )
