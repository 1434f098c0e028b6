from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.connection_limits import ConnectionLimits
from daydreaming.pipeline.env_connections import limits_in_env

LIMITS = {"rpm": 20, "models": {"prov/m": {"rpd": 50}}}
EXTRA = {"rate_limits": LIMITS, "openai_client_kwargs": {}}
KEY = "sk-very-secret-0123456789"


def read(text: str, conn_id: str = "My_llm") -> ConnectionLimits | None:
    return limits_in_env(conn_id, {"AIRFLOW_CONN_MY_LLM": text})


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"conn_type": "openai", "password": KEY, "extra": EXTRA}),
        json.dumps({"conn_type": "openai", "password": KEY, "extra": json.dumps(EXTRA)}),
        f"  {json.dumps({'extra': EXTRA})}\n",
        f"openai://:{KEY}@host/v1?__extra__={quote(json.dumps(EXTRA))}",
    ],
)
def test_limits_are_read_from_each_form_of_a_connection(text):
    assert read(text) == ConnectionLimits("My_llm", LIMITS)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"extra": null}',
        '{"extra": ""}',
        '{"extra": {}}',
        '{"extra": [1]}',
        f"openai://:{KEY}@host/v1",
        f"openai://:{KEY}@host/v1?__extra__=",
        f"openai://:{KEY}@host/v1?timeout=5",
    ],
)
def test_a_connection_that_sets_none_is_known_to_set_none(text):
    assert read(text) == ConnectionLimits("My_llm")


@pytest.mark.parametrize("text", ["", "  "])
def test_a_connection_that_is_not_there_is_not_known(text):
    assert read(text) is None
    assert limits_in_env("other", {"AIRFLOW_CONN_MY_LLM": "{}"}) is None


def test_the_environment_is_that_of_the_process(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MY_LLM", json.dumps({"extra": EXTRA}))
    assert limits_in_env("my_llm") == ConnectionLimits("my_llm", LIMITS)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f'{{"password": "{KEY}"',
        f'{{"extra": "{KEY}"}}',
        f"openai://:{KEY}@host/v1?__extra__={KEY}",
        f"openai://[{KEY}",
    ],
)
def test_one_that_cannot_be_read_is_named_and_its_key_is_not(text):
    with pytest.raises(InputError, match=r"^AIRFLOW_CONN_MY_LLM is neither a URI .* nor a JSON") as told:
        read(text)
    assert KEY not in str(told.value)
    assert told.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ('{"extra": {"rate_limits": {"rps": 1}}}', "got rps"),
        # As Airflow reads a URI: every value of its query is a text.
        (f"openai://host?rate_limits={quote(json.dumps(LIMITS))}", "got '{"),
    ],
)
def test_limits_that_cannot_be_used_are_told_as_the_trigger_tells_them(text, got):
    with pytest.raises(InputError, match=f"^Airflow connection 'My_llm': rate_limits in its extra .*{got}"):
        read(text)
