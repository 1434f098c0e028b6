"""What pages count and list beside scores, in each database that is supported."""

from __future__ import annotations

import pytest

from daydreaming.errors import LLMPermanentError, LLMTransientError, MissingResponseError, StaleResponseError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.design_queries import count_planned, read_crossings
from daydreaming.store.failure_sums import FailureSum, failure_sums, unread_reasons
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import insert_failure
from daydreaming.store.statistic_pages import list_tables, read_rows
from daydreaming.store.statistics import replace_statistics
from daydreaming.store.unread_answers import UnreadAnswer, count_unread, read_unread
from tests.support.experiments import NOW, make_inputs, planned_run
from tests.support.finished import answer_distinctly


@pytest.fixture
def settings(results_settings: Settings) -> Settings:
    """`demo` is planned: 4 generations, 16 evaluations."""
    make_inputs(results_settings.inputs_root)
    planned_run(results_settings)
    return results_settings


def test_a_crossing_counts_each_cell_once(settings):
    engine = engine_for(settings)
    once = read_crossings(engine, "demo")
    planned_run(settings, "run-2")
    assert read_crossings(engine, "demo") == once
    assert count_planned(engine, "demo") == 40
    assert [c.stage for c in once] == ["generation"] * 4 + ["evaluation"] * 16
    assert sum(c.cells for c in once if c.stage == "evaluation") == 16
    assert {c.model for c in once if c.stage == "evaluation"} == {"free", "judge"}
    assert {c.model for c in once if c.stage == "generation"} == {"free", "paid"}
    assert read_crossings(engine, "other") == []
    assert count_planned(engine, "other") == 0


def test_answers_that_could_not_be_read_are_listed_essays_first(settings):
    engine = engine_for(settings)
    # By the template `tags`, whose parser wants a tag.
    tagged = next(c for c in cells_of_run(engine, "run-1", "generation") if c.generation_template == "tags")
    of_it = {
        ("evaluation", c.map_index)
        for c in cells_of_run(engine, "run-1", "evaluation")
        if c.generation_task_id == tagged.cell_id
    }
    texts = {
        ("generation", tagged.map_index): "No tag.",
        ("evaluation", 0): "No score.",
        ("evaluation", 1): "?",
    }
    answer_distinctly(settings, "run-1", texts=texts, leave_out=frozenset(of_it))
    found = read_unread(engine, "demo", limit=10)
    assert count_unread(engine, "demo") == {"generation": 1, "evaluation": 2}
    essay, *verdicts = found
    assert essay == UnreadAnswer(
        "generation",
        tagged.cell_id,
        tagged.cell_id,
        tagged.generation_model,
        "tags",
        "xml_tags",
        essay.error,
    )
    assert "essay" in essay.error
    evaluations = [cells_of_run(engine, "run-1", "evaluation")[i] for i in (0, 1)]
    assert [v.cell_id for v in verdicts] == sorted(c.cell_id for c in evaluations)
    assert {v.generation_task_id for v in verdicts} == {c.generation_task_id for c in evaluations}
    assert read_unread(engine, "demo", limit=1, offset=1) == verdicts[:1]
    assert sum(number for _, number in unread_reasons(engine, "demo")) == 2
    assert {reason for reason, _ in unread_reasons(engine, "demo")} == {v.error for v in verdicts}
    # Another experiment did not plan these cells.
    assert count_unread(engine, "other") == {"generation": 0, "evaluation": 0}


def fail(settings, stage, index, error, attempt=1):
    call = open_call(settings, "run-1", stage, index)
    insert_failure(engine_for(settings), failure_row(call, error, attempt=attempt, final=True, now=NOW))
    return call.cell


def test_failed_calls_are_counted_by_kind(settings):
    cell = fail(settings, "generation", 0, LLMTransientError("late"))
    fail(settings, "generation", 0, LLMTransientError("busy"), attempt=2)
    stale = fail(settings, "generation", 1, StaleResponseError("other prompt"), attempt=0)
    judge = fail(settings, "evaluation", 0, LLMPermanentError("no"))
    # Nothing was sent: it waits for another call.
    fail(settings, "evaluation", 1, MissingResponseError("no essay"), attempt=0)
    assert failure_sums(engine_for(settings), "demo") == [
        FailureSum("generation", cell.model_id, "LLMTransientError", 2, 1, "busy"),
        FailureSum("evaluation", judge.model_id, "LLMPermanentError", 1, 1, "no"),
        FailureSum("generation", stale.model_id, "StaleResponseError", 1, 1, "other prompt"),
    ]
    assert failure_sums(engine_for(settings), "other") == []


def test_a_table_is_read_in_parts(settings):
    rows = [{"factor": name, "n": i, "mean": None} for i, name in enumerate("aabbc")]
    tables = {"levels": rows, "empty": []}
    replace_statistics(writing_engine(settings), "demo", tables, {"made_of": "x"})
    engine = engine_for(settings)
    assert list_tables(engine, "demo") == {"levels": 5}
    assert read_rows(engine, "demo", "levels") == rows
    assert read_rows(engine, "demo", "levels", limit=2, offset=3) == rows[3:]
    assert read_rows(engine, "demo", "levels", where={"factor": ["b", "c"]}) == rows[2:]
    assert read_rows(engine, "demo", "levels", where={"factor": ["a"]}, limit=1) == rows[:1]
    assert read_rows(engine, "demo", "empty") == []
    assert list_tables(engine, "other") == {}
