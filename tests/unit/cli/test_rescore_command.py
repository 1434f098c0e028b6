from __future__ import annotations

import json

import pytest

from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from tests.support.experiments import answer_all, answer_call, edit_input, planned_run, tree_of


@pytest.fixture
def finished(settings: Settings) -> Settings:
    """A run with every call answered; one verdict on `rigor` is a fraction."""
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0, "SCORE: 4/5")
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")
    return settings


def test_it_says_per_template_what_changed(finished, daydreaming):
    result = daydreaming("rescore", "demo", "--evaluation-template", "rigor", "--parser", "in_last_line")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "rigor: strict on 0-9 -> in_last_line on 0-9",
        "  8 verdicts; scored 7 -> 8; mean 7.000 -> 7.125; changed scores: 1",
        f"Nothing was called. Tables: {finished.data_root / '06_summary/demo'}",
    ]
    again = daydreaming("rescore", "demo")
    assert again.out.splitlines()[:4] == [
        "rigor: in_last_line on 0-9 -> strict on 0-9",
        "  8 verdicts; scored 8 -> 7; mean 7.125 -> 7.000; changed scores: 1",
        "style: in_last_line on 0-10 -> in_last_line on 0-10",
        "  8 verdicts; scored 8 -> 8; mean 7.000 -> 7.000; changed scores: 0",
    ]


def test_a_dry_run_as_json_writes_nothing(finished, daydreaming):
    before = tree_of(finished.data_root).keys()
    arguments = ("--scale", "0-6", "--evaluation-template", "rigor", "--json", "--dry-run")
    result = daydreaming("rescore", "demo", *arguments)
    assert result.code == 0
    assert json.loads(result.out) == {
        "experiment_id": "demo",
        "dry_run": True,
        "templates": [
            {
                "evaluation_template": "rigor",
                "read_before": ["strict on 0-9"],
                "parser": "strict",
                "score_min": 0,
                "score_max": 6,
                "verdicts": 8,
                "scored_before": 7,
                "scored_after": 0,
                "mean_before": 7,
                "mean_after": None,
                "changed": 7,
            }
        ],
    }
    assert tree_of(finished.data_root).keys() == before
    text = daydreaming("rescore", "demo", "--scale", "0-6", "--dry-run", "--evaluation-template", "rigor")
    assert "mean 7.000 -> none" in text.out
    assert text.out.endswith("Dry run: nothing was written.\n")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nope",), "Unknown experiment ID 'nope'. Experiments that were run: demo."),
        (("demo", "--evaluation-template", "rigour"), "Did you mean rigor?"),
        (("demo", "--parser", "xml_tags"), "unknown score parser 'xml_tags'"),
        (("demo", "--scale", "9-0"), "the lower one first"),
        (("demo", "--scale", "0-20", "--evaluation-template", "style"), "Use the parser strict"),
        (("demo", "--generation-template", "tags", "--parser", "xml_tags"), "--set on_stale=archive"),
    ],
)
def test_what_is_refused_is_one_line_and_changes_nothing(finished, daydreaming, arguments, text):
    before = tree_of(finished.data_root)
    result = daydreaming("rescore", *arguments)
    assert (result.code, result.out, len(result.err.splitlines())) == (2, "", 1)
    assert result.err.startswith("Error: ")
    assert text in result.err
    assert tree_of(finished.data_root) == before


def test_before_anything_was_run_there_is_nothing_to_read(settings, daydreaming):
    result = daydreaming("rescore", "demo")
    assert (result.code, result.err) == (
        2,
        "Error: Unknown experiment ID 'demo'. Experiments that were run: none yet.\n",
    )
    assert not settings.data_root.exists()


def test_another_parser_of_essays_asks_for_verdicts_on_changed_essays_alone(finished, daydreaming):
    """What the refusal says to do instead is so."""
    edit_input(
        finished.inputs_root,
        "01_raw/generation_templates.csv",
        "tags,Tags,,true,xml_tags",
        "tags,Tags,,true,whole",
    )
    result = daydreaming("plan", "demo", "--set", "on_stale=archive", "--json")
    plan = json.loads(result.out)
    # Two of four essays were made with `tags`, and have four verdicts each.
    assert (plan["generations_answered"], plan["new_calls"]) == (4, 8)
