"""`daydreaming import-legacy`: the report and the exit code."""

from __future__ import annotations

import json

import pytest

from daydreaming.settings import Settings
from tests.support.legacy_folder import (
    EVALUATIONS,
    GENERATIONS,
    PLAIN,
    make_legacy_folder,
    without,
)

STRANGER = f"{GENERATIONS}/nobody_knows.txt"


@pytest.fixture(autouse=True)
def _no_summaries(monkeypatch):
    monkeypatch.setattr("daydreaming.pipeline.tables.write_summaries", lambda *_: None)


@pytest.fixture
def folder(settings: Settings, tmp_path):
    """Write a folder with these overrides; its name."""
    return lambda overrides=None: str(make_legacy_folder(tmp_path / "old", overrides))


def test_the_report_counts_by_kind_and_says_what_was_decided(settings, daydreaming, folder):
    result = daydreaming("import-legacy", folder(), "--experiment-id", "august")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "Imported into experiment august."
    assert [line.split() for line in lines[1:4]] == [
        ["kind", "placed", "already", "there", "not", "placed"],
        ["generation_response", "2", "0", "0"],
        ["evaluation_response", "3", "0", "0"],
    ]
    assert "  lab/critic:beta -> lab--critic-beta (slash became --, other characters -)" in lines
    assert "  evaluation creativity_metrics: complex (as the original read this template)" in lines
    assert "Not placed" not in result.out
    assert daydreaming("status", "august").code == 0


def test_what_was_not_placed_is_listed_and_the_exit_code_says_so(settings, daydreaming, folder):
    result = daydreaming("import-legacy", folder({STRANGER: "?"}))
    assert (result.code, result.err) == (1, "")
    assert "Not placed (1):" in result.out
    assert f"  {STRANGER}: it is in no task table, and no known combination" in result.out
    assert (settings.data_root / f"03_generation/generation_responses/{PLAIN}.txt").exists()


@pytest.mark.parametrize("name", ["a\nb", "a\rb"])
def test_a_name_with_a_line_end_stays_on_its_line(settings, daydreaming, folder, name):
    result = daydreaming("import-legacy", folder({f"{GENERATIONS}/{name}.txt": "?"}))
    assert repr(name)[1:-1] in result.out
    assert result.out.count("Not placed") == 1


def test_a_long_list_is_cut_for_the_terminal_and_whole_in_json(settings, daydreaming, folder):
    root = folder({f"{GENERATIONS}/nobody_{i:02}.txt": "?" for i in range(45)})
    text = daydreaming("import-legacy", root, "--dry-run").out
    assert "Not placed (45):" in text
    assert text.count("/nobody_") == 40
    assert text.endswith("  … and 5 more: --json lists all.\n")
    report = json.loads(daydreaming("import-legacy", root, "--dry-run", "--json").out)
    assert len(report["not_placed"]) == 45


def test_json_holds_the_whole_report(settings, daydreaming, folder):
    result = daydreaming("import-legacy", folder({STRANGER: "?"}), "--json")
    assert (result.code, result.err) == (1, "")
    report = json.loads(result.out)
    assert list(report) == [
        "experiment_id", "dry_run", "counts", "not_placed", "models", "templates", "notes",
    ]  # fmt: skip
    assert (report["experiment_id"], report["dry_run"]) == ("legacy", False)
    assert report["counts"]["generation_response"] == {"placed": 2, "already_there": 0, "not_placed": 1}
    [problem] = report["not_placed"]
    assert (problem["kind"], problem["file"]) == ("generation_response", STRANGER)
    assert {"legacy_id": "qwen/qwq-32b:free", "id": "qwq",
            "why": "the id of this model in the folder's llm_models.csv"} in report["models"]  # fmt: skip
    assert report["templates"][0]["parser"] == "whole"


def test_a_dry_run_writes_nothing_and_has_the_same_exit_code(settings, daydreaming, folder):
    result = daydreaming("import-legacy", folder({STRANGER: "?"}), "--dry-run")
    assert result.code == 1
    assert result.out.startswith(
        "Nothing was written: this is what an import into experiment legacy would do."
    )
    assert not settings.data_root.exists()


@pytest.mark.parametrize(
    ("arguments", "overrides", "text"),
    [
        (("nowhere",), None, "nowhere: no such folder"),
        (
            ("{old}",),
            without(GENERATIONS, EVALUATIONS, "3_", "4_"),
            "nothing of the Dagster original is here",
        ),
        (("{old}", "--experiment-id", "a/b"), None, "experiment_id must be 1 to 100 letters"),
        (("{old}", "--experiment-id", ""), None, "--experiment-id must not be empty"),
    ],
)
def test_bad_input_is_one_line(settings, daydreaming, folder, arguments, overrides, text):
    root = folder(overrides)
    result = daydreaming("import-legacy", *(argument.replace("{old}", root) for argument in arguments))
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert text in result.err
    assert not settings.data_root.exists()


def test_a_folder_must_be_named(settings, daydreaming):
    result = daydreaming("import-legacy")
    assert result.code == 2
    assert "Missing argument 'DIR'" in result.err
