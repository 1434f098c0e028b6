from __future__ import annotations

import pytest

from daydreaming.cli.up import refuse_night_settings
from daydreaming.cli.usage import usage_text
from daydreaming.errors import InputError


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("cost", "demo", "--cap", "abc"), "--cap must be a number; got 'abc'."),
        (("cost", "demo", "--cap=abc"), "--cap must be a number; got 'abc'."),
        (("essays", "demo", "--top", "0"), "--top must be at least 1; got '0'."),
        (("query", "--limit", "x"), "--limit must be a whole number; got 'x'."),
        (("up", "--port", "99999"), "--port must be at most 65535; got '99999'."),
        (("plan", ""), "Name a saved experiment: an empty name would mean everything that is active."),
    ],
)
def test_a_refused_value_is_one_line_with_the_rule_and_the_value(settings, daydreaming, arguments, line):
    result = daydreaming(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"Error: {line}")
    assert len(result.err.splitlines()) == 1


def test_what_has_no_rule_keeps_its_words():
    assert usage_text("No such option: --x", ["--x"]) == "No such option: --x See `daydreaming --help`."


def test_an_experiment_that_is_looked_for_in_no_folder_names_the_folder(settings, daydreaming, monkeypatch):
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", "/nonexistent")
    assert "none in /nonexistent/experiments (DAYDREAMING_INPUTS_ROOT)" in daydreaming("plan", "demo").err


def test_of_many_names_the_nearest_are_shown(settings, daydreaming):
    err = daydreaming("plan", "demo", "--set", "kmax=2").err
    assert "Did you mean k_max? Parameters: " in err
    assert err.rstrip().endswith(" more.")
    assert len(err) < 250


@pytest.mark.parametrize(
    ("name", "value"),
    [("DAYDREAMING_NIGHTLY_SCHEDULE", "every night"), ("DAYDREAMING_NIGHTLY_DEADLINE_H", "500")],
)
def test_up_refuses_a_night_that_cannot_be_planned(name, value):
    refuse_night_settings({})
    with pytest.raises(InputError, match=f"^{name} must be .*got '{value}'"):
        refuse_night_settings({name: value})
