"""Whether a combination of the original is the one that this data root knows by its ID."""

from __future__ import annotations

from collections.abc import Collection

from daydreaming.design.combinations import Combination
from daydreaming.design.ids import COMBO_PREFIX
from daydreaming.inputs.legacy_combos import UNKNOWN_LEVEL
from daydreaming.pipeline.import_ids import PlacingError
from daydreaming.settings import Settings
from daydreaming.store.combo_mappings import read_combo_mappings
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.imports import generations_by_combination, read_combinations


def known_combinations(settings: Settings) -> dict[str, Combination]:
    """What this data root knows, by ID; makes no database.

    Raises:
        StoreError: ``combo_mappings.csv`` cannot be read.
    """
    known = {i: c for i, c in _stored(settings).items() if c.concept_ids}
    mappings = read_combo_mappings(DataRoot(settings.data_root).combo_mappings())
    for combo_id, (concepts, level, k_max) in mappings.items():
        known[combo_id] = Combination(combo_id, tuple(sorted(concepts)), level, k_max)
    return known


def unexplained_answers(settings: Settings, known: Collection[str]) -> dict[str, set[str]]:
    """Generations of which nobody says what their numbered combination stands for; makes no database.

    Args:
        settings: The deployment's settings.
        known: IDs of combinations that this data root knows.

    Returns:
        Their IDs by that of the combination.
    """
    if not _has_table(settings, "generations"):
        return {}
    return {
        combo_id: ids
        for combo_id, ids in generations_by_combination(engine_for(settings)).items()
        if combo_id not in known and not combo_id.startswith(COMBO_PREFIX)
    }


def _stored(settings: Settings) -> dict[str, Combination]:
    return read_combinations(engine_for(settings)) if _has_table(settings, "combinations") else {}


def _has_table(settings: Settings, name: str) -> bool:
    from sqlalchemy import inspect

    if not settings.results_conn and not (settings.data_root / SQLITE_NAME).exists():
        return False
    return inspect(engine_for(settings)).has_table(name)


def check_unexplained(combo_id: str, elsewhere: Collection[str]) -> None:
    """Refuse a numbered combination that may be another one than that of answers which are here.

    Args:
        combo_id: The ID.
        elsewhere: IDs of the ``unexplained_answers`` of it that the folder does not hold.

    Raises:
        PlacingError: There are any.
    """
    if elsewhere:
        raise PlacingError(
            f"{combo_id} is a number, which every plan of the original counted anew. This data root has "
            f"answers of it that the folder does not hold ({len(elsewhere)}, first {min(elsewhere)}), and "
            "does not know what it stands for in them. If one plan made both, import them in one folder; "
            "else import into another data root."
        )


def check_combination(combo_id: str, theirs: Combination | None, ours: Combination | None) -> None:
    """Refuse an ID that stands for another combination here.

    Args:
        combo_id: The ID.
        theirs: What the folder says of it; None for nothing.
        ours: What this data root says of it.

    Raises:
        PlacingError: They differ; or the ID is a mere number (``combo_001``), which every plan of the
            original counted anew, and only one side says what it stands for.
    """
    if ours is None:
        return
    if theirs is None:
        if combo_id.startswith(COMBO_PREFIX):
            return
        raise PlacingError(
            f"{combo_id} stands for {_show(ours)} in this data root, and the folder does not say what it "
            "stands for there. Add its combo_mappings.csv, or import into another data root."
        )
    levels = {(c.description_level, c.k_max) for c in (theirs, ours) if c.description_level != UNKNOWN_LEVEL}
    if set(theirs.concept_ids) != set(ours.concept_ids) or len(levels) > 1:
        raise PlacingError(
            f"{combo_id} stands for {_show(theirs)} in the folder, and for {_show(ours)} in this data root. "
            "Import into another data root."
        )


def combination_to_record(combo_id: str, theirs: Combination | None, ours: Combination | None) -> Combination:
    """Of two accounts that do not contradict each other the one that says more; without concepts if none."""
    if theirs is None or (ours is not None and theirs.description_level == UNKNOWN_LEVEL):
        return ours or Combination(combo_id, (), UNKNOWN_LEVEL, 0)
    return theirs


def _show(combination: Combination) -> str:
    level = combination.description_level or "level not known"
    return f"{'+'.join(combination.concept_ids)} ({level}, k_max {combination.k_max})"
