from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from daydreaming.errors import (
    EssayParseError,
    LLMTransientError,
    MissingResponseError,
    StaleResponseError,
    StoreError,
)
from daydreaming.pipeline.call import (
    build_request,
    index_response,
    open_call,
    record_answer,
    record_failure,
    settle_stored,
    write_prompt,
)
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_whole
from daydreaming.store.results import (
    delete_responses,
    read_failures,
    read_responses,
    response_exists,
)
from tests.support.experiments import ESSAY, NOW, answer_call, edit_input, make_answer, planned_run

# Map indices of the plan of `demo`: essay×free, essay×paid, tags×free, tags×paid.
ESSAY_FREE, ESSAY_PAID, TAGS_FREE = 0, 1, 2


def _rerun(settings: Settings, run_id: str = "run-2", **overrides: object) -> None:
    planned_run(settings, run_id, now=NOW + timedelta(hours=1), **overrides)


def test_building_a_request_twice_gives_the_same_and_writes_nothing(settings: Settings):
    planned_run(settings)
    first = build_request(open_call(settings, "run-1", "generation", ESSAY_FREE))
    assert build_request(open_call(settings, "run-1", "generation", ESSAY_FREE)) == first
    assert first.prompt == "Economic moat: Economic moat\nCombinatorial search: Try pairs.\n"
    assert (first.model, first.extra_body) == ("prov/free:free", {"seed": 1})
    assert (first.temperature, first.max_tokens) == (0.7, 8192)
    assert not (settings.data_root / "03_generation").exists()


def test_an_evaluation_sends_the_essay_alone_with_its_own_parameters(settings: Settings):
    planned_run(settings, evaluation_temperature=0.3, evaluation_max_tokens=99)
    answer_call(settings, "run-1", "generation", TAGS_FREE)
    call = open_call(settings, "run-1", "evaluation", TAGS_FREE * 4)
    request = build_request(call)
    assert call.cell.generation_template == "tags"
    assert "Moats meet search." in request.prompt
    assert "secret" not in request.prompt
    assert "<essay>" not in request.prompt
    assert (request.temperature, request.max_tokens) == (0.3, 99)


@pytest.mark.parametrize(
    "edit",
    [
        lambda inputs: {"generation_temperature": 0.9},
        lambda inputs: {"generation_max_tokens": 100},
        lambda inputs: edit_input(inputs, "01_raw/generation_templates/essay.txt", "{{ c.name }}", "-"),
        lambda inputs: edit_input(inputs, "01_raw/concepts/concepts_metadata.csv", "Economic moat", "Moat"),
        lambda inputs: edit_input(inputs, "01_raw/llm_models.csv", '""seed"": 1', '""seed"": 2'),
        lambda inputs: edit_input(inputs, "01_raw/llm_models.csv", "prov/free:free", "prov/other"),
    ],
    ids=["temperature", "max_tokens", "template", "concept", "extra_body", "model"],
)
def test_request_hash_changes_with_what_is_sent(settings: Settings, edit):
    planned_run(settings)
    _rerun(settings, **(edit(settings.inputs_root) or {}))
    hashes = {
        build_request(open_call(settings, run, "generation", ESSAY_FREE)).request_hash
        for run in ("run-1", "run-2")
    }
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "edit",
    [
        lambda inputs: {"evaluation_temperature": 0.9, "evaluation_max_tokens": 5, "max_cost_usd": 3},
        lambda inputs: edit_input(inputs, "01_raw/llm_models.csv", "openrouter,Free,", "openrouter,Libre,"),
        lambda inputs: edit_input(inputs, "01_raw/llm_models.csv", ",20,,50,0,0", ",5,,9,3,3"),
        lambda inputs: edit_input(inputs, "01_raw/generation_templates.csv", "Plain, short", "Other"),
        lambda inputs: edit_input(inputs, "01_raw/generation_templates/tags.txt", "Use", "Take"),
        lambda inputs: {"on_stale": "reuse", "experiment_id": "other"},
    ],
    ids=["other stage", "display name", "limits and price", "description", "another template", "bookkeeping"],
)
def test_request_hash_ignores_what_is_not_sent(settings: Settings, edit):
    planned_run(settings)
    _rerun(settings, **(edit(settings.inputs_root) or {}))
    hashes = {
        build_request(open_call(settings, run, "generation", ESSAY_FREE)).request_hash
        for run in ("run-1", "run-2")
    }
    assert len(hashes) == 1


def test_a_recorded_answer_leaves_text_record_essay_and_row(settings: Settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", TAGS_FREE)
    request = build_request(call)
    write_prompt(call, request)
    record_answer(
        call, request, make_answer(), attempts=3, started_at=NOW, ended_at=NOW + timedelta(seconds=2.5)
    )

    files, cell_id = call.files, call.cell.cell_id
    assert files.prompt("generation", cell_id).read_text() == request.prompt
    assert files.response("generation", cell_id).read_text() == ESSAY
    assert files.essay(cell_id).read_text() == "Moats meet search."
    record = json.loads(files.provenance("generation", cell_id).read_text())
    assert record["request_hash"] == request.request_hash
    assert record["prompt_sha256"] == request.prompt_sha256
    assert record["request"] == {
        "model": "prov/free:free",
        "temperature": 0.7,
        "max_tokens": 8192,
        "extra_body": {"seed": 1},
    }
    assert (record["attempts"], record["latency_s"]) == (3, 2.5)
    assert (record["model_requested"], record["model_returned"]) == ("prov/free:free", "prov/returned")
    [row] = read_responses(engine_for(settings), "generation", [cell_id])
    assert (row["run_id"], row["experiment_id"], row["essay_error"]) == ("run-1", "demo", None)
    assert row["response_size_bytes"] == len(ESSAY)


@pytest.mark.parametrize(
    ("index", "answer", "cost", "source"),
    [
        (ESSAY_PAID, {"cost_usd": 0.5}, 0.5, "provider"),
        (ESSAY_PAID, {"cost_usd": 0.0}, 0.0, "provider"),
        (ESSAY_PAID, {}, (100 * 0.15 + 200 * 0.6) / 1e6, "llm_models.csv"),
        (ESSAY_PAID, {"prompt_tokens": None}, None, "unknown"),
        (ESSAY_FREE, {}, 0.0, "llm_models.csv"),
    ],
)
def test_cost_is_the_providers_else_the_price_lists(settings: Settings, index, answer, cost, source):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", index)
    record_answer(call, build_request(call), make_answer(**answer), attempts=1, started_at=NOW, ended_at=NOW)
    record = call.files.read_provenance("generation", call.cell.cell_id)
    assert record["cost_usd"] == (pytest.approx(cost) if cost else cost)
    assert record["cost_source"] == source


@pytest.mark.parametrize(
    ("model", "cost", "source"),
    [("openai/gpt-4.1-mini", (100 * 0.4 + 200 * 1.6) / 1e6, "genai-prices "), ("prov/paid", None, "unknown")],
)
def test_a_row_without_a_price_costs_what_the_list_says_if_it_knows_the_model(
    settings: Settings, model, cost, source
):
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "prov/paid", model)
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", ",0.15,0.6,", ",,,")
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", ESSAY_PAID)
    record = call.files.read_provenance("generation", call.cell.cell_id)
    assert record["cost_usd"] == (pytest.approx(cost) if cost else cost)
    assert record["cost_source"].startswith(source)


def test_a_second_answer_is_not_stored_over_the_first(settings: Settings):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", ESSAY_FREE, "The first answer.")
    answer_call(settings, "run-1", "generation", ESSAY_FREE, "The second answer, which came late.")
    assert call.files.read_response("generation", call.cell.cell_id) == "The first answer."
    [row] = read_responses(engine_for(settings), "generation", [call.cell.cell_id])
    assert row["response_size_bytes"] == len("The first answer.")


def test_an_evaluation_without_its_generation_names_it(settings: Settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "evaluation", 0)
    with pytest.raises(MissingResponseError, match=f"Generation {call.cell.generation_task_id} has no"):
        build_request(call)


def test_an_evaluation_of_an_answer_without_essay_is_a_parse_failure(settings: Settings):
    planned_run(settings)
    generation = answer_call(settings, "run-1", "generation", TAGS_FREE, "No tags here.")
    call = open_call(settings, "run-1", "evaluation", TAGS_FREE * 4)
    with pytest.raises(EssayParseError, match=f"Generation {generation.cell.cell_id} has no essay to judge"):
        build_request(call)
    assert not generation.files.essay(generation.cell.cell_id).exists()


def test_nothing_stored_is_nothing_settled(settings: Settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", ESSAY_FREE)
    assert settle_stored(call, build_request(call)) is False


def test_a_stored_answer_settles_a_later_run_and_keeps_its_maker(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", ESSAY_FREE)
    _rerun(settings)
    call = open_call(settings, "run-2", "generation", ESSAY_FREE)
    assert settle_stored(call, build_request(call)) is True
    [row] = read_responses(engine_for(settings), "generation", [call.cell.cell_id])
    assert row["run_id"] == "run-1"


def test_a_stored_answer_without_its_row_gets_one(settings: Settings):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", ESSAY_FREE)
    delete_responses(engine_for(settings), "generation", [call.cell.cell_id])
    assert settle_stored(call, build_request(call)) is True
    assert response_exists(engine_for(settings), "generation", call.cell.cell_id)


def test_a_file_that_a_person_brought_is_taken_as_it_is(settings: Settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", ESSAY_FREE)
    path = call.files.response("generation", call.cell.cell_id)
    path.parent.mkdir(parents=True)
    path.write_text("An essay from another world.")
    assert settle_stored(call, build_request(call)) is True
    [row] = read_responses(engine_for(settings), "generation", [call.cell.cell_id])
    assert (row["request_hash"], row["run_id"]) == (None, "run-1")


class TestStale:
    """An answer to another request than the one that would be sent now."""

    @pytest.fixture(autouse=True)
    def _answered_by_an_earlier_run(self, settings: Settings):
        planned_run(settings)
        answer_call(settings, "run-1", "generation", ESSAY_FREE, "Old essay.")
        answer_call(settings, "run-1", "evaluation", 0)

    def test_fail_names_file_and_remedies(self, settings: Settings):
        _rerun(settings, generation_temperature=1.0)
        call = open_call(settings, "run-2", "generation", ESSAY_FREE)
        with pytest.raises(StaleResponseError, match=r"(?s)is stale.*'archive'.*'reuse'") as caught:
            settle_stored(call, build_request(call))
        assert f"generation_responses/{call.cell.cell_id}.txt" in str(caught.value)

    def test_a_stale_generation_blocks_its_evaluations(self, settings: Settings):
        _rerun(settings, generation_temperature=1.0)
        call = open_call(settings, "run-2", "evaluation", 0)
        with pytest.raises(StaleResponseError, match=r"generation_responses/.* is stale"):
            build_request(call)

    def test_reuse_takes_it(self, settings: Settings):
        _rerun(settings, generation_temperature=1.0, on_stale="reuse")
        call = open_call(settings, "run-2", "generation", ESSAY_FREE)
        assert settle_stored(call, build_request(call)) is True
        evaluation = open_call(settings, "run-2", "evaluation", 0)
        assert settle_stored(evaluation, build_request(evaluation)) is True

    def test_archive_keeps_it_aside_and_brings_it_back_when_wanted(self, settings: Settings):
        _rerun(settings, generation_temperature=1.0, on_stale="archive")
        call = open_call(settings, "run-2", "generation", ESSAY_FREE)
        request = build_request(call)
        assert settle_stored(call, request) is False
        old_hash = build_request(open_call(settings, "run-1", "generation", ESSAY_FREE)).request_hash
        assert call.files.archived("generation", call.cell.cell_id, old_hash).read_text() == "Old essay."
        record_answer(call, request, make_answer("New essay."), attempts=1, started_at=NOW, ended_at=NOW)
        write_whole(call.files.prompt("generation", call.cell.cell_id), "Another prompt.")

        _rerun(settings, "run-3", on_stale="archive")
        back = open_call(settings, "run-3", "generation", ESSAY_FREE)
        assert settle_stored(back, build_request(back)) is True
        assert back.files.read_response("generation", back.cell.cell_id) == "Old essay."
        assert back.files.essay(back.cell.cell_id).read_text() == "Old essay."
        assert back.files.prompt("generation", back.cell.cell_id).read_text() == build_request(back).prompt
        [row] = read_responses(engine_for(settings), "generation", [back.cell.cell_id])
        assert row["response_size_bytes"] == len("Old essay.")
        assert back.files.archived("generation", back.cell.cell_id, request.request_hash).exists()

    @pytest.mark.parametrize("is_archived", [True, False])
    def test_two_that_settle_it_at_once_keep_every_answer(self, settings, monkeypatch, is_archived):
        old = open_call(settings, "run-1", "generation", ESSAY_FREE)
        old_request = build_request(old)
        _rerun(settings, generation_temperature=1.0, on_stale="archive")
        call = open_call(settings, "run-2", "generation", ESSAY_FREE)
        request, files, cell_id = build_request(call), call.files, call.cell.cell_id
        if is_archived:
            # The wanted answer is in the archive: run-2 had it, then somebody had the old one again.
            settle_stored(call, request)
            answer_call(settings, "run-2", "generation", ESSAY_FREE, "New essay.")
            files.archive_response("generation", cell_id, request.request_hash)
            files.restore_response("generation", cell_id, old_request.request_hash)
        archive, settled = DataRoot.archive_response, []

        def archive_after_another(data_root, *which):
            monkeypatch.setattr(DataRoot, "archive_response", archive)
            settled.append(settle_stored(call, request))
            if not is_archived:
                answer_call(settings, "run-2", "generation", ESSAY_FREE, "New essay.")
            return archive(data_root, *which)

        monkeypatch.setattr(DataRoot, "archive_response", archive_after_another)
        assert settle_stored(call, request) is True
        assert settled == [is_archived]
        assert files.read_response("generation", cell_id) == "New essay."
        assert files.archived_ids("generation") == [(cell_id, old_request.request_hash)]
        assert files.archived("generation", cell_id, old_request.request_hash).read_text() == "Old essay."
        [row] = read_responses(engine_for(settings), "generation", [cell_id])
        assert row["request_hash"] == request.request_hash

    def test_a_new_essay_makes_its_verdict_stale(self, settings: Settings):
        _rerun(settings, generation_temperature=1.0, on_stale="archive")
        call = open_call(settings, "run-2", "generation", ESSAY_FREE)
        settle_stored(call, build_request(call))
        record_answer(
            call, build_request(call), make_answer("New."), attempts=1, started_at=NOW, ended_at=NOW
        )
        evaluation = open_call(settings, "run-2", "evaluation", 0)
        assert settle_stored(evaluation, build_request(evaluation)) is False


def test_a_failure_is_recorded_with_its_class_and_cell(settings: Settings):
    planned_run(settings)
    call = open_call(settings, "run-1", "evaluation", 0)
    record_failure(call, LLMTransientError("503 busy"), attempt=2, final=False, now=NOW)
    [row] = read_failures(engine_for(settings), "demo")
    row.pop("id")
    assert row == {
        "experiment_id": "demo",
        "run_id": "run-1",
        "stage": "evaluation",
        "cell_id": call.cell.cell_id,
        "model": "free",
        "attempt": 2,
        "error_class": "LLMTransientError",
        "message": "503 busy",
        "final": False,
        "occurred_at": NOW,
    }


@pytest.mark.parametrize(
    ("run_id", "index", "message"),
    [
        ("run-9", 0, "no plan for generation 0 of run 'run-9'"),
        ("run-1", 99, "no plan for generation 99 of run 'run-1'"),
    ],
)
def test_opening_what_was_not_planned_says_so(settings: Settings, run_id, index, message):
    planned_run(settings)
    with pytest.raises(StoreError, match=message):
        open_call(settings, run_id, "generation", index)


def test_an_unscored_verdict_keeps_its_row_and_says_why(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", ESSAY_FREE)
    call = answer_call(settings, "run-1", "evaluation", 0, "I would rather not say.")
    [row] = read_responses(engine_for(settings), "evaluation", [call.cell.cell_id])
    assert row["score"] is None
    assert row["score_error"]


def test_landing_a_verdict_scores_it_on_the_templates_scale(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", ESSAY_FREE)
    call = answer_call(settings, "run-1", "evaluation", 0, "Good.\nSCORE: 10")
    [row] = read_responses(engine_for(settings), "evaluation", [call.cell.cell_id])
    assert (call.cell.evaluation_template, row["score"]) == ("rigor", None)
    assert index_response(replace(call))["score_error"] == row["score_error"]
    assert "9" in row["score_error"]
