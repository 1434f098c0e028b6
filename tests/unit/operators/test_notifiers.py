"""The notifiers, through Airflow's own for e-mail and Slack, to servers of ours."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from daydreaming.errors import BudgetError, LLMPermanentError
from daydreaming.operators import notifiers, notify_settings
from daydreaming.operators.callbacks import night_deadline, run_callbacks
from daydreaming.operators.notifiers import NightNotifier, RunNotifier, notify_problems, send
from daydreaming.operators.notify_settings import Target
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.notice import Notice
from daydreaming.settings import Settings
from tests.support.experiments import answer_all, planned_run
from tests.support.finished_root import fail
from tests.support.message_sinks import MailSink, SlackSink, mail_sink, slack_sink, text_of

ADA = "smtp:ada@example.org"
NOTICE = Notice("A subject", ("One & <two>.", "{{ 1 + 1 }} <!channel>"))


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailSink]:
    with mail_sink() as sink:
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", sink.connection())
        yield sink


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackSink]:
    with slack_sink() as sink:
        monkeypatch.setenv("AIRFLOW_CONN_SLACK_API_DEFAULT", sink.connection())
        monkeypatch.setenv("AIRFLOW_CONN_LAB_HOOK", sink.webhook())
        yield sink


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of the services, with the settings of the test."""
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", str(settings.inputs_root))
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(settings.data_root))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/")
    return monkeypatch


def subjects(mail: MailSink) -> list[str]:
    return [str(message["Subject"]) for message in mail.messages]


class TestSend:
    """A message on its way."""

    def test_mail_shows_texts_by_strangers_as_they_are(self, mail):
        assert send(NOTICE, [Target("smtp", "ada@example.org", "smtp_default")]) == []
        [message] = mail.messages
        assert (message["To"], message["From"]) == ("ada@example.org", "airflow@example.org")
        assert message["Subject"] == "A subject"
        assert "<p>One &amp; &lt;two&gt;.</p>" in text_of(message)
        assert "{{ 1 + 1 }}" in text_of(message)

    def test_slack_reads_no_markup_in_it(self, slack):
        assert send(NOTICE, [Target("slack", "#lab", "slack_api_default")]) == []
        [(path, body)] = slack.posts
        assert path == "/api/chat.postMessage"
        assert body["channel"] == "#lab"
        assert body["text"] == "A subject\nOne &amp; &lt;two&gt;.\n{{ 1 + 1 }} &lt;!channel&gt;"

    def test_a_webhook_has_its_channel(self, slack):
        assert send(NOTICE, [Target("slackwebhook", "", "lab_hook")]) == []
        [(path, body)] = slack.posts
        assert path == "/services/T/B/secret"
        assert body["text"].startswith("A subject\nOne &amp;")

    def test_one_that_fails_is_a_line_and_keeps_no_other_from_being_told(self, mail, slack):
        mail.refuse = {"bob@example.org"}
        slack.answer = {"ok": False, "error": "channel_not_found"}
        targets = [
            Target("smtp", "bob@example.org", "smtp_default"),
            Target("slack", "#lab", "slack_api_default"),
            Target("smtp", "ada@example.org", "smtp_default"),
            Target("slackwebhook", "", "no_such"),
        ]
        bob, room, hook = send(NOTICE, targets)
        assert bob.startswith("smtp:bob@example.org was not told (SMTPRecipientsRefused: ")
        assert room.startswith("slack:#lab was not told (SlackApiError: ")
        assert "channel_not_found" in room
        assert hook.startswith("slackwebhook:no_such was not told (")
        assert all(line.endswith(": A subject") and "\n" not in line for line in (bob, room, hook))
        assert [message["To"] for message in mail.messages] == ["ada@example.org"]

    def test_without_its_provider_a_target_is_a_line(self, monkeypatch):
        monkeypatch.setitem(notify_settings._PROVIDERS, "smtp", "airflow.providers.no_such")
        [line] = send(NOTICE, [Target("smtp", "ada@example.org", "smtp_default")])
        assert "airflow.providers.no_such is not installed" in line

    def test_nobody_is_no_work(self):
        assert send(NOTICE, []) == []


class TestRun:
    """A run has ended: as the DAG processor calls it."""

    def _context(self, **more):
        return {"run_id": "run-1", "reason": "task_failure", **more}

    def test_success_tells_who_wants_success_alone(self, settings, environment, mail):
        planned_run(settings)
        answer_all(settings, "run-1")
        environment.setenv("DAYDREAMING_NOTIFY_SUCCESS", ADA)
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", "smtp:eve@example.org")
        RunNotifier("success")(self._context())
        [message] = mail.messages
        assert (message["Subject"], message["To"]) == ("daydreaming: demo succeeded", "ada@example.org")
        text = text_of(message)
        assert "Generations: 4 of 4 answered, 0 failed, 0 waiting." in text
        assert "https://airflow.example.org/dags/daydream_experiment/runs/run-1" in text

    def test_failure_names_the_task_that_airflow_names(self, settings, environment, mail):
        planned_run(settings)
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        RunNotifier("failed")(self._context(ti=SimpleNamespace(task_id="check_completeness")))
        assert subjects(mail) == ["daydreaming: demo failed"]
        assert "The task that failed last: check_completeness." in text_of(mail.messages[0])

    def test_a_budget_is_a_message_of_its_own_once(self, settings, environment, mail):
        planned_run(settings)
        for index in range(3):
            fail(
                open_call(settings, "run-1", "generation", index),
                BudgetError("cap is 1."),
                final=True,
                attempt=0,
            )
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", "smtp:eve@example.org")
        environment.setenv("DAYDREAMING_NOTIFY_BUDGET", ADA)
        RunNotifier("failed")(self._context())
        told = {str(message["To"]): str(message["Subject"]) for message in mail.messages}
        assert told == {
            "eve@example.org": "daydreaming: demo failed",
            "ada@example.org": "daydreaming: a budget stopped calls of demo",
        }
        assert len(mail.messages) == 2

    def test_a_refusal_from_before_the_run_was_cleared_is_not_told_again(self, settings, environment, mail):
        planned_run(settings)
        fail(open_call(settings, "run-1", "generation", 0), BudgetError("cap is 1."), final=True, attempt=0)
        environment.setenv("DAYDREAMING_NOTIFY_BUDGET", ADA)
        again = SimpleNamespace(start_date=datetime.now(UTC) + timedelta(days=4000), conf={})
        RunNotifier("success")(self._context(dag_run=again))
        assert mail.messages == []

    def test_without_a_refusal_who_waits_for_one_hears_nothing(self, settings, environment, mail):
        planned_run(settings)
        environment.setenv("DAYDREAMING_NOTIFY_BUDGET", ADA)
        RunNotifier("failed")(self._context())
        assert mail.messages == []

    @pytest.mark.parametrize(("state", "told"), [("success", 0), ("failed", 1)])
    def test_a_dry_run_tells_of_failure_alone(self, settings, environment, mail, state, told):
        planned_run(settings, dry_run=True)
        environment.setenv("DAYDREAMING_NOTIFY_SUCCESS", ADA)
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        RunNotifier(state)(self._context())
        assert len(mail.messages) == told

    def test_a_shard_leaves_it_to_the_run_that_planned_it(self, settings, environment, mail):
        planned_run(settings, shard_size=2)
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        RunNotifier("failed")({"run_id": "run-1~shard-2-of-2"})
        assert mail.messages == []
        RunNotifier("failed")(self._context())
        assert "Generations: 0 of 4 answered" in text_of(mail.messages[0])

    def test_a_run_that_failed_at_its_beginning_is_told_by_what_it_was_started_with(
        self, settings, environment, mail
    ):
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        RunNotifier("failed")(self._context(dag_run=SimpleNamespace(conf={"experiment": "demo"})))
        assert subjects(mail) == ["daydreaming: demo failed"]
        assert "It failed before its inputs were frozen" in text_of(mail.messages[0])

    def test_a_database_that_cannot_be_read_keeps_nothing_but_the_counts(self, settings, environment, mail):
        settings.data_root.mkdir()
        (settings.data_root / "results.sqlite3").touch()
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        RunNotifier("failed")(self._context())
        assert "Nothing more is known" in text_of(mail.messages[0])
        assert "no such table" in text_of(mail.messages[0])

    def test_a_server_that_is_down_is_a_line_in_the_log(self, settings, environment, capsys):
        planned_run(settings)
        connection = MailSink(port=1).connection(retry_limit=0)
        environment.setenv("AIRFLOW_CONN_SMTP_DEFAULT", connection)
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        RunNotifier("failed")(self._context())
        assert "smtp:ada@example.org was not told (ConnectionRefusedError" in capsys.readouterr().out


class TestNight:
    """A night is late: as the triggerer calls it."""

    DUE = datetime(2026, 3, 1, 2, tzinfo=UTC)

    def _notify(self):
        dag_run = {"run_after": self.DUE.isoformat(), "dag_run_id": "scheduled__2026-03-01T02:00:00+00:00"}

        async def missed() -> None:
            await NightNotifier(context={"dag_run": dag_run, "deadline": {"id": "1"}})

        asyncio.run(missed())

    def test_it_names_what_is_not_over(self, settings, environment, mail):
        planned_run(settings, "nightly__demo_2026-03-01", experiment_id="demo_2026-03-01")
        call = open_call(settings, "nightly__demo_2026-03-01", "generation", 0)
        fail(call, LLMPermanentError("no"), final=True)
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        self._notify()
        assert subjects(mail) == ["daydreaming: night of 2026-03-01: 1 of 1 experiments are not over"]
        text = text_of(mail.messages[0])
        assert "- demo_2026-03-01: 0 of 20 calls answered, 1 failed, 19 waiting" in text
        assert "daydreaming watch demo_2026-03-01" in text
        assert "dags/daydream_nightly/runs/scheduled__2026-03-01T02%3A00%3A00%2B00%3A00" in text

    def test_a_database_that_cannot_be_read_keeps_nothing_but_the_experiments(
        self, settings, environment, mail
    ):
        settings.data_root.mkdir()
        (settings.data_root / "results.sqlite3").touch()
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        self._notify()
        assert subjects(mail) == ["daydreaming: night of 2026-03-01: it is not over"]
        assert "no such table" in text_of(mail.messages[0])

    def test_what_has_not_begun_is_named_too(self, settings, environment, mail):
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        self._notify()
        assert "- demo_2026-03-01: has not begun, or failed at once" in text_of(mail.messages[0])

    def test_a_server_that_is_down_is_a_line_in_the_log(self, settings, environment, capsys):
        environment.setenv("AIRFLOW_CONN_SMTP_DEFAULT", MailSink(port=1).connection(retry_limit=0))
        environment.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        self._notify()
        assert "smtp:ada@example.org was not told" in capsys.readouterr().out


class TestCallbacks:
    """What the DAG files get."""

    @pytest.mark.parametrize(
        ("occasion", "callbacks"),
        [
            (None, {}),
            ("SUCCESS", {"on_success_callback": "success"}),
            ("FAILURE", {"on_failure_callback": "failed"}),
            ("BUDGET", {"on_success_callback": "success", "on_failure_callback": "failed"}),
        ],
    )
    def test_only_what_somebody_wants_to_hear_is_called(self, monkeypatch, occasion, callbacks):
        if occasion:
            monkeypatch.setenv(f"DAYDREAMING_NOTIFY_{occasion}", ADA)
        assert {name: notifier.state for name, notifier in run_callbacks().items()} == callbacks

    def test_a_tasks_own_process_has_none(self, monkeypatch):
        monkeypatch.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "daydream_experiment")
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "generate")
        assert run_callbacks() == {}

    @pytest.mark.parametrize(("hours", "failure"), [("", ADA), ("6", ""), ("soon", ADA)])
    def test_without_hours_or_anybody_to_tell_there_is_no_deadline(self, monkeypatch, hours, failure):
        monkeypatch.setenv("DAYDREAMING_NIGHTLY_DEADLINE_H", hours)
        monkeypatch.setenv("DAYDREAMING_NOTIFY_FAILURE", failure)
        assert night_deadline() is None

    def test_the_deadline_counts_from_when_the_night_was_queued(self, monkeypatch):
        monkeypatch.setenv("DAYDREAMING_NIGHTLY_DEADLINE_H", "1.5")
        monkeypatch.setenv("DAYDREAMING_NOTIFY_FAILURE", ADA)
        deadline = night_deadline()
        assert deadline is not None
        assert deadline.interval == timedelta(minutes=90)
        assert deadline.reference.reference_name == "DagRunQueuedAtDeadline"
        assert deadline.callback.path == "daydreaming.operators.notifiers.NightNotifier"


class TestProblems:
    """What `load_inputs` reports."""

    def test_none_where_nobody_is_told(self):
        assert notify_problems() == []

    def test_values_connections_and_senders_are_each_a_line(self, monkeypatch):
        monkeypatch.setenv("DAYDREAMING_NOTIFY_SUCCESS", "ada")
        monkeypatch.setenv("DAYDREAMING_NOTIFY_FAILURE", f"{ADA},slack:#lab,slackwebhook:no_such")
        sender = MailSink(port=25).connection(from_email="")
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", sender)
        value, mail, room, hook = notify_problems()
        assert "DAYDREAMING_NOTIFY_SUCCESS must be" in value
        assert mail == (
            "smtp:ada@example.org: nobody is told, for the Airflow connection 'smtp_default' has no "
            "from_email in its extra."
        )
        assert "'slack_api_default' is not defined" in room
        assert "'no_such' is not defined" in hook

    def test_a_complete_setting_has_none(self, monkeypatch, mail, slack):
        monkeypatch.setenv("DAYDREAMING_NOTIFY_FAILURE", f"{ADA},slack:#lab,slackwebhook:lab_hook")
        assert notify_problems() == []


def test_a_message_is_given_up_before_the_dag_processor_ends_its_process():
    from airflow.sdk import conf

    assert conf.getint("dag_processor", "dag_file_processor_timeout") > notifiers.SEND_TIMEOUT_S
