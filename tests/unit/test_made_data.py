"""The made experiment that benchmarks and browser tests go by is what a run would have left."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from daydreaming.analysis import tables
from daydreaming.pipeline.completeness import count_run
from daydreaming.pipeline.verify import verify
from daydreaming.store.database import engine_for
from daydreaming.store.ledger import experiment_scope, read_budget, read_calls
from daydreaming.store.results import read_responses
from tests.support.experiments import make_settings
from tests.support.made_data import make_experiment
from tests.support.made_design import MadeDesign

_DESIGN = MadeDesign(
    concepts=3,
    k_max=2,
    generation_templates=3,
    generation_models=3,
    generation_replicates=1,
    words=40,
    unscored=0.03,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Settings, and what was made with them."""
    settings = make_settings(tmp_path_factory.mktemp("made"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ANALYSES", {"final_results": tables.ANALYSES["final_results"]})
        experiment = make_experiment(settings, _DESIGN, with_tables=True)
        findings = verify(settings, [experiment.experiment_id]).findings
    return settings, experiment, findings


def test_verify_finds_what_was_put_in_and_nothing_else(made) -> None:
    _, experiment, findings = made
    assert Counter(str(finding.kind) for finding in findings) == {
        "unscored": len(experiment.unscored),
        "essay_not_found": len(experiment.no_essay),
    }
    assert {Path(f.subject).stem for f in findings} == experiment.unscored | experiment.no_essay


def test_the_calls_that_were_to_fail_have_no_answer(made) -> None:
    settings, experiment, _ = made
    without = experiment.failed["generation"] | experiment.no_essay
    counted = count_run(settings, experiment.run_id)
    assert counted.planned == 3 * 3 * 3 * 5
    assert experiment.failed["generation"]
    assert (
        not {r["generation_task_id"] for r in read_responses(engine_for(settings), "generation")}
        & (experiment.failed["generation"])
    )
    verdicts = read_responses(engine_for(settings), "evaluation")
    assert not {row["evaluation_task_id"] for row in verdicts} & experiment.failed["evaluation"]
    assert not {row["generation_task_id"] for row in verdicts} & without


def test_every_attempt_is_settled_and_paid(made) -> None:
    settings, experiment, _ = made
    calls = read_calls(engine_for(settings), experiment.experiment_id)
    assert {call["state"] for call in calls} == {"answered", "failed"}
    _, reserved, spent = read_budget(engine_for(settings), experiment_scope(experiment.experiment_id))
    assert (reserved, spent) == (0, sum(call["cost_nanousd"] for call in calls))
    assert spent > 0


def test_scores_have_the_effects_that_were_put_in(made) -> None:
    settings, _, _ = made
    scores: dict[str, list[float]] = {}
    for row in read_responses(engine_for(settings), "evaluation"):
        if row["score"] is not None:
            scores.setdefault(row["evaluation_model"], []).append(row["score"])
    mean = {judge: sum(values) / len(values) for judge, values in scores.items()}
    assert mean["alder_large"] - mean["judge_strict"] > 0.5
