"""Runs that only judge: over stored essays, whatever became of what they were made with."""

from __future__ import annotations

import csv
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daydreaming.errors import (
    DaydreamingError,
    InputError,
    MissingResponseError,
    StaleResponseError,
    StoreError,
)
from daydreaming.pipeline.budgets import read_caps
from daydreaming.pipeline.call import build_request, open_call, settle_stored
from daydreaming.pipeline.completeness import count_run, describe
from daydreaming.pipeline.estimate import estimate_plan, estimate_run
from daydreaming.pipeline.nightly import nightly_triggers
from daydreaming.pipeline.plan import plan_evaluations, plan_generations, read_inputs, set_cap, start_run
from daydreaming.pipeline.rejudge import essays_of_inputs, essays_of_run
from daydreaming.pipeline.run_tables import complete_run, is_planned
from daydreaming.pipeline.status import experiment_status
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.plans import PlannedCell, RunRecord, cells_of_run, runs_of_plan
from tests.support.experiments import (
    NOW,
    answer_all,
    answer_call,
    edit_input,
    make_settings,
    planned_run,
    tree_of,
)

LATER = NOW + timedelta(hours=1)
TEMPLATES = "01_raw/evaluation_templates.csv"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose four essays were judged by two rubrics and two judges, to be copied."""
    path = tmp_path_factory.mktemp("judged")
    settings = make_settings(path)
    planned_run(settings, evaluation_temperature=0.3)
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")
    for engine in (engine_for(settings), writing_engine(settings)):
        engine.dispose()
    return path


@pytest.fixture
def finished(settings: Settings, tmp_path: Path, judged: Path) -> Settings:
    """A run whose four essays were judged by two rubrics and two judges, and a third rubric since."""
    shutil.copytree(judged, tmp_path, dirs_exist_ok=True)
    # SQLite's own files are there from the first reader on.
    assert _cells(settings, "run-1")
    _add_rubric(settings)
    return settings


def _add_rubric(settings: Settings) -> None:
    text = (settings.inputs_root / TEMPLATES).read_text()
    texts = {TEMPLATES: f"{text}fresh,Fresh,,false,strict,0,9\n"}
    texts["01_raw/evaluation_templates/fresh.txt"] = "Is it new?\n{{ response }}\nSCORE: ?\n"
    for name, content in texts.items():
        (settings.inputs_root / name).write_text(content)


def _rejudge(settings: Settings, run_id: str = "run-2", **overrides: Any) -> RunRecord:
    given = {"experiment_id": "demo", "rejudge": True, "evaluation_templates": ["fresh"], **overrides}
    run = start_run(settings, given, run_id, LATER)
    # As Airflow does: in any order, each as often as it is cleared.
    evaluations = plan_evaluations(settings, run_id, max_instances=1000)
    assert plan_generations(settings, run_id, now=LATER, max_instances=1000) == []
    assert plan_evaluations(settings, run_id, max_instances=1000) == evaluations
    return run


def _cells(settings: Settings, run_id: str = "run-2") -> list[PlannedCell]:
    return cells_of_run(engine_for(settings), run_id, "evaluation")


def _generation(settings: Settings, index: int) -> PlannedCell:
    return open_call(settings, "run-1", "generation", index).cell


def _scores(settings: Settings) -> list[dict[str, str]]:
    path = settings.data_root / "05_parsing/demo/parsed_scores.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _answers(settings: Settings) -> dict[str, bytes | None]:
    folders = ("03_generation/generation_responses", "03_generation/parsed", "04_evaluation/evaluation_resp")
    return {name: data for name, data in tree_of(settings.data_root).items() if name.startswith(folders)}


def test_the_plan_has_a_verdict_per_essay_rubric_and_judge_and_no_generation(finished: Settings):
    run = _rejudge(finished)
    cells = _cells(finished)
    assert cells_of_run(engine_for(finished), "run-2", "generation") == []
    assert [cell.map_index for cell in cells] == list(range(8))
    assert {cell.generation_task_id for cell in cells} == {_generation(finished, i).cell_id for i in range(4)}
    assert {(cell.evaluation_template, cell.evaluation_model, cell.pool) for cell in cells} == {
        ("fresh", "free", "llm_free"),
        ("fresh", "judge", "llm_paid"),
    }
    assert (run.experiment_id, is_planned(finished, "run-2")) == ("demo", True)


def test_old_and_new_verdicts_stand_in_the_tables_together(finished: Settings):
    before, answers = _scores(finished), _answers(finished)
    _rejudge(finished)
    answer_all(finished, "run-2")
    assert complete_run(finished, "run-2") == "evaluations: 8 of 8 answered"
    scores = _scores(finished)
    assert [row for row in scores if row["evaluation_template"] != "fresh"] == before
    assert sum(bool(row["score"]) for row in scores if row["evaluation_template"] == "fresh") == 8
    assert answers.items() <= _answers(finished).items()
    planned = {
        (row.stage, row.model): (row.planned, row.answered) for row in experiment_status(finished, "demo")
    }
    assert planned["generation", "free"] == (2, 2)
    assert planned["evaluation", "judge"] == (12, 12)


def test_what_is_not_given_is_as_in_the_latest_run_that_generated(finished: Settings):
    planned_run(finished, "run-0", now=NOW - timedelta(hours=1), evaluation_temperature=0.9)
    _rejudge(finished, evaluation_models=["judge"])
    params = _rejudge(finished, "run-3", evaluation_templates=[]).params
    assert (params["evaluation_temperature"], params["k_max"], params["concepts"]) == (
        0.3,
        2,
        ["search", "moat"],
    )
    # Not as in the rejudge before it.
    assert (params["evaluation_templates"], params["evaluation_models"]) == ([], [])


def test_a_cap_that_was_raised_since_stays(settings: Settings):
    planned_run(settings, max_cost_usd=5.0, dry_run=True)
    answer_all(settings, "run-1")
    set_cap(settings, "demo", 9.0)
    params = _rejudge(settings, evaluation_templates=["rigor"]).params
    assert (params["max_cost_usd"], params["dry_run"]) == (None, False)
    assert [cap.nanousd for cap in read_caps(settings, "demo", LATER)] == [9_000_000_000]


def test_verdicts_that_are_there_are_not_asked_for_again(finished: Settings):
    _rejudge(finished, evaluation_templates=["fresh", "rigor", "style"])
    calls = [open_call(finished, "run-2", "evaluation", cell.map_index) for cell in _cells(finished)]
    settled = {call.cell.evaluation_template: settle_stored(call, build_request(call)) for call in calls}
    assert settled == {"fresh": False, "rigor": True, "style": True}
    counts = count_run(finished, "run-2").evaluation
    assert (counts.planned, counts.answered) == (24, 16)


def test_a_replicate_adds_its_own_verdicts_only(finished: Settings):
    _rejudge(finished, evaluation_templates=["rigor"], evaluation_replicates=3)
    estimate = estimate_run(finished, "run-2")
    assert (estimate.evaluations, estimate.answered("evaluation"), estimate.new_calls) == (24, 8, 16)


def test_an_essay_without_response_is_left_out_and_reported(finished: Settings):
    gone, none = _generation(finished, 0), _generation(finished, 2)
    files = open_call(finished, "run-1", "generation", 0).files
    files.response("generation", gone.cell_id).unlink()
    files.response("generation", none.cell_id).write_text("No essay tag.")
    files.essay(none.cell_id).unlink()

    run = _rejudge(finished)

    assert {c.generation_task_id for c in _cells(finished)} == {
        _generation(finished, i).cell_id for i in (1, 3)
    }
    assert essays_of_run(finished, run).left_out == {
        gone.cell_id: "no response",
        none.cell_id: "no essay found in the response",
    }
    lines = estimate_run(finished, "run-2").lines()
    assert "Nothing is generated: 2 stored essays are judged" in lines
    assert f"Left out, no response: 1 generations ({gone.cell_id})" in lines
    assert f"Left out, no essay found in the response: 1 generations ({none.cell_id})" in lines


def test_the_list_of_essays_is_fixed_with_the_plan(finished: Settings):
    run = _rejudge(finished)
    chosen = essays_of_run(finished, run)
    call = open_call(finished, "run-2", "evaluation", 0)
    call.files.response("generation", call.cell.generation_task_id).unlink()
    assert essays_of_run(finished, run) == chosen
    assert plan_evaluations(finished, "run-2", max_instances=1000) == list(range(8))
    with pytest.raises(MissingResponseError, match=r"has no response.*This run generates nothing"):
        build_request(call)
    # It costs nothing, and so it is not in the estimate.
    assert estimate_run(finished, "run-2").evaluations == 6


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("01_raw/generation_templates/essay.txt", "{{ c.name }}", "Say {{ c.name }}"),
        ("01_raw/generation_templates/essay.txt", "{% for", "{% broken"),
        ("01_raw/generation_templates.csv", "true,whole", "true,xml_tags"),
        ("01_raw/generation_templates.csv", "essay,Essay", "essay-2,Essay"),
        ("01_raw/concepts/concepts_metadata.csv", "moat,Economic moat,true", "moat,Ditch,false"),
        ("01_raw/llm_models.csv", "prov/paid,openrouter,Paid,true", "prov/paid-2,openrouter,Paid,false"),
    ],
)
def test_an_edit_of_what_generations_are_made_with_is_no_matter(finished: Settings, name, old, new):
    answers = _answers(finished)
    edit_input(finished.inputs_root, name, old, new)
    _rejudge(finished)
    prompts = [build_request(open_call(finished, "run-2", "evaluation", i)).prompt for i in range(8)]
    assert all("Moats meet search." in prompt for prompt in prompts)
    answer_all(finished, "run-2")
    assert complete_run(finished, "run-2") == "evaluations: 8 of 8 answered"
    assert answers.items() <= _answers(finished).items()


def test_a_newer_run_that_finds_the_essays_stale_is_no_matter_either(finished: Settings):
    edit_input(
        finished.inputs_root, "01_raw/generation_templates/essay.txt", "{{ c.name }}", "Say {{ c.name }}"
    )
    planned_run(finished, "run-1b", now=NOW + timedelta(minutes=1))
    call = open_call(finished, "run-1b", "generation", 0)
    with pytest.raises(StaleResponseError, match="is stale"):
        settle_stored(call, build_request(call))
    _rejudge(finished)
    assert len(_cells(finished)) == 8
    assert "Moats meet search." in build_request(open_call(finished, "run-2", "evaluation", 0)).prompt


def test_an_edited_rubric_is_stale_as_in_any_run(finished: Settings):
    edit_input(finished.inputs_root, "01_raw/evaluation_templates/rigor.txt", "Judge:", "Weigh:")
    _rejudge(finished, evaluation_templates=["rigor"])
    call = open_call(finished, "run-2", "evaluation", 0)
    with pytest.raises(StaleResponseError, match="is stale"):
        settle_stored(call, build_request(call))


def test_an_essay_is_sent_as_its_file_has_it_and_cut_anew_where_that_is_gone(finished: Settings):
    _rejudge(finished)
    call = open_call(finished, "run-2", "evaluation", 0)
    first = build_request(call)
    path = call.files.essay(call.cell.generation_task_id)
    path.unlink()
    assert build_request(call) == first
    path.write_text("Kept from elsewhere.")
    assert "Kept from elsewhere." in build_request(call).prompt


def test_the_estimate_is_of_the_new_verdicts_alone(finished: Settings):
    given = {"experiment_id": "demo", "rejudge": True, "evaluation_templates": ["fresh", "rigor"]}
    before = tree_of(finished.data_root)
    said = estimate_plan(finished, read_inputs(finished, given))
    assert tree_of(finished.data_root).keys() == before.keys()
    _rejudge(finished, evaluation_templates=["fresh", "rigor"])
    estimate = estimate_run(finished, "run-2")
    assert (estimate.combinations, estimate.generations, estimate.evaluations) == (1, 0, 16)
    assert {m.stage for m in estimate.models} == {"evaluation"}
    assert {m.model: m.new for m in estimate.models} == {"free": 4, "judge": 4}
    assert estimate.expected_nanousd is not None
    assert 0 < estimate.expected_nanousd <= (estimate.worst_nanousd or 0)
    assert (said.models, said.notes) == (estimate.models, estimate.notes)


def test_with_archive_the_estimate_counts_verdicts_that_would_be_replaced(finished: Settings):
    edit_input(finished.inputs_root, "01_raw/evaluation_templates/rigor.txt", "Judge:", "Weigh:")
    edit_input(
        finished.inputs_root, "01_raw/generation_templates/essay.txt", "{{ c.name }}", "Say {{ c.name }}"
    )
    _rejudge(finished, evaluation_templates=["rigor", "style"], on_stale="archive")
    estimate = estimate_run(finished, "run-2")
    assert (estimate.answered("evaluation"), estimate.new_calls) == (8, 8)


def test_a_larger_plan_is_split_into_shards_of_essays(finished: Settings):
    run = _rejudge(finished, shard_size=3)
    shards = runs_of_plan(engine_for(finished), "run-2")
    assert [(s.run_id, s.shard, s.shards) for s in shards] == [
        ("run-2", 1, 2),
        ("run-2~shard-2-of-2", 2, 2),
    ]
    assert [len(_cells(finished, shard.run_id)) for shard in shards] == [6, 2]
    assert essays_of_run(finished, shards[1]) == essays_of_run(finished, run)
    for shard in shards:
        assert plan_generations(finished, shard.run_id, now=LATER, max_instances=1000) == []
        answer_all(finished, shard.run_id)
    assert complete_run(finished, "run-2") == "evaluations: 8 of 8 answered"
    assert len(_scores(finished)) == 24


def test_the_essays_of_shards_are_judged_too(settings: Settings):
    planned_run(settings, shard_size=1)
    for shard in runs_of_plan(engine_for(settings), "run-1"):
        answer_all(settings, shard.run_id)
    _add_rubric(settings)
    _rejudge(settings, shard_size=100)
    assert len(_cells(settings)) == 8


def test_an_incomplete_rejudge_names_what_is_missing(finished: Settings):
    _rejudge(finished)
    answer_call(finished, "run-2", "evaluation", 0)
    assert describe(count_run(finished, "run-2")) == "evaluations: 1 of 8 answered"
    with pytest.raises(StoreError, match="7 of 8 calls have no answer"):
        complete_run(finished, "run-2")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"experiment_id": "demo_"},
            r"Unknown experiment ID 'demo_'\. Did you mean demo\? Experiments that were run: demo\.",
        ),
        ({"experiment_id": None}, "rejudge needs experiment_id"),
        ({"generation_templates": ["essay"]}, "generation_templates says what to generate"),
        ({"k_max": 2, "concepts": ["moat"]}, "(?s)k_max says .*concepts says"),
        (
            {"evaluation_templates": ["freshh"]},
            r"evaluation_templates: 'freshh' is not in .*Did you mean fresh",
        ),
        ({"evaluation_models": ["paid"]}, "evaluation_models"),
        ({"rejudge": "yes"}, "rejudge must be true or false; got 'yes'"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_written(finished: Settings, given, message):
    before = {name for name in tree_of(finished.data_root) if "sqlite" not in name}
    with pytest.raises(InputError, match=message):
        _rejudge(finished, **given)
    assert {name for name in tree_of(finished.data_root) if "sqlite" not in name} == before


def test_a_nightly_rejudge_judges_the_essays_of_the_experiment_that_its_file_names(finished: Settings):
    text = "experiment_id: demo\nrejudge: true\nschedule: nightly\nevaluation_templates: [fresh]\n"
    (finished.inputs_root / "experiments/again.yaml").write_text(text)
    new = []
    for night in (LATER, LATER + timedelta(days=1)):
        triggers, problems = nightly_triggers(finished, night)
        [found] = [trigger for trigger in triggers if trigger["conf"]["experiment"] == "again"]
        assert problems == []
        run_id = found["trigger_run_id"]
        run = start_run(finished, found["conf"], run_id, night)
        assert (run.experiment_id, run.run_id) == ("demo", f"nightly__again_{night.date()}")
        plan_evaluations(finished, run_id, max_instances=1000)
        plan_generations(finished, run_id, now=night, max_instances=1000)
        new.append(estimate_run(finished, run_id).new_calls)
        answer_all(finished, run_id)
    # The second night finds the verdicts of the first.
    assert new == [8, 0]


def test_an_experiment_without_essays_says_why(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 2, "No essay tag.")
    _add_rubric(settings)
    inputs = read_inputs(settings, {"experiment_id": "demo", "rejudge": True})
    message = "no essay to judge .generations: 3 with no response, 1 with no essay found"
    with pytest.raises(InputError, match=message):
        essays_of_inputs(settings, inputs)
    with pytest.raises(DaydreamingError, match=message):
        _rejudge(settings)


def test_a_damaged_list_of_essays_is_named(finished: Settings):
    run = _rejudge(finished)
    path = finished.data_root / "02_tasks/demo/runs/run-2.essays.csv"
    path.write_text("generation_task_id\n")
    with pytest.raises(StoreError, match=r"run-2\.essays\.csv: cannot be read .the columns must be"):
        essays_of_run(finished, run)


def test_a_saved_experiment_may_say_what_to_judge_by(finished: Settings):
    text = "experiment_id: demo\nrejudge: true\nk_max: 3\nevaluation_templates: [fresh]\n"
    (finished.inputs_root / "experiments/again.yaml").write_text(text)
    given = {"experiment": "again", "experiment_id": None, "evaluation_templates": None, "rejudge": None}
    _rejudge(finished, **given)
    assert len(_cells(finished)) == 8
