"""Inputs that no editor makes: each is refused in short lines, at once, whatever its size."""

from __future__ import annotations

import csv
import io

import pytest

from daydreaming.errors import InputError
from daydreaming.inputs.concepts import ConceptRow
from daydreaming.inputs.load import load_inputs
from daydreaming.inputs.params import ExperimentParams, parse_set_options, resolve_params
from daydreaming.inputs.tables import read_table
from daydreaming.pipeline.plan import start_run
from tests.support.experiments import NOW, make_settings

MODELS = "01_raw/llm_models.csv"
HUGE = 1 << 100_000  # Python does not write out a number of so many digits


def problems_of(call, *args):
    with pytest.raises(InputError) as caught:
        call(*args)
    problems = caught.value.problems
    assert all("\n" not in line and len(line) < 1_000 for line in problems)
    "".join(problems).encode()
    return problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("k_max: !!int ''", "not valid YAML: '' is no plain number"),
        ("k_max: !!float ''", "not valid YAML: '' is no plain number"),
        ("k_max: !!bool x", "not valid YAML: KeyError"),
        ("k_max: !!timestamp x", "not valid YAML: AttributeError"),
        ("k_max: !!map [a]", "not valid YAML: TypeError"),
        ("k_max: !!python/object/apply:os.system [id]", "could not determine a constructor for the tag"),
        ("? [a]\n: 1\n", "unhashable key"),
        ("k_max: 0x" + "f" * 5_000, "a number of more than 100 characters"),
        ("concepts: [0x" + "f" * 5_000 + "]", "a number of more than 100 characters"),
        # Base 60: each part costs as much as all before it.
        ("k_max: 1" + ":1" * 100_000, "a number of more than 100 characters"),
        ("generation_temperature: 1" + ":1" * 100_000 + ".5", "a number of more than 100 characters"),
        ("<<: {k_max: 2}", r"merge keys \(<<\) are not offered"),
        ("k_max: 2\n" * 2_000, "the key 'k_max' is written twice"),
        (f"{'k' * 900}: 1\n{'k' * 900}: 1\n", "is written twice"),
        ("concepts: " + "- " * 5_000, "not valid YAML"),
        ("k_max:\n" + "".join(f"{' ' * i}- \n" for i in range(600)), "not valid YAML: RecursionError"),
        ("concepts: " + "[" * 5_000, "more than 200 opening brackets"),
        ("# " + "x" * 300_000, "longer than 300,000 characters"),
        ('concepts: ["\\ud800", "\\ud800"]', "concepts must be a list of different IDs"),
        ('concepts: "a\\nb"', "concepts must be a list of different IDs"),
    ],
)
def test_yaml_that_is_none_is_refused_in_one_line(root, text, message):
    (root / "experiments/demo.yaml").write_text(text)
    (problem,) = problems_of(resolve_params, {"experiment": "demo"}, root / "experiments")
    assert problem.startswith("experiments/demo.yaml")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problem)


def nested(start, line, levels=9):
    return start + "".join(line.format(this=i + 1, before=", ".join([f"*a{i}"] * 10)) for i in range(levels))


def test_little_that_stands_for_a_billion_texts_is_refused(root):
    bomb = nested("a0: &a0 [x, x, x]\n", "a{this}: &a{this} [{before}]\n")
    (root / "experiments/demo.yaml").write_text(bomb + "concepts: *a9\nk_max: *a9\n")
    problems = problems_of(resolve_params, {"experiment": "demo"}, root / "experiments")
    assert len(problems) == 12


def test_merge_keys_that_stand_for_a_billion_pairs_are_refused(root):
    bomb = nested("a0: &a0 {x: 1, y: 2}\n", "a{this}: &a{this}\n  <<: [{before}]\n")
    (root / "experiments/demo.yaml").write_text(bomb)
    (problem,) = problems_of(resolve_params, {"experiment": "demo"}, root / "experiments")
    assert "line 3: not valid YAML: merge keys" in problem


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            {"k_max": 10**9 + 1},
            "k_max must be a whole number of at least 1, at most 1,000,000,000; got 1000000001",
        ),
        ({"k_max": HUGE}, "at most 1,000,000,000; got a huge number"),
        ({"generation_max_tokens": 10**400}, "at most 1,000,000,000; got a huge number"),
        ({"evaluation_replicates": 10_001}, "at most 10,000; got 10001"),
        ({"k_max": -(10**30)}, "k_max must be a whole number of at least 1; got -1000"),
        ({"concepts": [HUGE, HUGE]}, "concepts must be a list of different IDs"),
        ({"concepts": [[["a"] * 9] * 9, 1]}, "concepts must be a list of different IDs"),
        ({"concepts": {"a": 1}}, "concepts must be a list of different IDs"),
        ({"dry_run": 1}, "dry_run must be true or false; got 1"),
        ({"k_max": True}, "got True"),
        ({"max_cost_usd": float("nan")}, "got nan"),
        ({"max_cost_usd": -float("inf")}, "got -inf"),
        ({"experiment_id": "x" * 10**6}, "experiment_id must be 1 to 100"),
        ({"x" * 10**6: 1}, "there is no parameter 'xxx"),
        ({"\ud800": "\ud800"}, "there is no parameter '.ud800'"),
        ({"experiment_id": b"x"}, "experiment_id must be"),
    ],
)
def test_a_conf_with_what_no_parameter_takes_is_refused_in_one_line(root, conf, message):
    (problem,) = problems_of(resolve_params, conf, root / "experiments")
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(problem)


def test_of_ten_thousand_unknown_names_the_first_are_told(root):
    problems = problems_of(resolve_params, {f"name{i}": 1 for i in range(10_000)}, root / "experiments")
    assert len(problems) == 21
    assert problems[-1] == "9,980 more names are no parameters. Delete them."


def test_of_ten_thousand_unknown_ids_the_first_are_told(root):
    ids = [f"../../etc/passwd-{i}" for i in range(10_000)]
    problems = problems_of(load_inputs, root, ExperimentParams(k_max=2, concepts=ids))
    assert len(problems) == 21
    assert problems[0].startswith("concepts: '../../etc/passwd-0' is not in 01_raw/concepts/")
    assert problems[-1].startswith("concepts: 9,980 more names are not in 01_raw/concepts/")


def test_thousands_of_ids_that_exist_are_taken(root):
    names = [f"c{i}" for i in range(2_000)]
    rows = "".join(f"{name},Name,true\n" for name in names)
    (root / "01_raw/concepts/concepts_metadata.csv").write_text("concept_id,name,active\n" + rows)
    for name in names:
        (root / f"01_raw/concepts/descriptions-sentence/{name}.txt").symlink_to("search.txt")
    inputs = load_inputs(root, ExperimentParams(k_max=2, concepts=names))
    assert [concept.concept_id for concept in inputs.concepts] == names


ID_FIELDS = ("experiment", "experiment_id")
OUTSIDE = (
    "../x",
    "..",
    "/etc/passwd",
    "a/../../x",
    "a\\..\\x",
    "x\0",
    "x\n",
    ".",
    "%2e%2e",
    "~",
    "$HOME",
    "",
)


@pytest.mark.parametrize("field", [*ID_FIELDS, "concepts", "generation_templates", "evaluation_models"])
@pytest.mark.parametrize("name", OUTSIDE[:-1])
def test_a_name_that_leads_elsewhere_starts_nothing_and_writes_nothing(tmp_path, field, name):
    settings = make_settings(tmp_path / "here")
    before = sorted(p for p in tmp_path.rglob("*") if settings.data_root not in p.parents)
    conf = {"experiment": "demo", field: name if field in ID_FIELDS else [name]}
    with pytest.raises(InputError):
        start_run(settings, conf, "manual__1", NOW)
    after = sorted(p for p in tmp_path.rglob("*") if settings.data_root not in p.parents)
    assert [p for p in after if p != settings.data_root] == before
    assert not (settings.data_root / "02_tasks").exists()


@pytest.mark.parametrize("run_id", ["../../../x", "/x", "..", "a/b", "x" * 200])
def test_a_runs_id_is_no_path(tmp_path, run_id):
    settings = make_settings(tmp_path / "here")
    before = sorted(p for p in tmp_path.rglob("*"))
    start_run(settings, {"experiment": "demo", "experiment_id": "e"}, run_id, NOW)
    new = set(tmp_path.rglob("*")) - {*before, settings.data_root}
    assert all(settings.data_root in p.parents for p in new)
    assert any(p.parent == settings.data_root / "02_tasks/e/runs" for p in new)


def test_set_takes_no_yaml_that_is_none():
    assert parse_set_options(["concepts=[!!int '']"]) == {"concepts": "[!!int '']"}


def read_concepts(tmp_path, text):
    (tmp_path / "c.csv").write_text(text)
    problems: list[str] = []
    table = read_table(tmp_path / "c.csv", "c.csv", ConceptRow, problems)
    assert all("\n" not in line and len(line) < 1_000 for line in problems)
    return table, problems


def test_of_very_many_repeated_rows_the_first_are_told(tmp_path):
    _, problems = read_concepts(tmp_path, "concept_id,name,active\n" + "a,b,true\n" * 20_000)
    assert problems[0] == "c.csv, row 3: concept_id 'a' is in row 2 already. Delete or rename one."
    assert problems[100:] == ["c.csv: 19,899 more rows repeat a concept_id."]


def test_of_very_many_wrong_rows_the_first_are_told(tmp_path):
    rows = "".join(f"a{i},b,maybe\n" for i in range(20_000))
    table, problems = read_concepts(tmp_path, "concept_id,name,active\n" + rows)
    assert len(problems) == 102
    assert problems[-1] == "c.csv: rows from 103 on were not checked. Correct those before first."
    assert len(table.ids) == 20_000


def test_of_very_many_rows_of_another_shape_the_first_are_told(tmp_path):
    _, problems = read_concepts(tmp_path, "concept_id,name,active\n" + "a,b\n" * 20_000)
    assert len(problems) == 101
    assert problems[-1] == "c.csv: 19,900 more rows have other cells than the header."


@pytest.mark.parametrize("column", ["x", "x{}"])
def test_a_header_of_very_many_columns_is_refused(tmp_path, column):
    header = ",".join(column.format(i) for i in range(90_000))
    _, problems = read_concepts(tmp_path, f"concept_id,name,active,{header}\n")
    assert len(problems) <= 23
    assert any("unknown" in problem for problem in problems)


def test_a_long_value_is_cut_in_its_message(tmp_path, root):
    (root / "01_raw/generation_templates.csv").write_text(
        f"template_id,template_name,description,active,parser\nessay,E,,true,{'x' * 100_000}\n"
    )
    problems = problems_of(load_inputs, root, ExperimentParams(k_max=2))
    assert any("parser must be one of" in problem for problem in problems)


@pytest.mark.parametrize(
    ("extra_body", "message"),
    [
        ('{"a": 1e999}', "a number too large"),
        ('{"a": "\\ud800"}', "half a surrogate pair"),
        ('{"\\ud800": 1}', "half a surrogate pair"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "more than 50 levels"),
        ('{"a": ' + "[" * 900 + "]" * 900 + "}", "more than 50 levels"),
        ('{"a": ' + "[" * 50_000 + "]" * 50_000 + "}", "recursion"),
        ('{"a": ' + "9" * 5_000 + "}", "4300 digits"),
    ],
)
def test_an_extra_body_that_cannot_be_frozen_is_refused(root, extra_body, message):
    path = root / MODELS
    rows = list(csv.reader(io.StringIO(path.read_text())))
    rows[1][rows[0].index("extra_body")] = extra_body
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    (problem,) = problems_of(load_inputs, root, ExperimentParams(k_max=2))
    assert problem.startswith(f"{MODELS}, row 2: extra_body must be a JSON object or empty (")
    assert message in problem
