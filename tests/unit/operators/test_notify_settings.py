"""Who is told of what, as the environment says."""

from __future__ import annotations

import tomllib

import pytest

from daydreaming.operators import notify_settings
from daydreaming.operators.notify_settings import NotifySettings, Target, missing_providers
from daydreaming.settings import project_root

ADA = Target("smtp", "ada@example.org", "smtp_default")
ROOM = Target("slack", "#lab", "slack_api_default")


def test_nothing_is_set_by_default():
    wanted = NotifySettings.from_env({})
    assert wanted == NotifySettings()
    assert (wanted.targets, wanted.problems) == ((), ())


def test_targets_are_read_by_occasion_and_in_their_order():
    env = {
        "DAYDREAMING_NOTIFY_SUCCESS": " slack:#lab , smtp:ada@example.org,slack:#lab",
        "DAYDREAMING_NOTIFY_FAILURE": "slackwebhook:lab_hook",
        "DAYDREAMING_NOTIFY_BUDGET": "smtp:ada@example.org,",
    }
    wanted = NotifySettings.from_env(env)
    hook = Target("slackwebhook", "", "lab_hook")
    assert wanted == NotifySettings((ROOM, ADA), (hook,), (ADA,))
    assert wanted.targets == (ROOM, ADA, hook)
    assert [str(target) for target in wanted.targets] == [
        "slack:#lab", "smtp:ada@example.org", "slackwebhook:lab_hook",
    ]  # fmt: skip


def test_connections_may_have_other_names():
    env = {
        "DAYDREAMING_NOTIFY_FAILURE": "smtp:ada@example.org,slack:#lab",
        "DAYDREAMING_NOTIFY_SMTP_CONN": "mail",
        "DAYDREAMING_NOTIFY_SLACK_CONN": "chat",
    }
    assert [target.conn_id for target in NotifySettings.from_env(env).failure] == ["mail", "chat"]


@pytest.mark.parametrize(
    "item",
    [
        "ada@example.org",
        "smtp:",
        "smtp:ada",
        "smtp:a@b;c@d",
        "smtp:ada@example.org>",
        "slack:",
        "slack:# lab",
        "slackwebhook:",
        "slackwebhook:https://hooks.slack.com/services/T/B/secret",
        "fax:123",
    ],
)
def test_what_is_no_target_is_left_out_and_told(item):
    wanted = NotifySettings.from_env({"DAYDREAMING_NOTIFY_FAILURE": f"{item},smtp:ada@example.org"})
    assert wanted.failure == (ADA,)
    [problem] = wanted.problems
    assert problem.startswith("DAYDREAMING_NOTIFY_FAILURE must be smtp:ADDRESS, slack:#CHANNEL or")
    assert f"got {item!r}" in problem


@pytest.mark.parametrize(
    ("text", "hours"), [("6", 6.0), ("0.5", 0.5), ("168", 168.0), ("", None), (" ", None)]
)
def test_the_deadline_is_in_hours(text, hours):
    env = {"DAYDREAMING_NIGHTLY_DEADLINE_H": text, "DAYDREAMING_NOTIFY_FAILURE": "slack:#lab"}
    wanted = NotifySettings.from_env(env)
    assert (wanted.nightly_deadline_h, wanted.problems) == (hours, ())


@pytest.mark.parametrize("text", ["0", "-1", "169", "six", "nan", "inf"])
def test_a_deadline_that_is_none_is_told(text):
    env = {"DAYDREAMING_NIGHTLY_DEADLINE_H": text, "DAYDREAMING_NOTIFY_FAILURE": "slack:#lab"}
    wanted = NotifySettings.from_env(env)
    assert wanted.nightly_deadline_h is None
    assert f"more than 0 and at most 168; got {text!r}" in wanted.problems[0]


def test_a_deadline_without_anybody_to_tell_is_told():
    [problem] = NotifySettings.from_env({"DAYDREAMING_NIGHTLY_DEADLINE_H": "6"}).problems
    assert "DAYDREAMING_NOTIFY_FAILURE names nobody" in problem


def test_a_provider_that_is_not_installed_is_named_with_its_package(monkeypatch):
    assert missing_providers((ADA, ROOM)) == []
    monkeypatch.setitem(notify_settings._PROVIDERS, "slack", "airflow.providers.no_such")
    [problem] = missing_providers((ADA, ROOM))
    assert problem.startswith("slack:#lab: airflow.providers.no_such is not installed, so nobody is told.")
    assert "pip install apache-airflow-providers-no_such" in problem
    monkeypatch.setitem(notify_settings._PROVIDERS, "slack", "no_such_root.providers.slack")
    assert len(missing_providers((ROOM,))) == 1


def test_the_extras_are_what_the_requirements_file_asks_for():
    project = tomllib.loads((project_root() / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = (project_root() / "requirements-notify.txt").read_text().splitlines()
    assert sorted(extras["smtp"] + extras["slack"]) == [line for line in lines if not line.startswith("#")]
