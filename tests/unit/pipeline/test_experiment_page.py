from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.pipeline.experiment_page import experiment_of_run, read_head
from daydreaming.pipeline.import_legacy import import_legacy
from daydreaming.pipeline.question import set_question
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.design_queries import read_crossings
from tests.support.experiments import NOW, planned_run
from tests.support.legacy_folder import make_legacy_folder


def head(settings: Settings, experiment_id: str = "demo"):
    return read_head(settings, experiment_id, read_crossings(engine_for(settings), experiment_id))


def test_the_design_is_what_all_runs_planned(settings: Settings) -> None:
    planned_run(settings)
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), generation_replicates=2)
    set_question(settings, "demo", "Do moats matter?")
    found = head(settings)
    assert found.question == "Do moats matter?"
    assert found.sentence.startswith(
        "1 combination of 2 out of 2 concepts (paragraph texts), written up by 2"
    )
    assert "2 times each: 8 essays" in found.sentence
    assert [level.name for level in found.design.concepts] == ["Economic moat", "Combinatorial search"]
    assert [level.id for level in found.design.evaluation_models] == ["free", "judge"]
    assert (found.created_at, found.updated_at) == (NOW, NOW + timedelta(hours=1))
    assert (found.last_run_id, found.runs) == ("run-2", 2)


def test_shards_are_no_runs_of_their_own(settings: Settings) -> None:
    planned_run(settings, "run-1", generation_replicates=2, shard_size=2)
    assert (head(settings).last_run_id, head(settings).runs) == ("run-1", 1)
    assert experiment_of_run(settings, "run-1~shard-2-of-4") == "demo"


def test_an_imported_level_that_nobody_knows_is_left_out(settings: Settings, tmp_path: Path) -> None:
    import_legacy(settings, make_legacy_folder(tmp_path), now=NOW)
    found = head(settings, "legacy")
    assert "" not in found.design.description_levels
    assert "( or" not in found.sentence


@pytest.mark.parametrize("run_id", ["run-2", "", "run-1%"])
def test_a_run_that_nobody_knows_has_no_experiment(settings: Settings, run_id: str) -> None:
    assert experiment_of_run(settings, run_id) is None
    assert not settings.data_root.exists()
    planned_run(settings)
    assert experiment_of_run(settings, run_id) is None
    assert experiment_of_run(settings, "run-1") == "demo"
