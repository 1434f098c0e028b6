"""What concepts and combinations are called."""

from __future__ import annotations

from daydreaming.design.combinations import Combination
from daydreaming.pipeline.concept_names import combination_labels, concept_names, names_by_concept
from daydreaming.pipeline.frozen import inputs_of_experiment
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import combinations_of_experiment
from tests.support.experiments import edit_input, planned_run


def test_combinations_are_told_apart_by_level_only_where_they_must() -> None:
    listed = [
        Combination("a", ("x", "y"), "paragraph", 2),
        Combination("b", ("x", "y"), "article", 2),
        Combination("c", ("y", "z"), "article", 2),
    ]
    labels = combination_labels(listed, {"x": "An X"})
    assert labels == {"a": "An X + y (paragraph)", "b": "An X + y (article)", "c": "y + z"}


def test_a_concept_has_the_name_that_the_latest_run_froze(settings: Settings) -> None:
    planned_run(settings)
    edit_input(
        settings.inputs_root, "01_raw/concepts/concepts_metadata.csv", "Economic moat", "Moat around a firm"
    )
    planned_run(settings, "run-2")
    assert names_by_concept(inputs_of_experiment(settings, "demo"))["moat"] == "Moat around a firm"
    [combination] = combinations_of_experiment(engine_for(settings), "demo")
    named = concept_names(settings, "demo", [combination.combo_id, "other"])
    assert named == {combination.combo_id: "Moat around a firm + Combinatorial search"}
