"""From a mapped instance to its cell."""

from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.call import build_request, open_call, write_prompt
from daydreaming.pipeline.cell_lookup import find_cell, prompt_of
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, answer_call, planned_run


def test_an_instance_is_its_cell_in_the_plan(settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 1)
    answer_call(settings, "run-1", "evaluation", 4)
    generation = cells_of_run(engine_for(settings), "run-1", "generation")[1]
    found = find_cell(settings, "run-1", "generation", 1, NOW)
    assert (found.experiment_id, found.cell, found.state.is_answered) == ("demo", generation, True)
    assert found.essay_state == found.state
    assert found.concepts == "Economic moat + Combinatorial search"
    found = find_cell(settings, "run-1", "evaluation", 4, NOW)
    assert found.cell.generation_task_id == generation.cell_id
    assert (found.state.is_answered, found.essay_state.is_answered) == (True, True)
    found = find_cell(settings, "run-1", "evaluation", 0, NOW)
    assert (found.state.state, found.essay_state.state) == ("waiting", "waiting")


def test_the_prompt_of_a_call_that_is_not_answered_is_known_once_it_is_rendered(settings):
    planned_run(settings)
    found = find_cell(settings, "run-1", "generation", 2, NOW)
    assert prompt_of(settings, found) is None
    call = open_call(settings, "run-1", "generation", 2)
    write_prompt(call, build_request(call))
    prompt = prompt_of(settings, found)
    assert [p.text for p in prompt.text.passages] == ["Use Economic moat in <essay>."]
    assert not prompt.is_other


def test_what_no_plan_names_is_refused(settings):
    with pytest.raises(InputError, match="no run has planned anything"):
        find_cell(settings, "run-1", "generation", 0, NOW)
    planned_run(settings)
    with pytest.raises(InputError, match="Run 'none' has no generation 0 in its plan"):
        find_cell(settings, "none", "generation", 0, NOW)
    with pytest.raises(InputError, match="Run 'run-1' has no evaluation 99 in its plan"):
        find_cell(settings, "run-1", "evaluation", 99, NOW)
