from __future__ import annotations

import json
from datetime import timedelta

import pytest

from daydreaming.errors import StoreError
from daydreaming.pipeline import refresh
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.results import delete_responses, read_responses
from tests.support.experiments import NOW, answer_all, answer_call, edit_input, planned_run

TEMPLATES = "01_raw/generation_templates.csv"


def _all_rows(settings: Settings) -> dict[str, list[dict[str, object]]]:
    engine = engine_for(settings)
    return {stage: read_responses(engine, stage) for stage in ("generation", "evaluation")}


def test_rows_made_on_landing_are_those_that_the_files_give(settings: Settings, monkeypatch):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 2, "No essay tag.")
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0, "No score in here.")
    answer_call(settings, "run-1", "evaluation", 1)
    landed = _all_rows(settings)
    written = []
    monkeypatch.setattr(refresh, "upsert_responses", lambda *args: written.append(args))

    refreshed = refresh_rows(settings, "demo").rows

    assert written == []
    assert [len(rows) for rows in landed.values()] == [2, 2]
    for stage, rows in landed.items():
        assert list(refreshed[stage].values()) == sorted(
            rows, key=lambda row: list(refreshed[stage]).index(row[f"{stage}_task_id"])
        )


def test_rows_that_were_lost_are_made_again_from_the_files(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    landed = _all_rows(settings)
    for stage, rows in landed.items():
        delete_responses(engine_for(settings), stage, [row[f"{stage}_task_id"] for row in rows])
    refresh_rows(settings, "demo")
    assert _all_rows(settings) == landed


def test_the_row_of_a_deleted_file_goes(settings: Settings):
    planned_run(settings)
    answer_all(settings, "run-1")
    call = answer_call(settings, "run-1", "evaluation", 3)
    call.files.response("evaluation", call.cell.cell_id).unlink()

    rows = refresh_rows(settings, "demo").rows

    assert call.cell.cell_id not in rows["evaluation"]
    assert len(_all_rows(settings)["evaluation"]) == 15


def test_a_file_that_a_person_brought_gets_a_row_and_its_essay(settings: Settings):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 0)
    brought = call.files.response("generation", call.cell.cell_id)
    call.files.provenance("generation", call.cell.cell_id).unlink()
    brought.write_text("Brought by hand.")

    row = refresh_rows(settings, "demo").rows["generation"][call.cell.cell_id]

    assert (row["experiment_id"], row["run_id"], row["request_hash"]) == ("demo", "run-1", None)
    assert row["response_size_bytes"] == len("Brought by hand.")
    assert row["ended_at"] is not None
    assert call.files.essay(call.cell.cell_id).read_text() == "Brought by hand."


@pytest.mark.parametrize(
    ("old", "new", "answer", "essay", "is_found"),
    [
        ("tags,Tags,,true,xml_tags", "tags,Tags,,true,whole", "Plain text.", "Plain text.", True),
        ("essay,Essay,\"Plain, short\",true,whole", "essay,Essay,,true,xml_tags", "Plain text.", None, False),
        (
            "essay,Essay,\"Plain, short\",true,whole",
            "essay,Essay,,true,xml_tags",
            "Chatter. <essay>The core.</essay>",
            "The core.",
            True,
        ),
    ],
)  # fmt: skip
def test_a_changed_essay_parser_reads_stored_answers_anew(
    settings: Settings, old: str, new: str, answer: str, essay: str | None, is_found: bool
):
    index = 2 if old.startswith("tags") else 0
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", index, answer)
    edit_input(settings.inputs_root, TEMPLATES, old, new)
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))

    row = refresh_rows(settings, "demo").rows["generation"][call.cell.cell_id]

    assert (row["essay_error"] is None) is is_found
    path = call.files.essay(call.cell.cell_id)
    assert (path.read_text() if path.exists() else None) == essay


def test_a_changed_score_parser_or_scale_scores_stored_verdicts_anew(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    call = answer_call(settings, "run-1", "evaluation", 0, "SCORE: 10")
    assert refresh_rows(settings, "demo").rows["evaluation"][call.cell.cell_id]["score"] is None
    edit_input(settings.inputs_root, "01_raw/evaluation_templates.csv", "strict,0,9", "strict,0,10")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))

    row = refresh_rows(settings, "demo").rows["evaluation"][call.cell.cell_id]

    assert (row["score"], row["score_error"], row["score_max"]) == (10.0, None, 10.0)
    assert _all_rows(settings)["evaluation"] == [row]


def test_an_answer_that_another_experiment_bought_is_a_row_of_both(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    planned_run(settings, "run-2", experiment_id="other")
    [row] = refresh_rows(settings, "other").rows["generation"].values()
    assert (row["experiment_id"], row["run_id"]) == ("demo", "run-1")


def test_refreshing_one_experiment_leaves_the_rows_of_others(settings: Settings):
    planned_run(settings, "run-1", generation_templates=["essay"])
    planned_run(settings, "run-2", experiment_id="other", generation_templates=["tags"])
    answer_all(settings, "run-1")
    before = _all_rows(settings)
    refresh_rows(settings, "other")
    assert _all_rows(settings) == before


def test_an_experiment_that_was_never_planned_has_no_rows(settings: Settings):
    planned_run(settings)
    assert refresh_rows(settings, "nobody").rows == {"generation": {}, "evaluation": {}}


@pytest.mark.parametrize(("record", "message"), [("{", "not valid JSON"), (json.dumps([1]), "JSON object")])
def test_a_broken_record_is_named(settings: Settings, record: str, message: str):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 0)
    call.files.provenance("generation", call.cell.cell_id).write_text(record)
    with pytest.raises(StoreError, match=rf"{call.cell.cell_id}\.json.*{message}"):
        refresh_rows(settings, "demo")
