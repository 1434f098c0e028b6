"""`daydreaming essays`."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from daydreaming.settings import Settings
from tests.support.experiments import NOW, planned_run
from tests.support.finished import finished_run


@pytest.fixture
def ranked(settings: Settings) -> Settings:
    """`demo`: four essays, of which the last has no score; all its rubrics on 0-10."""
    finished_run(
        settings,
        evaluation_templates=["style"],
        leave_out=frozenset({("evaluation", 6), ("evaluation", 7)}),
        texts={("evaluation", index): f"SCORE: {score}" for index, score in enumerate((1, 3, 8, 8, 5, 9))},
    )
    return settings


def names(result) -> list[str]:
    return [essay["generation_task_id"].split("_", 3)[3] for essay in json.loads(result.out)["essays"]]


def test_the_best_come_first_with_what_they_are_made_of(ranked, daydreaming):
    result = daydreaming("essays", "demo")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "Essays of demo on 0-10, best first; SD over judges"
    assert lines[2].split() == ["rank", "mean", "SD", "scores", "essay"]
    [best] = json.loads(daydreaming("essays", "demo", "--top", "1", "--json").out)["essays"]
    assert lines[3].split() == ["1", "8.00", "0.00", "2/2", best["generation_task_id"]]
    assert lines[4].strip() == "essay by paid: moat, search"
    assert lines[-3] == "Without a score, and so not in the list: 1"
    assert lines[-1] == f"Read one with: daydreaming show {best['generation_task_id']} --experiment demo"


def test_the_command_that_reads_one_shows_the_verdicts_that_ranked_it(ranked, daydreaming):
    later = NOW + timedelta(hours=1)
    planned_run(ranked, "run-2", now=later, experiment_id="other", evaluation_templates=["rigor"])
    hint = daydreaming("essays", "demo").out.splitlines()[-1]
    shown = daydreaming(*hint.partition("daydreaming ")[2].split())
    assert "Verdicts as demo has them: 2 scored of 2 planned" in shown.out.splitlines()


def test_json_has_each_number(ranked, daydreaming):
    found = json.loads(daydreaming("essays", "demo", "--disputed", "1", "--json").out)
    [essay] = found.pop("essays")
    assert found == {
        "experiment_id": "demo", "order": "disputed", "concept": None,
        "scale": "0-10", "ranked": 3, "unscored": 1,
    }  # fmt: skip
    assert essay.pop("generation_task_id").endswith("_tags_free")
    assert essay.pop("combo_id").startswith("combo_v1_")
    assert essay == {
        "rank": 1,
        "mean": 7.0,
        "sd_over_judges": pytest.approx(8**0.5),
        "scored": 2,
        "planned": 2,
        "generation_template": "tags",
        "generation_model": "free",
        "replicate": 1,
        "concepts": ["moat", "search"],
    }


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ((), ["essay_paid", "tags_free", "essay_free"]),
        (("--top", "2"), ["essay_paid", "tags_free"]),
        (("--bottom", "2"), ["essay_free", "tags_free"]),
        (("--disputed", "9"), ["tags_free", "essay_free", "essay_paid"]),
    ],
)
def test_each_order(ranked, daydreaming, option, expected):
    assert names(daydreaming("essays", "demo", *option, "--json")) == expected


def test_essays_of_one_concept(settings, daydreaming):
    finished_run(settings, concepts=["search", "moat", "mind-wandering"], k_max=2)
    result = daydreaming("essays", "demo", "--concept", "moat")
    assert result.out.startswith("Essays of demo with moat on 0-10 (rescaled), best first")
    found = json.loads(daydreaming("essays", "demo", "--concept", "moat", "--top", "99", "--json").out)
    assert (found["concept"], found["ranked"]) == ("moat", 8)
    assert all("moat" in essay["concepts"] for essay in found["essays"])
    assert json.loads(daydreaming("essays", "demo", "--json").out)["ranked"] == 12


def test_an_unknown_concept_is_told_with_those_that_there_are(ranked, daydreaming):
    result = daydreaming("essays", "demo", "--concept", "moats")
    assert (result.code, result.out) == (2, "")
    assert "holds the concept 'moats'. Its concepts are: moat, search." in result.err


def test_the_text_says_how_many_are_shown(ranked, daydreaming):
    head = daydreaming("essays", "demo", "--bottom", "2").out.splitlines()[0]
    assert head == "Essays of demo on 0-10, worst first (first 2 of 3); SD over judges"


def test_without_scores_there_is_no_list(settings, daydreaming):
    planned_run(settings)
    assert daydreaming("essays", "demo").out == "No essay has a score yet; without one: 4.\n"


@pytest.mark.parametrize("unscored", [0, 1])
def test_with_one_judge_nothing_is_disputed(settings, daydreaming, unscored):
    left_out = frozenset({("evaluation", 0), ("evaluation", 1)} if unscored else ())
    finished_run(settings, evaluation_models=["judge"], leave_out=left_out)
    assert json.loads(daydreaming("essays", "demo", "--json").out)["unscored"] == unscored
    result = daydreaming("essays", "demo", "--disputed", "3")
    assert result.out == "No essay has scores of two judges: nothing can be disputed.\n"


def test_without_scores_nothing_is_said_of_judges(settings, daydreaming):
    planned_run(settings)
    assert (
        daydreaming("essays", "demo", "--disputed", "3").out == "No essay has a score yet; without one: 4.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("demo", "--top", "1", "--bottom", "2"), "--top and --bottom cannot go together"),
        (("dem",), "Unknown experiment ID 'dem'. Did you mean demo? Experiments that were run: demo."),
        (("demo", "--top", "0"), "--top must be at least 1"),
        ((), "Missing argument"),
    ],
)
def test_bad_input_is_one_line(ranked, daydreaming, arguments, text):
    result = daydreaming("essays", *arguments)
    assert (result.code, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert text in line
