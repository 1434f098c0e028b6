"""Tell people how runs end: Airflow notifiers around the messages of ``pipeline/notice.py``.

A run's callbacks are called in the DAG processor, a missed deadline's in the triggerer. Both send
through the notifiers of Airflow's providers, which are extras (``pip install daydreaming[smtp,slack]``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier, conf

from daydreaming.errors import DaydreamingError
from daydreaming.operators.notify_settings import NotifySettings, Target, missing_providers
from daydreaming.settings import DAG_ID, Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from daydreaming.pipeline.notice import EndedRun, Notice, State

#: The DAG processor ends a callback's process after 50 seconds.
SEND_TIMEOUT_S = 30
_NIGHTLY_DAG_ID = "daydream_nightly"


class RunNotifier(BaseNotifier):
    """Tell who wants to know that a run of the experiment DAG has ended.

    It never raises: a message that cannot be sent is a line in the log of the DAG processor.

    Args:
        state: ``success`` or ``failed``.
    """

    def __init__(self, state: State, context: Context | None = None) -> None:
        super().__init__(context)
        self.state = state

    def notify(self, context: Context) -> None:
        """Send the message of the end, and that of calls which a budget stopped."""
        settings, wanted = Settings.from_env(), NotifySettings.from_env()
        run, now = ended_run(context, self.state), datetime.now(UTC)
        targets = wanted.success if self.state == "success" else wanted.failure
        for notice, told in _run_notices(settings, run, now, targets, wanted.budget):
            for problem in send(notice, told):
                self.log.error("%s", problem)


class NightNotifier(BaseNotifier):
    """Tell who is told of failures that a night is not over at its deadline."""

    async def async_notify(self, context: Context) -> None:
        """Send the message; called in the triggerer."""
        problems = await asyncio.to_thread(_tell_of_night, context)
        for problem in problems:
            self.log.error("%s", problem)


def notify_problems() -> list[str]:
    """One line for everything that keeps people from being told: values, providers, connections."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    wanted = NotifySettings.from_env()
    problems = [*wanted.problems, *missing_providers(wanted.targets)]
    for conn_id, target in {target.conn_id: target for target in wanted.targets}.items():
        lacking = f"{target}: nobody is told, for the Airflow connection {conn_id!r}"
        try:
            connection = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            problems.append(f"{lacking} is not defined.")
            continue
        if target.kind == "smtp" and not connection.extra_dejson.get("from_email"):
            problems.append(f"{lacking} has no from_email in its extra.")
    return problems


def ended_run(context: Context, state: State) -> EndedRun:
    """What Airflow's context says of a run; where it knows no task, little more than its ID."""
    from daydreaming.pipeline.notice import EndedRun

    run_id, dag_run, ti = str(context["run_id"]), context.get("dag_run"), context.get("ti")
    return EndedRun(
        run_id,
        state,
        failed_task=str(ti.task_id) if ti and state == "failed" else "",
        conf=getattr(dag_run, "conf", None),
        began_at=getattr(dag_run, "start_date", None),
        url=_run_url(DAG_ID, run_id),
    )


def send(notice: Notice, targets: Sequence[Target]) -> list[str]:
    """Send a message to each target, at once; returns a line for each that failed."""
    if not targets:
        return []
    with ThreadPoolExecutor(len(targets), thread_name_prefix="daydreaming-notify") as threads:
        return [
            problem for problem in threads.map(lambda target: _send_one(notice, target), targets) if problem
        ]


def _send_one(notice: Notice, target: Target) -> str:
    """Send to one target; returns why that failed, or ''."""
    missing = missing_providers((target,))
    if missing:
        return missing[0]
    try:
        # Not by calling it: that would render the message as a template, and it holds texts by strangers.
        _NOTIFIERS[target.kind](notice, target).notify({})
    except Exception as error:  # noqa: BLE001 - the others are to be told, whatever this one's server does
        why = " ".join(str(error).split()) or "no reason given"
        return f"{target} was not told ({type(error).__name__}: {why}): {notice.subject}"
    return ""


def _smtp(notice: Notice, target: Target) -> BaseNotifier:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    paragraphs = "".join(f"<p>{escape(line)}</p>\n" for line in notice.lines)
    notifier: BaseNotifier = SmtpNotifier(
        to=target.address, subject=notice.subject, html_content=paragraphs, smtp_conn_id=target.conn_id
    )
    return notifier


def _slack(notice: Notice, target: Target) -> BaseNotifier:
    from airflow.providers.slack.notifications.slack import SlackNotifier

    notifier: BaseNotifier = SlackNotifier(
        slack_conn_id=target.conn_id,
        channel=target.address,
        text=_slack_text(notice),
        unfurl_links=False,
        timeout=SEND_TIMEOUT_S,
    )
    return notifier


def _slack_webhook(notice: Notice, target: Target) -> BaseNotifier:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    notifier: BaseNotifier = SlackWebhookNotifier(
        slack_webhook_conn_id=target.conn_id,
        text=_slack_text(notice),
        unfurl_links=False,
        timeout=SEND_TIMEOUT_S,
    )
    return notifier


_NOTIFIERS: dict[str, Callable[[Notice, Target], BaseNotifier]] = {
    "smtp": _smtp,
    "slack": _slack,
    "slackwebhook": _slack_webhook,
}


def _slack_text(notice: Notice) -> str:
    """Slack reads three characters as markup of its own: mentions and links are made with them."""
    return escape(f"{notice.subject}\n{notice.text}", quote=False)


def _run_notices(
    settings: Settings,
    run: EndedRun,
    now: datetime,
    targets: Sequence[Target],
    budget_targets: Sequence[Target],
) -> list[tuple[Notice, Sequence[Target]]]:
    """Messages and whom they go to."""
    from sqlalchemy.exc import SQLAlchemyError

    from daydreaming.pipeline.notice import budget_notice, is_quiet, run_notice, unknown_notice

    try:
        if is_quiet(settings, run):
            return []
        notices = [(run_notice(settings, run, now), targets)] if targets else []
        refused = budget_notice(settings, run, now) if budget_targets else None
    except (DaydreamingError, OSError, SQLAlchemyError) as error:
        return [(unknown_notice(run, error), targets)]
    return [*notices, *([(refused, budget_targets)] if refused else [])]


def _tell_of_night(context: Context) -> list[str]:
    from sqlalchemy.exc import SQLAlchemyError

    from daydreaming.pipeline.notice import night_notice, unknown_night_notice

    dag_run: Any = context.get("dag_run") or {}
    due = datetime.fromisoformat(str(dag_run.get("run_after")))
    url = _run_url(_NIGHTLY_DAG_ID, str(dag_run.get("dag_run_id")))
    now = datetime.now(UTC)
    try:
        notice = night_notice(Settings.from_env(), due, now, url)
    except (DaydreamingError, OSError, SQLAlchemyError) as error:
        notice = unknown_night_notice(due, now, error, url)
    return send(notice, NotifySettings.from_env().failure)


def _run_url(dag_id: str, run_id: str) -> str:
    base = conf.get("api", "base_url", fallback="")
    return f"{base.rstrip('/')}/dags/{dag_id}/runs/{quote(run_id, safe='')}" if base else ""
