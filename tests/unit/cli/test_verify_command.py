"""`daydreaming verify`: what it prints and how it ends."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from daydreaming.cli.verify import MOST_SHOWN, report_text, run_verify
from daydreaming.pipeline.verify_findings import Finding, Kind, Report
from tests.support.experiments import planned_run, tree_of
from tests.support.finished import finished_run


@pytest.fixture(autouse=True)
def _few_statistics(monkeypatch):
    from daydreaming.analysis import tables

    kept = {name: tables.ANALYSES[name] for name in ("final_results", "missing_cells")}
    monkeypatch.setattr(tables, "ANALYSES", kept)


def test_a_clean_root_ends_with_0_and_says_what_was_checked(settings, daydreaming):
    finished_run(settings)
    result = daydreaming("verify")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Checked 1 experiment, 4 generations, 16 evaluations, ")
    assert result.out.endswith(": nothing is wrong.\n")


def test_what_is_wrong_is_listed_by_kind_and_ends_with_1(settings, daydreaming):
    finished_run(settings, texts={("evaluation", 2): "Lovely."})
    (settings.data_root / "04_evaluation/evaluation_prompts/stranger.txt").write_text("?")
    result = daydreaming("verify", "demo")
    assert (result.code, result.err) == (1, "")
    lines = result.out.splitlines()
    assert lines[0] == "orphan (1)"
    assert lines[1] == (
        "  04_evaluation/evaluation_prompts/stranger.txt: a prompt that no experiment's plan names"
    )
    assert lines[2] == "unscored (1)"
    assert lines[3].startswith("  [demo] 04_evaluation/evaluation_responses/")
    assert lines[-1].endswith(": 2 wrong.")


def test_information_alone_ends_with_0(settings, daydreaming):
    finished_run(settings, fields={("evaluation", 0): {"model_returned": "prov/cheaper"}})
    result = daydreaming("verify")
    assert result.code == 0
    assert result.out.splitlines()[0] == "other_model (1, information)"


def test_json_is_one_object_with_findings_and_what_was_checked(settings, daydreaming):
    finished_run(settings, texts={("evaluation", 2): "Lovely."})
    result = daydreaming("verify", "--json")
    assert (result.code, result.err) == (1, "")
    report = json.loads(result.out)
    assert list(report) == ["findings", "checked"]
    [finding] = report["findings"]
    assert set(finding) == {"kind", "subject", "detail", "experiment_id", "severity"}
    assert (finding["kind"], finding["experiment_id"], finding["severity"]) == ("unscored", "demo", "error")
    assert report["checked"]["evaluations"] == 16


def test_an_unknown_experiment_is_one_line_and_ends_with_2(settings, daydreaming):
    planned_run(settings)
    before = tree_of(settings.data_root)
    result = daydreaming("verify", "demo", "nope")
    assert (result.code, result.out) == (2, "")
    assert result.err == "Error: Unknown experiment ID 'nope'. Experiments that were run: demo.\n"
    assert tree_of(settings.data_root).keys() == before.keys()


def test_where_nothing_was_run_there_is_nothing_to_check(settings, daydreaming):
    assert daydreaming("verify").code == 0
    assert not settings.data_root.exists()


def test_a_long_list_is_cut_for_people(settings):
    found = [Finding(Kind.ORPHAN, f"{i}.txt", "a response") for i in range(MOST_SHOWN + 3)]
    lines = report_text(Report(found)).splitlines()
    assert lines[0] == f"orphan ({MOST_SHOWN + 3})"
    assert lines[MOST_SHOWN + 1] == "  … and 3 more: --json lists all."


def test_names_and_verdicts_stay_on_their_line_and_cannot_steer_a_terminal():
    text = report_text(Report([Finding(Kind.UNSCORED, "a\nb.txt", "\x1b[31mred")]))
    assert text.splitlines()[1] == "  a\\nb.txt: \\x1b[31mred"


def test_a_terminal_sees_how_far_it_is(settings):
    finished_run(settings)
    shown = io.StringIO()
    run_verify(settings, [], False, io.StringIO(), Console(file=shown, force_terminal=True))
    assert "demo: evaluations" in shown.getvalue()
