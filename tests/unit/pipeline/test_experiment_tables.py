from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.analysis.export import format_number
from daydreaming.analysis.tables import ANALYSES
from daydreaming.errors import LLMPermanentError, LLMTransientError, MissingResponseError, StoreError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.cross_tables import write_cross_experiment
from daydreaming.pipeline.plan import start_run
from daydreaming.pipeline.run_tables import (
    complete_run,
    is_planned,
    update_errors,
    update_scores,
    update_summaries,
)
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.results import delete_responses
from tests.support.experiments import NOW, answer_all, answer_call, planned_run, tree_of

TABLES = (
    "05_parsing/demo/parsed_scores.csv",
    "05_parsing/demo/evaluator_agreement_analysis.csv",
    "05_parsing/demo/comprehensive_variance_analysis.csv",
    "06_summary/demo/final_results.csv",
    "06_summary/demo/perfect_score_paths.csv",
    "06_summary/demo/generation_scores_pivot.csv",
    "06_summary/demo/evaluation_model_template_pivot.csv",
    "07_cross_experiment/generation_results.csv",
    "07_cross_experiment/evaluation_results.csv",
    "07_reporting/demo/errors.csv",
)
#: Columns that the Dagster original publishes.
GENERATION_RESULTS = [
    "generation_task_id",
    "combo_id",
    "generation_template",
    "generation_model",
    "generation_status",
    "generation_timestamp",
    "response_file",
    "response_size_bytes",
]
EVALUATION_RESULTS = [
    "evaluation_task_id",
    "generation_task_id",
    "combo_id",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
    "evaluation_status",
    "evaluation_timestamp",
    "eval_response_file",
    "eval_response_size_bytes",
]
PARSED_SCORES = [
    "combo_id",
    "generation_template",
    "generation_model",
    "evaluation_template",
    "evaluation_model",
    "score",
    "error",
    "evaluation_response_path",
]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _header(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()[0].split(",")


def _tables(settings: Settings) -> dict[str, bytes | None]:
    return {name: data for name, data in tree_of(settings.data_root).items() if name.endswith(".csv")}


def _scores(settings: Settings, experiment_id: str = "demo") -> dict[str, dict[str, str]]:
    rows = _rows(settings.data_root / f"05_parsing/{experiment_id}/parsed_scores.csv")
    return {row["evaluation_task_id"]: row for row in rows}


def test_every_planned_evaluation_has_its_row_and_the_right_error(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    no_essay = answer_call(settings, "run-1", "generation", 2, "No essay tag.").cell
    scored = answer_call(settings, "run-1", "evaluation", 0, "SCORE: 7").cell
    unscored = answer_call(settings, "run-1", "evaluation", 1, "Lovely.").cell
    waiting = open_call(settings, "run-1", "evaluation", 2).cell
    no_generation = open_call(settings, "run-1", "evaluation", 4).cell
    blocked = open_call(settings, "run-1", "evaluation", 8).cell
    write_all_tables(settings, "demo")

    rows = _scores(settings)
    assert len(rows) == 16
    assert _header(settings.data_root / TABLES[0])[:8] == PARSED_SCORES
    assert float(rows[scored.cell_id]["score"]) == 7
    assert rows[scored.cell_id]["error"] == ""
    assert rows[scored.cell_id]["evaluation_response_path"] == (
        f"04_evaluation/evaluation_responses/{scored.cell_id}.txt"
    )
    assert rows[scored.cell_id]["generation_response_path"] == (
        f"03_generation/generation_responses/{scored.generation_task_id}.txt"
    )
    assert rows[scored.cell_id]["k_max"] == "2"
    unscored_row = rows[unscored.cell_id]
    assert (unscored_row["score"], unscored_row["error"] != "") == ("", True)
    assert not unscored_row["error"].startswith("not evaluated")
    assert unscored_row["evaluation_response_path"] != ""
    assert rows[waiting.cell_id]["error"] == "not evaluated: the judge has not answered"
    assert rows[waiting.cell_id]["evaluation_response_path"] == ""
    assert rows[no_generation.cell_id]["error"] == (
        f"not evaluated: generation {no_generation.generation_task_id} has no response"
    )
    assert blocked.generation_task_id == no_essay.cell_id
    assert rows[blocked.cell_id]["error"].startswith("not evaluated: no essay found in the generation (")
    assert sum(1 for row in rows.values() if row["score"]) == 1


def test_all_tables_are_written_and_written_again_are_the_same_bytes(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    call = open_call(settings, "run-1", "generation", 0)
    record_failure(call, LLMTransientError("503"), attempt=1, final=False, now=NOW)
    write_all_tables(settings, "demo")
    first = _tables(settings)

    write_all_tables(settings, "demo")

    assert set(TABLES) <= set(first)
    assert _tables(settings) == first


def test_tables_do_not_depend_on_the_order_in_which_answers_landed(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")
    first = _tables(settings)
    for stage in ("evaluation", "generation"):
        ids = [open_call(settings, "run-1", stage, i).cell.cell_id for i in range(4)]
        delete_responses(engine_for(settings), stage, ids)
    write_all_tables(settings, "demo")
    assert _tables(settings) == first


def test_tables_of_an_experiment_without_any_answer_are_there(settings: Settings):
    planned_run(settings)
    write_all_tables(settings, "demo")
    assert set(TABLES) <= set(_tables(settings))
    assert len(_scores(settings)) == 16


def test_tables_hold_what_all_runs_of_the_experiment_planned(settings: Settings):
    planned_run(settings, "run-1", generation_templates=["essay"])
    answer_all(settings, "run-1")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), generation_templates=["tags"])
    answer_all(settings, "run-2")
    write_all_tables(settings, "demo")
    rows = _scores(settings)
    assert len(rows) == 16
    assert {row["generation_template"] for row in rows.values()} == {"essay", "tags"}
    assert all(row["score"] for row in rows.values())


def test_cross_experiment_tables_have_one_row_per_response_however_often_it_was_used(settings: Settings):
    planned_run(settings, "run-1")
    answer_all(settings, "run-1")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other", k_max=1)
    answer_all(settings, "run-2")
    planned_run(settings, "run-3", now=NOW + timedelta(hours=2), experiment_id="third")
    for experiment_id in ("demo", "other", "third", "demo"):
        write_all_tables(settings, experiment_id)
    assert write_cross_experiment(settings) == (4 + 8, 16 + 32)

    folder = settings.data_root / "07_cross_experiment"
    generations = _rows(folder / "generation_results.csv")
    evaluations = _rows(folder / "evaluation_results.csv")
    assert _header(folder / "generation_results.csv")[: len(GENERATION_RESULTS)] == GENERATION_RESULTS
    assert _header(folder / "evaluation_results.csv")[: len(EVALUATION_RESULTS)] == EVALUATION_RESULTS
    assert len({row["generation_task_id"] for row in generations}) == len(generations)
    assert len({row["evaluation_task_id"] for row in evaluations}) == len(evaluations)
    assert {row["experiment_id"] for row in generations} == {"demo", "other"}


def test_cross_experiment_rows_say_what_became_of_each_answer(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "generation", 2, "No essay tag.")
    answer_call(settings, "run-1", "evaluation", 0, "SCORE: 7")
    answer_call(settings, "run-1", "evaluation", 1, "Lovely.")
    write_cross_experiment(settings)

    folder = settings.data_root / "07_cross_experiment"
    generations = _rows(folder / "generation_results.csv")
    evaluations = _rows(folder / "evaluation_results.csv")
    statuses = {row["generation_template"]: row["generation_status"] for row in generations}
    assert statuses == {"essay": "success", "tags": "parse_failure"}
    assert sorted(row["evaluation_status"] for row in evaluations) == ["success", "unscored"]
    assert all(row["generation_timestamp"].startswith("2026-03-01T12:00:02") for row in generations)
    row = evaluations[0]
    assert row["eval_response_file"] == f"04_evaluation/evaluation_responses/{row['evaluation_task_id']}.txt"
    size = (settings.data_root / row["eval_response_file"]).stat().st_size
    assert row["eval_response_size_bytes"] == str(size)


def test_errors_have_one_row_per_failed_call_and_none_where_nothing_was_sent(settings: Settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", 1)
    evaluation = open_call(settings, "run-1", "evaluation", 1)
    record_failure(call, LLMTransientError("503, busy"), attempt=1, final=False, now=NOW)
    record_failure(call, LLMPermanentError("401\nno key"), attempt=2, final=True, now=NOW)
    record_failure(evaluation, MissingResponseError("none"), attempt=0, final=True, now=NOW)

    assert update_errors(settings, "run-1") == 2

    rows = _rows(settings.data_root / "07_reporting/demo/errors.csv")
    assert [row["attempt"] for row in rows] == ["1", "2"]
    assert rows[1] == {
        "cell_id": call.cell.cell_id,
        "stage": "generation",
        "model": "paid",
        "attempt": "2",
        "error_class": "LLMPermanentError",
        "message": "401\nno key",
        "time": "2026-03-01T12:00:00+00:00",
        "run_id": "run-1",
    }


def test_errors_of_a_run_without_failures_are_a_header(settings: Settings):
    planned_run(settings)
    assert update_errors(settings, "run-1") == 0
    path = settings.data_root / "07_reporting/demo/errors.csv"
    assert path.read_text() == "cell_id,stage,model,attempt,error_class,message,time,run_id\n"


def test_scores_and_summaries_of_a_run(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0)
    assert update_scores(settings, "run-1") == (1, 16)
    text = update_summaries(settings, "run-1")
    assert "essay" in text
    assert (settings.data_root / "06_summary/demo/final_results.csv").exists()


def test_a_complete_run_says_its_counts_and_leaves_every_table(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    assert complete_run(settings, "run-1") == ("generations: 4 of 4 answered; evaluations: 16 of 16 answered")
    assert set(TABLES) <= set(_tables(settings))


def test_an_incomplete_run_fails_after_it_has_written_the_tables(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    with pytest.raises(StoreError, match=r"19 of 20 calls have no answer .*'only failed'"):
        complete_run(settings, "run-1")
    assert set(TABLES) <= set(_tables(settings))


def test_max_failed_fraction_is_the_most_that_may_fail(settings: Settings):
    planned_run(settings, "run-1", max_failed_fraction=0.2)
    for index in range(4):
        answer_call(settings, "run-1", "generation", index)
    for index in range(12):
        answer_call(settings, "run-1", "evaluation", index)
    assert "12 of 16" in complete_run(settings, "run-1")
    call = open_call(settings, "run-1", "evaluation", 0)
    call.files.response("evaluation", call.cell.cell_id).unlink()
    with pytest.raises(StoreError, match=r"5 of 20 .*25.0%, allowed are 20.0% \(max_failed_fraction\)"):
        complete_run(settings, "run-1")


def test_essays_that_were_not_found_are_counted_though_their_rows_were_lost(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 2, "No essay tag.")
    for index in (0, 1, 3):
        answer_call(settings, "run-1", "generation", index)
    for index in (*range(8), *range(12, 16)):
        answer_call(settings, "run-1", "evaluation", index)
    ids = [open_call(settings, "run-1", "generation", 2).cell.cell_id]
    delete_responses(engine_for(settings), "generation", ids)
    assert complete_run(settings, "run-1").endswith(
        "evaluations: 12 of 16 answered, 4 not possible (no essay found in the generator's answer)"
    )


def test_a_run_without_a_plan_is_not_judged(settings: Settings):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    assert not is_planned(settings, "run-1")
    with pytest.raises(StoreError, match="Nothing was planned"):
        complete_run(settings, "run-1")


def test_a_score_says_what_it_cost_how_long_the_essay_is_and_who_made_the_models(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    scored = answer_call(settings, "run-1", "evaluation", 0, "SCORE: 7").cell
    write_all_tables(settings, "demo")
    row = _scores(settings)[scored.cell_id]
    assert (row["generation_family"], row["evaluation_family"]) == ("prov", "prov")
    essay = settings.data_root / f"03_generation/parsed_generation_responses/{scored.generation_task_id}.txt"
    assert int(row["essay_chars"]) == len(essay.read_text(encoding="utf-8")) > 0
    costs = json.loads(
        (settings.data_root / row["evaluation_response_path"]).with_suffix(".json").read_text()
    )
    assert row["evaluation_cost_usd"] == format_number(costs["cost_usd"])
    waiting = next(r for r in _scores(settings).values() if not r["generation_response_path"])
    assert [waiting[c] for c in ("essay_chars", "generation_cost_usd", "evaluation_cost_usd")] == ["", "", ""]
    assert waiting["generation_family"] == "prov"


def test_every_analysis_of_the_list_is_written(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")
    written = {Path(name).stem for name in _tables(settings)}
    assert set(ANALYSES) <= written
    components = _rows(settings.data_root / "06_summary/demo/g_study.csv")
    assert [row["component"] for row in components][-1] == "residual"
    assert {row["n_scores"] for row in components} == {"16"}
