"""Where cells without an answer stand, in each database that is supported."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.errors import LLMPermanentError, LLMTransientError, StaleResponseError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.plan import note_refusal
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.open_cells import STATES, OpenFilter, Scope, count_open, moment_of, read_open
from daydreaming.store.results import insert_failure
from tests.support.attempts import call_order
from tests.support.experiments import NOW, answer_call, make_inputs, planned_run

#: Long after the failures of these tests: nothing is tried again by now.
LATER = NOW + timedelta(days=1)
MANY = 1000
DEMO = Scope("demo")


@pytest.fixture
def settings(results_settings: Settings) -> Settings:
    """`demo` is planned: 4 generations, 16 evaluations."""
    make_inputs(results_settings.inputs_root)
    planned_run(results_settings)
    return results_settings


def fail(settings, index, error, *, run_id="run-1", stage="generation", final=True, now=NOW, attempt=1):
    call = open_call(settings, run_id, stage, index)
    row = failure_row(call, error, attempt=attempt, final=final, now=now)
    insert_failure(engine_for(settings), row)
    return call.cell.cell_id


def send(settings, stage, index):
    cell = open_call(settings, "run-1", stage, index).cell
    order = call_order("sent", experiment_id="demo", stage=stage, cell_id=cell.cell_id, owner="somebody")
    with writing_engine(settings).begin() as connection:
        assert [a.outcome for a in admit_calls(connection, [order])] == ["go"]


def listed(settings, now=LATER, scope=DEMO, **wanted):
    moment = moment_of(settings, now)
    return read_open(engine_for(settings), scope, moment, OpenFilter(**wanted), limit=MANY)


def states(settings, now=LATER, scope=DEMO):
    """Cells by stage, model and state."""
    found = Counter()
    for group in count_open(engine_for(settings), scope, moment_of(settings, now)):
        found[group.stage, group.model, group.state] += group.cells
    return found


def test_before_a_call_everything_waits(settings):
    waiting = states(settings)
    assert sum(waiting.values()) == 20
    assert {state for _, _, state in waiting} == {"waiting"}


def test_each_cell_stands_in_one_place(settings):
    moment = datetime.now(UTC) + timedelta(seconds=20)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "generation", 3, "no tag")
    answer_call(settings, "run-1", "evaluation", 0)
    failed = fail(settings, 1, LLMPermanentError("no credit"))
    fail(settings, 2, LLMTransientError("busy"), final=False)
    fail(settings, 1, LLMTransientError("hm"), stage="evaluation", now=moment, final=True)
    send(settings, "evaluation", 2)
    found = states(settings, moment)
    assert found == Counter((cell.stage, cell.model, cell.state) for cell in listed(settings, moment))
    by_state = Counter()
    for (_, _, state), number in found.items():
        by_state[state] += number
    # 4 evaluations have no essay; 1 is answered; 1 is called; what failed for a moment is tried again.
    assert by_state == {"failed": 1, "running": 1, "waiting": 11, "blocked": 4}
    first, *others = listed(settings, moment)
    assert (first.state, first.cell_id, first.error_class, first.message) == (
        "failed",
        failed,
        "LLMPermanentError",
        "no credit",
    )
    assert (first.run_id, first.map_index, first.attempt, first.occurred_at) == ("run-1", 1, 1, NOW)
    order = [STATES.index(cell.state) for cell in others]
    assert order == sorted(order)
    waiting = [cell.stage for cell in others if cell.state == "waiting"]
    assert waiting == sorted(waiting, reverse=True)


@pytest.mark.parametrize(
    ("tries", "after", "state"),
    [
        (1, timedelta(minutes=1), "waiting"),
        (2, timedelta(minutes=1), "waiting"),
        # The third try was Airflow's last.
        (3, timedelta(minutes=1), "failed"),
        # Cleared, and tried once more.
        (4, timedelta(minutes=1), "waiting"),
        # Airflow would have tried again long ago.
        (1, timedelta(hours=1), "failed"),
    ],
)
def test_a_passing_failure_is_final_where_nobody_tries_again(settings, tries, after, state):
    for _ in range(tries):
        fail(settings, 0, LLMTransientError("busy"))
    now = NOW + after
    assert {c.state for c in listed(settings, now) if c.error_class} == {state}


@pytest.mark.parametrize(("refused_after_s", "is_open"), [(60, True), (-60, False)])
def test_an_answer_that_was_refused_as_stale_counts_as_none(settings, refused_after_s, is_open):
    answer_call(settings, "run-1", "generation", 0)
    refused = NOW + timedelta(seconds=refused_after_s)
    cell_id = fail(settings, 0, StaleResponseError("another prompt"), now=refused, attempt=0)
    found = [cell for cell in listed(settings) if cell.cell_id == cell_id]
    assert [(cell.state, cell.attempt) for cell in found] == [("failed", 0)] * is_open
    assert states(settings)["generation", "free", "failed"] == is_open


def test_the_last_run_that_planned_a_cell_is_to_answer_it(settings):
    fail(settings, 0, LLMPermanentError("no"))
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))
    assert {cell.run_id for cell in listed(settings)} == {"run-2"}
    assert {cell.state for cell in listed(settings)} == {"waiting"}
    # Asked of the first run alone, it is the first run's.
    first = Scope("demo", run_ids=["run-1"])
    assert {cell.run_id for cell in listed(settings, scope=first)} == {"run-1"}
    assert Counter(cell.state for cell in listed(settings, scope=first)) == {"failed": 1, "waiting": 19}
    assert states(settings, scope=first)["generation", "free", "failed"] == 1
    assert listed(settings, scope=Scope("other", run_ids=["run-1"])) == []


def test_what_was_planned_for_no_call_is_held_unless_another_run_calls(settings):
    planned_run(settings, "dry", now=NOW + timedelta(hours=1), dry_run=True, generation_replicates=2)
    assert {c.run_id for c in listed(settings, state="waiting")} == {"run-1"}
    held = listed(settings, state="held")
    assert len(held) == 20
    assert {cell.run_id for cell in held} == {"dry"}
    note_refusal(settings, "run-1", "Too dear.")
    assert {cell.state for cell in listed(settings)} == {"held"}


def test_single_cells_can_be_asked_for(settings):
    failed = fail(settings, 1, LLMPermanentError("no"))
    answer_call(settings, "run-1", "generation", 0)
    answered = open_call(settings, "run-1", "generation", 0).cell.cell_id
    waits = open_call(settings, "run-1", "evaluation", 0).cell.cell_id
    some = Scope("demo", cell_ids=[waits, failed, answered, "nobody"])
    assert [(c.cell_id, c.state) for c in listed(settings, scope=some)] == [
        (failed, "failed"),
        (waits, "waiting"),
    ]
    assert listed(settings, scope=Scope("demo", cell_ids=[])) == []


def test_the_list_is_filtered_and_cut_by_the_database(settings):
    fail(settings, 1, LLMPermanentError("no"))
    assert [c.map_index for c in listed(settings, error_class="LLMPermanentError")] == [1]
    assert len(listed(settings, stage="generation", state="waiting")) == 3
    assert {c.model for c in listed(settings, model="judge")} == {"judge"}
    engine, moment = engine_for(settings), moment_of(settings, LATER)
    whole = listed(settings)
    pages = [read_open(engine, DEMO, moment, OpenFilter(), limit=7, offset=o) for o in (0, 7, 14, 21)]
    assert [cell for page in pages for cell in page] == whole
    assert read_open(engine, Scope("other"), moment, OpenFilter(), limit=7) == []


def test_groups_tell_what_a_filter_leaves(settings):
    fail(settings, 1, LLMPermanentError("b"))
    fail(settings, 2, LLMPermanentError("a"))
    groups = count_open(engine_for(settings), DEMO, moment_of(settings, LATER))
    for wanted in (
        OpenFilter(),
        OpenFilter(state="failed"),
        OpenFilter(stage="evaluation", model="free"),
        OpenFilter(error_class="LLMPermanentError"),
    ):
        number = sum(group.cells for group in groups if wanted.holds(group))
        assert number == len(listed(settings, **vars(wanted)))
    assert {g.message for g in groups if g.state == "failed"} <= {"a", "b"}
