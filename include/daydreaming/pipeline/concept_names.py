"""What concepts and combinations are called for people: by the names that an experiment's runs froze."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from daydreaming.design.combinations import Combination
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.frozen import inputs_of_experiment
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.essay_queries import read_concept_ids


def concept_names(settings: Settings, experiment_id: str, combo_ids: Iterable[str]) -> dict[str, str]:
    """Names of the concepts of combinations, in one text each; IDs where a name cannot be read."""
    names = names_by_concept(inputs_of_experiment(settings, experiment_id))
    found = read_concept_ids(engine_for(settings), combo_ids)
    return {combo_id: joined_names(concept_ids, names) for combo_id, concept_ids in found.items()}


def names_by_concept(inputs: Sequence[Inputs]) -> dict[str, str]:
    """Names by concept ID, those of the newest inputs first. PURE.

    Args:
        inputs: The newest first.
    """
    return {concept.concept_id: concept.name for one in reversed(inputs) for concept in one.concepts}


def joined_names(concept_ids: Iterable[str], names: Mapping[str, str]) -> str:
    """Concepts in one text; IDs where there is no name. PURE."""
    return " + ".join(names.get(concept_id, concept_id) for concept_id in concept_ids)


def combination_labels(combinations: Iterable[Combination], names: Mapping[str, str]) -> dict[str, str]:
    """Concepts by ``combo_id``; with the description level where that alone tells two apart. PURE."""
    listed = list(combinations)
    labels = [joined_names(c.concept_ids, names) for c in listed]
    times = Counter(labels)
    return {
        c.combo_id: label if times[label] == 1 else f"{label} ({c.description_level})"
        for c, label in zip(listed, labels, strict=True)
    }
