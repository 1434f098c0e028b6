"""Who is in a batch, what is sent, what it reserves, and what becomes of it as a whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from daydreaming.errors import BudgetError, InputError
from daydreaming.llm.price import ModelPrice, call_nanousd, to_nanousd, worst_case_nanousd
from daydreaming.pipeline.batches import (
    BatchBusy,
    close_unsent,
    connection_of,
    current_batch,
    message_without,
    models_to_batch,
    results_without,
)
from daydreaming.pipeline.call import build_request, open_call
from daydreaming.pipeline.estimate import estimate_run
from daydreaming.pipeline.plan import set_cap
from daydreaming.store.batches import read_batches, read_result
from daydreaming.store.claims import LEASE_S, claim_cell
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import (
    Reservation,
    experiment_scope,
    read_budget,
    read_calls,
    reserve,
    settle_lost,
)
from daydreaming.store.results import read_failures
from daydreaming.store.schema import Claim
from tests.support.batches import (
    IN_BATCH,
    JUDGED_IN_BATCH,
    close_with,
    error_row,
    opened,
    plan_with_batches,
    row_of,
)
from tests.support.experiments import ESSAY, answer_call, edit_input, planned_run

HALF = ModelPrice(0.075, 0.3, "llm_models.csv, batch")


@pytest.fixture
def engine(settings):
    plan_with_batches(settings)
    return engine_for(settings)


def members(order):
    return tuple(member.map_index for member in order.batch.members)


def test_the_models_of_both_stages_are_listed_in_the_order_of_the_file(settings, engine):
    assert models_to_batch(settings, "run-1") == ["paid", "judge"]
    assert connection_of(settings, "run-1", "judge") == "openrouter_default"


def test_a_plan_without_such_models_has_no_batches(settings):
    planned_run(settings)
    assert models_to_batch(settings, "run-1") == []


def test_all_that_a_model_has_not_answered_is_one_batch(settings, engine):
    order = opened(settings)
    assert members(order) == IN_BATCH
    assert (order.batch.provider_model, order.batch.conn_id) == ("openai:prov/paid", "openrouter_default")


def test_a_request_is_what_an_ordinary_call_would_send(settings, engine):
    order = opened(settings)
    for index, sent in zip(IN_BATCH, order.requests, strict=True):
        request = build_request(open_call(settings, "run-1", "generation", index))
        assert sent == {
            "prompt": request.prompt,
            "max_tokens": 8192,
            "params": {"temperature": 0.7},
        }
        cell = open_call(settings, "run-1", "generation", index).cell.cell_id
        assert DataRoot(settings.data_root).prompt("generation", cell).read_text() == request.prompt


def test_extra_fields_go_with_each_request_and_anthropics_models_to_anthropic(settings):
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "0.15,0.6,,", '0.15,0.6,"{""top_k"": 3}",')
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "prov/paid,openrouter", "prov/paid,anthropic")
    edit_input(
        settings.inputs_root,
        "01_raw/llm_models.csv",
        "essays,openrouter_default,llm_paid",
        "essays,a,llm_batch",
    )
    planned_run(settings)
    order = opened(settings)
    assert order.requests[0]["params"] == {"temperature": 0.7, "top_k": 3}
    assert order.batch.provider_model == "anthropic:prov/paid"


def test_what_is_answered_is_not_asked_again(settings, engine):
    answer_call(settings, "run-1", "generation", IN_BATCH[0])
    assert members(opened(settings)) == IN_BATCH[1:]


def test_where_nothing_is_missing_there_is_no_batch(settings, engine):
    for index in IN_BATCH:
        answer_call(settings, "run-1", "generation", index)
    assert opened(settings) is None
    assert read_calls(engine) == []


def test_evaluations_without_an_essay_are_left_out(settings, engine):
    answer_call(settings, "run-1", "generation", 0)
    order = opened(settings, "evaluation")
    assert members(order) == JUDGED_IN_BATCH[:2]  # of the first generation: rigor and style


def test_the_worst_case_of_all_members_is_reserved_at_batch_price(settings, engine):
    order = opened(settings)
    expected = [worst_case_nanousd(HALF, len(r["prompt"].encode()), 8192) for r in order.requests]
    calls = read_calls(engine)
    assert sorted(call["reserved_nanousd"] for call in calls) == sorted(expected)
    assert {(call["state"], call["price_source"]) for call in calls} == {("reserved", HALF.source)}
    assert read_budget(engine, experiment_scope("demo"))[1] == sum(expected)


def test_the_estimate_counts_with_batch_prices_and_says_that_it_takes_long(settings, engine):
    estimate = estimate_run(settings, "run-1")
    [paid] = [m for m in estimate.models if m.model == "paid"]
    assert paid.price == HALF
    assert paid.expected_nanousd == call_nanousd(HALF, paid.prompt_tokens, paid.completion_tokens)
    assert (
        "In batches, at batch prices, which may take 24 hours for each stage: paid, judge" in estimate.lines()
    )


@pytest.mark.parametrize("cap_usd", [0.000001, 0.004])  # 0.004 is above one member's worst case, below both
def test_a_batch_over_the_cap_reserves_nothing_and_can_be_tried_again(settings, engine, cap_usd):
    set_cap(settings, "demo", cap_usd)
    with pytest.raises(
        BudgetError, match=r"batch of 2 calls, .* was not sent: max_cost_usd of experiment demo"
    ):
        opened(settings)
    assert read_calls(engine) == []
    assert read_budget(engine, experiment_scope("demo"))[1] == 0
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Claim)) == 0
    told = [(row["error_class"], row["attempt"], row["final"]) for row in read_failures(engine, "demo")]
    assert told == [("BudgetError", 0, False)] * 2
    set_cap(settings, "demo", 10)
    assert members(opened(settings)) == IN_BATCH


def test_a_batch_waits_for_money_that_calls_in_flight_have_reserved(settings, engine):
    set_cap(settings, "demo", 0.006)
    in_flight = {"experiment_id": "demo", "budget_day": "2026-03-01", "model_id": "free"}
    with writing_engine(settings).begin() as connection:
        reserve(connection, [Reservation(in_flight, to_nanousd(0.003))])
    with pytest.raises(BatchBusy, match="max_cost_usd of experiment demo is reserved by calls in flight"):
        opened(settings)
    assert read_calls(engine) == []
    set_cap(settings, "demo", 0.01)
    assert members(opened(settings)) == IN_BATCH


def test_a_cell_that_another_is_calling_is_left_to_it(settings, engine):
    cell = open_call(settings, "run-1", "generation", IN_BATCH[0]).cell.cell_id
    assert claim_cell(engine, "generation", cell, "another", datetime.now(UTC))
    assert members(opened(settings)) == IN_BATCH[1:]
    assert len(read_calls(engine)) == 1


def test_two_runs_never_have_a_cell_in_two_batches(settings, engine):
    opened(settings)
    plan_with_batches(settings, "run-2")
    assert opened(settings, run_id="run-2") is None


def test_a_batch_that_is_out_is_gone_on_with_as_it_was(settings, engine):
    first = opened(settings)
    answer_call(settings, "run-1", "generation", IN_BATCH[0])
    again = opened(settings)
    assert again == first
    assert len(read_calls(engine)) == 2


def test_a_process_that_died_between_reserving_and_noting_reserves_once(settings, engine, monkeypatch):
    from daydreaming.pipeline import batches

    def write_until_admitted(batch, **changes):
        if changes.get("status") == "admitted":
            raise RuntimeError("killed")
        return written(batch, **changes)

    written = batches.write_batch
    with monkeypatch.context() as patch:
        patch.setattr(batches, "write_batch", write_until_admitted)
        with pytest.raises(RuntimeError, match="killed"):
            opened(settings)
    assert members(opened(settings)) == IN_BATCH
    assert len(read_calls(engine)) == 2


def test_no_ordinary_lease_runs_out_so_late(settings, engine):
    opened(settings)
    later = datetime.now(UTC) + timedelta(seconds=24 * 3600 + LEASE_S)
    with writing_engine(settings).begin() as connection:
        assert settle_lost(connection, later, later.timestamp()) == 0
    muchlater = datetime.now(UTC) + timedelta(days=3)
    with writing_engine(settings).begin() as connection:
        assert settle_lost(connection, muchlater, muchlater.timestamp()) == 2
    assert {call["state"] for call in read_calls(engine)} == {"unknown"}


def test_the_results_of_a_batch_lie_where_each_member_finds_its_own(settings, engine):
    order = opened(settings)
    close_with(order.batch, error_row(1), row_of(0, ESSAY))
    assert current_batch(settings, "run-1", "generation", "paid") is None
    [batch] = read_batches(order.batch.folder.parent)
    found = [read_result(batch, member) for member in batch.members]
    assert [result.row["status"] for result in found] == ["success", "error"]
    assert found[0].batch_id == "batch_1"


def test_after_it_a_new_batch_is_made_of_what_is_missing_and_free(settings, engine):
    first = opened(settings)
    close_unsent(settings, first.batch, "failed")
    answer_call(settings, "run-1", "generation", IN_BATCH[0])
    second = opened(settings)
    assert members(second) == IN_BATCH[1:]
    assert second.batch.folder.name == "2"


def test_a_batch_that_was_refused_costs_nothing_and_frees_its_cells(settings, engine):
    close_unsent(settings, opened(settings).batch, "failed")
    calls = read_calls(engine)
    assert {(c["state"], c["cost_nanousd"], c["cost_source"]) for c in calls} == {("failed", 0, "not billed")}
    assert read_budget(engine, experiment_scope("demo"))[1:] == (0, 0)
    assert claim_cell(engine, "generation", calls[0]["cell_id"], "next", datetime.now(UTC))


def test_without_the_extra_such_a_model_is_refused_at_load(settings, monkeypatch):
    monkeypatch.setattr("daydreaming.pipeline.plan.has_batch_provider", lambda: False)
    with pytest.raises(
        InputError, match=r"paid, judge in pool llm_batch .*pip install -r requirements-batch.lock"
    ):
        plan_with_batches(settings)


def test_a_key_in_the_results_is_taken_out_of_their_file_too(tmp_path):
    path, key = tmp_path / "results.jsonl", "sk-very-secret-0123456789"
    path.write_text(f"{json.dumps(row_of(0, f'It is {key}.'))}\n{json.dumps(row_of(1, 'An essay.'))}\n")
    lines = results_without(path, [key])
    assert path.read_text() == "".join(f"{line}\n" for line in lines)
    assert key not in path.read_text()
    assert [json.loads(line)["output"] for line in lines] == ["It is ***.", "An essay."]


def test_a_batchs_error_is_told_without_the_key():
    key = "sk-very-secret-0123456789"
    assert message_without(f"Incorrect API key: {key}", [key]) == "Incorrect API key: ***"
