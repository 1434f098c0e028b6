"""`daydreaming show`."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from daydreaming.errors import LLMPermanentError
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from tests.support.experiments import NOW, answer_call, planned_run
from tests.support.finished import finished_run
from tests.support.finished_root import refuse_stale

EVIL = "\x1b]0;pwned\x07[red]not red[/red]"


def ids(settings: Settings, stage="generation") -> list[str]:
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", stage)]


@pytest.fixture
def finished(settings: Settings) -> Settings:
    """`demo`, finished; its first essay and verdict hold what a terminal would obey."""
    finished_run(
        settings,
        texts={
            ("generation", 0): f"An essay.\n{EVIL}",
            ("evaluation", 0): f"Weak. {EVIL}\nSCORE: 4",
            ("evaluation", 1): "No score in here.",
        },
        fields={("generation", 0): {"cost_usd": 0.0123, "model_returned": f"prov/x{EVIL}"}},
    )
    return settings


def test_an_essay_is_shown_with_its_origin_and_its_scores(finished, daydreaming):
    [essay, *_] = ids(finished)
    result = daydreaming("show", essay)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == f"Generation {essay}"
    fields = dict(line.strip().split(maxsplit=1) for line in lines[1:10])
    row = json.loads(daydreaming("show", essay, "--json").out)
    assert fields["experiments"] == "demo"
    assert fields["concepts"] == "moat (Economic moat), search (Combinatorial search) (level paragraph)"
    assert fields["template"] == "essay, replicate 1"
    assert fields["model"].startswith("free: prov/free:free was asked, prov/x")
    assert fields["answered"] == "2026-03-01 12:00:02 UTC, 2.0 s, attempt 1, finish reason stop"
    assert fields["tokens"] == "100 prompt, 200 answer"
    assert fields["cost"] == "0.012300 US dollars"
    assert fields["request"] == f"hash {row['request_hash']}"
    assert "Verdicts as demo has them: 3 scored of 4 planned" in lines
    assert "  rigor by free: 4 on 0-9" in lines
    assert any(line.startswith("  rigor by judge: unscored (") for line in lines)
    assert lines[-1] == "Read what the judges wrote with --verdicts."


@pytest.mark.parametrize("options", [(), ("--verdicts",), ("--prompt", "--verdicts")])
def test_what_models_wrote_neither_moves_the_terminal_nor_is_read_as_markup(finished, daydreaming, options):
    out = daydreaming("show", ids(finished)[0], *options).out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "An essay.\n\\x1b]0;pwned\\x07[red]not red[/red]" in out
    assert "prov/x\\x1b]0;pwned\\x07[red]not red[/red]" in out


def test_verdicts_and_prompts_are_printed_where_they_are_asked_for(finished, daydreaming):
    essay = ids(finished)[0]
    short = daydreaming("show", essay).out
    assert "Weak." not in short
    assert "Prompt" not in short
    long = daydreaming("show", essay, "--verdicts", "--prompt").out
    assert "Weak. \\x1b" in long
    assert "Economic moat: " in long
    # The judge's prompt shows the essay.
    assert "Judge:\nAn essay." in long
    assert long.count("Verdict (") == 4


def test_json_has_every_text_that_is_asked_for_as_it_is(finished, daydreaming):
    essay = ids(finished)[0]
    short = json.loads(daydreaming("show", essay, "--json").out)
    assert short["essay"] == f"An essay.\n{EVIL}"
    assert (short["is_answered"], short["essay_error"], short["last_failure"]) == (True, None, None)
    assert (short["cost_usd"], short["latency_s"], short["completion_tokens"]) == (0.0123, 2.0, 200)
    assert short["concepts"][0] == {"concept_id": "moat", "name": "Economic moat"}
    assert "prompt" not in short
    first = short["verdicts"][0]
    assert (first["score"], first["score_min"], first["score_max"]) == (4.0, 0.0, 9.0)
    assert "text" not in first
    long = json.loads(daydreaming("show", essay, "--json", "--prompt", "--verdicts").out)
    assert long["verdicts"][0]["text"] == f"Weak. {EVIL}\nSCORE: 4"
    assert long["prompt"].startswith("Economic moat: ")


def test_an_evaluation_is_shown_with_what_it_judges_and_in_full(finished, daydreaming):
    verdict = ids(finished, "evaluation")[0]
    out = daydreaming("show", verdict).out
    assert out.startswith(f"Generation {ids(finished)[0]}\n")
    assert f"Evaluation {verdict}" in out
    assert "Weak." in out
    assert out.count("Evaluation ") == 1
    assert len(json.loads(daydreaming("show", verdict, "--json").out)["verdicts"]) == 1


def test_verdicts_are_those_of_the_experiment_that_is_named_and_refused_ones_do_not_count(
    finished, daydreaming
):
    later = NOW + timedelta(hours=1)
    planned_run(finished, "run-2", now=later, experiment_id="stale", evaluation_temperature=0.9)
    refuse_stale(finished, "run-2", "evaluation", now=later)
    write_all_tables(finished, "stale")
    essay = ids(finished)[0]
    # Without a name: of the one that planned it last.
    for options, name in (
        ((), "stale"),
        (("--experiment", "stale"), "stale"),
        (("--experiment", "demo"), "demo"),
    ):
        lines = daydreaming("show", essay, *options).out.splitlines()
        found = json.loads(daydreaming("show", essay, *options, "--json").out)
        scores = [(verdict["score"], verdict["is_refused"]) for verdict in found["verdicts"]]
        assert (found["experiment_id"], found["experiments"]) == (name, ["demo", "stale"])
        scored = 0 if name == "stale" else 3
        assert f"Verdicts as {name} has them: {scored} scored of 4 planned" in lines
        assert sum(score is not None for score, _ in scores) == scored
        assert {is_refused for _, is_refused in scores} == {name == "stale"}
        not_counted = "  rigor by free: not counted in this experiment: it answers another request"
        assert (not_counted in lines) == (name == "stale")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("other", "No run of other has planned '{essay}': one of demo has (--experiment demo)."),
        ("dem", "Unknown experiment ID 'dem'. Did you mean demo?"),
    ],
)
def test_an_experiment_that_has_no_such_essay_is_refused(finished, daydreaming, name, text):
    planned_run(finished, "run-2", experiment_id="other", concepts=["moat", "mind-wandering"])
    essay = ids(finished)[0]
    result = daydreaming("show", essay, "--experiment", name)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert text.format(essay=essay) in result.err


def test_an_answer_without_an_essay_is_shown_whole_and_says_why(settings, daydreaming):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 2, text="No tag in here.")
    out = daydreaming("show", call.cell.cell_id).out
    assert "The whole answer (" in out
    assert "No tag in here." in out


def test_what_has_no_answer_says_so_and_why(settings, daydreaming):
    planned_run(settings)
    call = open_call(settings, "run-1", "generation", 0)
    record_failure(call, LLMPermanentError(f"HTTP 402 {EVIL}"), attempt=1, final=True, now=NOW)
    out = daydreaming("show", call.cell.cell_id).out
    assert "not answered; last failure: LLMPermanentError: HTTP 402 \\x1b]0;pwned" in out
    assert "Essay: There is none: the call has no answer." in out
    assert "style by judge: not answered" in out
    found = json.loads(daydreaming("show", call.cell.cell_id, "--json").out)
    assert (found["is_answered"], found["essay"]) == (False, None)
    assert found["last_failure"]["error_class"] == "LLMPermanentError"


def test_a_response_that_a_person_deleted_is_no_answer(finished, daydreaming):
    call = open_call(finished, "run-1", "generation", 3)
    call.files.response("generation", call.cell.cell_id).unlink()
    assert "answer      not answered" in daydreaming("show", call.cell.cell_id).out


def test_an_id_that_nobody_planned_names_the_nearest(finished, daydreaming):
    essay = ids(finished)[0]
    result = daydreaming("show", f"{essay[:-1]}x")
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert f"Did you mean {essay}?" in result.err
    assert "`daydreaming essays EXPERIMENT_ID` lists" in result.err


def test_nothing_run_yet_makes_no_database(settings, daydreaming):
    result = daydreaming("show", "x")
    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert "No planned generation or evaluation has the ID 'x'." in result.err
    assert not settings.data_root.exists()
