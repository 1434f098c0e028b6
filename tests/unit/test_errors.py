from __future__ import annotations

import inspect
import pickle

import pytest

from daydreaming import errors
from daydreaming.errors import (
    DaydreamingError,
    EssayParseError,
    InputError,
    LLMTransientError,
    MissingResponseError,
    ParseError,
    ScoreParseError,
    StaleResponseError,
    StoreError,
)


def test_an_input_error_holds_every_problem_a_line_each():
    error = InputError(["models.csv, row 2: bad", "models.csv, row 3: worse"])
    assert error.problems == ("models.csv, row 2: bad", "models.csv, row 3: worse")
    assert str(error) == "models.csv, row 2: bad\nmodels.csv, row 3: worse"


def test_one_problem_may_be_given_as_text():
    assert InputError("only this").problems == ("only this",)


def test_a_transient_error_keeps_what_the_provider_asked_to_wait():
    assert LLMTransientError("busy", 2.5).retry_after_s == 2.5
    assert LLMTransientError("busy").retry_after_s is None


@pytest.mark.parametrize(
    "error",
    [
        InputError(["a", "b"]),
        LLMTransientError("busy", 3.0),
        StaleResponseError("old"),
        EssayParseError("none"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_the_way_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert getattr(copy, "problems", None) == getattr(error, "problems", None)
    assert getattr(copy, "retry_after_s", None) == getattr(error, "retry_after_s", None)


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (StaleResponseError, StoreError),
        (MissingResponseError, StoreError),
        (EssayParseError, ParseError),
        (ScoreParseError, ParseError),
    ],
)
def test_a_special_error_can_be_caught_as_the_general_one(child, parent):
    assert issubclass(child, parent)


def test_every_error_of_the_module_has_one_base():
    found = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
    classes = [c for c in found if issubclass(c, BaseException)]
    assert len(classes) > 5
    assert all(issubclass(c, DaydreamingError) for c in classes)
