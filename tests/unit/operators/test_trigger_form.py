from __future__ import annotations

import pytest

from daydreaming.inputs.params import PARAM_NAMES, ExperimentParams, resolve_params
from daydreaming.operators.form import experiment_params
from tests.support.experiments import make_inputs

LISTS = ("concepts", "generation_templates", "evaluation_templates", "generation_models", "evaluation_models")


@pytest.fixture
def root(tmp_path):
    return make_inputs(tmp_path)


def test_the_form_has_every_parameter_and_no_other(root):
    assert set(experiment_params(root)) == set(PARAM_NAMES)


def test_what_nobody_fills_in_counts_as_not_given(root):
    given = {name: param.value for name, param in experiment_params(root).items()}
    assert resolve_params(given, root / "experiments") == ExperimentParams()
    saved = resolve_params({**given, "experiment": "demo"}, root / "experiments")
    assert (saved.k_max, saved.concepts) == (2, ("search", "moat"))


def test_choices_are_shown_with_their_labels(root):
    concepts = experiment_params(root)["concepts"].schema
    assert concepts["examples"] == ["mind-wandering", "search", "moat", "dream"]
    assert concepts["values_display"]["search"] == "Combinatorial search"
    assert concepts["values_display"]["dream"] == "Dreaming (inactive)"
    assert experiment_params(root)["experiment"].schema["examples"] == ["demo", "plain"]
    assert experiment_params(root)["evaluation_models"].schema["examples"] == ["free", "judge", "local"]


@pytest.mark.parametrize("name", PARAM_NAMES)
def test_each_parameter_says_what_it_is(root, name):
    schema = experiment_params(root)[name].schema
    assert schema["title"]
    assert experiment_params(root)[name].description


def test_the_default_that_the_form_names_is_the_one_that_holds(root):
    for name, param in experiment_params(root).items():
        default = ExperimentParams.model_fields[name].default
        if "Empty: what the saved experiment says, else" in param.description and name not in LISTS:
            assert param.description.endswith(f"else {default}.")


@pytest.mark.parametrize("break_it", ["missing", "a file", "garbage"])
def test_inputs_that_cannot_be_read_leave_the_choices_empty(tmp_path, break_it):
    root = tmp_path / "inputs"
    if break_it == "a file":
        root.write_text("")
    elif break_it == "garbage":
        make_inputs(root)
        for path in root.rglob("*.csv"):
            path.write_bytes(b"\xff\xfe\x00" * 100)
    params = experiment_params(root)
    assert set(params) == set(PARAM_NAMES)
    assert all("examples" not in params[name].schema for name in LISTS)
    assert all(params[name].resolve() == [] for name in LISTS)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("k_max", [None, 1, 4], [0, "four", 1.5]),
        ("description_level", [None, "article"], ["novel", ""]),
        ("generation_temperature", [None, 0, 0.7, 2], [-0.1, 2.1, "hot"]),
        ("max_failed_fraction", [None, 0, 1], [1.1]),
        ("max_cost_usd", [None, 0, 12.5], [-1]),
        ("approve_above_usd", [None, 0, 0.5], [-0.1, "ask"]),
        ("shard_size", [None, 1, 100], [0, 2.5]),
        ("on_stale", [None, "archive"], ["ask"]),
        ("concepts", [[], ["moat"]], [[1], "moat"]),
        ("experiment_id", [None, "mine"], [5]),
        ("dry_run", [None, True, False], ["yes"]),
    ],
)
def test_the_form_takes_what_the_parameters_allow(root, name, good, bad):
    from airflow.sdk.exceptions import ParamValidationError

    param = experiment_params(root)[name]
    for value in good:
        assert param.resolve(value) == value
    for value in bad:
        with pytest.raises(ParamValidationError):
            param.resolve(value)
