from __future__ import annotations

import re

import pytest

from daydreaming.errors import InputError
from daydreaming.inputs.params import (
    ExperimentParams,
    nightly_experiments,
    parse_set_options,
    resolve_params,
)


def problems_of(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    return caught.value.problems


def test_overrides_win_over_the_file_and_the_file_over_defaults(root):
    folder = root / "experiments"
    params = resolve_params({"experiment": "demo", "k_max": 1, "concepts": [], "on_stale": ""}, folder)
    assert (params.k_max, params.concepts, params.on_stale) == (1, ("search", "moat"), "fail")
    assert resolve_params({"experiment": "demo", "k_max": None}, folder).k_max == 2
    assert resolve_params({}, folder) == ExperimentParams()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"k_max": 0}, r"k_max must be a whole number of at least 1; got 0\."),
        ({"k_max": True}, r"k_max must be a whole number .*got True"),
        ({"k_max": "2"}, r"k_max must be a whole number .*got '2'"),
        ({"k_max": 2.5}, r"k_max must be a whole number .*got 2.5"),
        (
            {"generation_temperature": float("nan")},
            r"generation_temperature must be a number from 0 to 2; got nan",
        ),
        ({"max_cost_usd": float("inf")}, r"max_cost_usd must be a number of at least 0, .*got inf"),
        ({"max_failed_fraction": True}, r"max_failed_fraction must be a number from 0 to 1; got True"),
        ({"max_failed_fraction": 1.1}, r"max_failed_fraction must be a number from 0 to 1; got 1.1"),
        ({"concepts": ["a", "a"]}, r"concepts must be a list of different IDs.*Name each ID once"),
        ({"concepts": "a"}, r"concepts must be a list .*got 'a'\. Write \[a\]"),
        (
            {"description_level": "book"},
            r"description_level must be sentence, paragraph or article; got 'book'",
        ),
        ({"on_stale": "retry"}, r"on_stale must be fail, reuse or archive; got 'retry'"),
        ({"dry_run": "yes"}, r"dry_run must be true or false; got 'yes'"),
        ({"experiment_id": ".."}, r"experiment_id must be 1 to 100 letters.*got '\.\.'"),
        ({"experiment_id": "a/b"}, r"experiment_id must be"),
        ({"experiment_id": "x" * 101}, r"experiment_id must be"),
        ({"k_maxx": 2}, r"there is no parameter 'k_maxx'\. Did you mean k_max\?"),
        ({"approve_above_usd": -1}, r"approve_above_usd must be a number of at least 0, .*got -1"),
        ({"approve_above_usd": "much"}, r"approve_above_usd must be a number of at least 0, .*got 'much'"),
        ({"shard_size": 0}, r"shard_size must be a whole number of at least 1; got 0\."),
        ({"shard_size": 10.5}, r"shard_size must be a whole number of at least 1; got 10.5"),
        ({"shards": 2}, r"there is no parameter 'shards'"),
        ({"schedule": "nightly"}, r"schedule can only be set in a file"),
        (
            {"experiment": "dmo"},
            r"no saved experiment 'dmo'\. Did you mean demo\? Saved experiments: demo, plain",
        ),
        ({"experiment": "../demo"}, r"experiment must be a name"),
    ],
)
def test_a_refused_override_says_rule_value_and_remedy(root, given, message):
    (problem,) = problems_of(resolve_params, given, root / "experiments")
    assert re.search(message, problem)
    assert "pydantic" not in problem
    assert "http" not in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k_max: [1", r"experiments/demo.yaml, line \d: not valid YAML"),
        ("- a\n", r"experiments/demo.yaml: must hold NAME: VALUE lines"),
        ("k_max: 2\nk_max: 3\n", r"line 2: not valid YAML: the key 'k_max' is written twice"),
        ("kmax: 2\n", r"experiments/demo.yaml: there is no parameter 'kmax'\. Did you mean k_max\?"),
        ("schedule: hourly\n", r"schedule must be nightly, or left out; got 'hourly'"),
        ("experiment: demo\n", r"experiment cannot be set in a saved experiment"),
        ("experiment_id: 2025-01-01\n", r"experiment_id must be .*Put it in quotes"),
        ("concepts: &a [*a]\n", r"concepts must be a list of different IDs"),
        ("a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nk_max: *c\n", r"k_max must be a whole number"),
        ("\ufeffk_max: 2\n", r"byte order mark"),
        ("", r"empty"),
    ],
)
def test_a_broken_file_is_refused_with_its_name(root, text, message):
    (root / "experiments/demo.yaml").write_text(text)
    problems = problems_of(resolve_params, {"experiment": "demo"}, root / "experiments")
    assert any(re.search(message, problem) for problem in problems), problems
    assert all("\n" not in problem and len(problem) < 600 for problem in problems)


def test_problems_of_overrides_and_file_come_together(root):
    (root / "experiments/demo.yaml").write_text("k_max: 0\nkmax: 1\n")
    problems = problems_of(resolve_params, {"experiment": "demo", "dry_run": 1}, root / "experiments")
    assert len(problems) == 3


def test_nightly_experiments_are_found_in_spite_of_a_broken_one(root):
    (root / "experiments/bad.yaml").write_text("k_max: 0\nschedule: nightly\n")
    names, problems = nightly_experiments(root / "experiments")
    assert names == ["demo"]
    assert len(problems) == 1
    assert "experiments/bad.yaml: k_max" in problems[0]


def test_no_folder_of_experiments_means_no_experiments(tmp_path):
    assert nightly_experiments(tmp_path / "none") == ([], [])


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("k_max=2", {"k_max": 2}),
        ("concepts=a, b", {"concepts": ["a", "b"]}),
        ("concepts=[a, b]", {"concepts": ["a", "b"]}),
        ("concepts=", {"concepts": []}),
        ("generation_temperature=1e-1", {"generation_temperature": 0.1}),
        ("dry_run=TRUE", {"dry_run": True}),
        ("max_cost_usd=null", {"max_cost_usd": None}),
        ("approve_above_usd=2.5", {"approve_above_usd": 2.5}),
        ("shard_size=60", {"shard_size": 60}),
        ("experiment_id=007", {"experiment_id": "007"}),
        ("experiment_id=a=b", {"experiment_id": "a=b"}),
        ("k_max=two", {"k_max": "two"}),
    ],
)
def test_set_options_are_typed_by_their_parameter(option, expected):
    assert parse_set_options([option]) == expected


#: Numbers that YAML or Python take for others than people do, or that only they take for numbers.
ODD_NUMBERS = ["010", "1_0", "1:30", "0x1", "0b1", "-010", "1_0.5", "1:30.5", "07.5", "1__0"]


@pytest.mark.parametrize("text", ODD_NUMBERS)
def test_a_number_of_a_file_that_looks_like_another_is_refused(root, text):
    (root / "experiments/demo.yaml").write_text(f"k_max: 2\ngeneration_temperature: {text}\n")
    (problem,) = problems_of(resolve_params, {"experiment": "demo"}, root / "experiments")
    assert problem.startswith(f"experiments/demo.yaml, line 2: not valid YAML: '{text}' is no plain number")


@pytest.mark.parametrize("text", [*ODD_NUMBERS, "１"])
def test_a_number_that_is_set_and_looks_like_another_is_refused(root, text):
    values = parse_set_options([f"shard_size={text}", f"max_cost_usd={text}"])
    problems = problems_of(resolve_params, values, root / "experiments")
    assert [f"; got '{text}'." in problem for problem in problems] == [True, True]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("+1", 1), ("0.50", 0.5), (".5", 0.5), ("1.", 1), ("0", 0), ("1.5e-1", 0.15)],
)
def test_plain_numbers_are_read_alike_in_a_file_and_when_set(root, text, value):
    (root / "experiments/demo.yaml").write_text(f"generation_temperature: {text}\n")
    assert resolve_params({"experiment": "demo"}, root / "experiments").generation_temperature == value
    assert parse_set_options([f"generation_temperature={text}"]) == {"generation_temperature": value}


@pytest.mark.parametrize("text", ["1_0", "010", "12:30"])
def test_a_text_in_quotes_may_look_like_any_number(root, text):
    (root / "experiments/demo.yaml").write_text(f"concepts: ['{text}']\n")
    assert resolve_params({"experiment": "demo"}, root / "experiments").concepts == (text,)


def test_set_options_report_all_problems():
    problems = problems_of(parse_set_options, ["k_max", "kmax=1", "schedule=nightly", "k_max=1", "k_max=2"])
    assert [p.split(".")[0] for p in problems] == [
        "--set needs NAME=VALUE; got 'k_max'",
        "--set: there is no parameter 'kmax'",
        "--set: there is no parameter 'schedule'",
        "--set: k_max is given twice",
    ]
