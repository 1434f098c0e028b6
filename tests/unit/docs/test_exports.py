"""What the documents export is set by a real shell, and then read as the product reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook
from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.io import get_fs
from sqlalchemy import make_url

from daydreaming.cli.environment import Home, airflow_environment
from daydreaming.operators.connections import limits_in_airflow, require_connections
from daydreaming.operators.notifiers import notify_problems
from daydreaming.operators.notify_settings import NotifySettings, Target
from daydreaming.settings import Settings
from daydreaming.store.database import results_url
from tests.support.documents import Block, Command, all_blocks, block_with, claimed, commands
from tests.support.shell import type_in_shell

Export = Callable[..., None]

MY_SERVER = [b for b in all_blocks("sh") if "AIRFLOW_CONN_MY_SERVER" in b.text]
BATCHES = block_with("docs/configuration.md", "AIRFLOW_CONN_CLAUDE_BATCH")
KEY = block_with("docs/configuration.md", "OPENROUTER_API_KEY")
LIMITED = block_with("docs/extending.md", "AIRFLOW_CONN_MISTRAL")
METRICS = block_with("docs/monitoring.md", "STATSD_ON")
TOLD_THROUGH = block_with("docs/notifications.md", "AIRFLOW_CONN_LAB_HOOK")
TOLD = block_with("docs/notifications.md", "DAYDREAMING_NOTIFY_FAILURE")
BUCKET = block_with("docs/object-storage.md", "DAYDREAMING_DATA_ROOT=s3")
STORE = block_with("docs/object-storage.md", "AIRFLOW_CONN_MY_STORE")


def _exports() -> Iterator[Command]:
    """Those of the blocks above; what is typed after them is another test's."""
    for command in claimed([*MY_SERVER, BATCHES, KEY, LIMITED, METRICS, TOLD_THROUGH, TOLD, BUCKET, STORE]):
        if command.program == "export":
            yield command


DOCUMENTED = tuple(_exports())

_BARE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    """Let a shell carry out the exports of blocks, and take over what they set."""

    def take_over(*blocks: Block) -> None:
        lines = [line for block in blocks for line in block.text.splitlines() if line.startswith("export ")]
        out = type_in_shell("\n".join([*lines, "env -0"]), tmp_path, _BARE).stdout
        found = dict(variable.split("=", 1) for variable in out.split("\0") if variable)
        wanted = {a.partition("=")[0] for b in blocks for c in commands(b) for a in c.arguments if "=" in a}
        assert wanted <= set(found)
        for name in wanted:
            monkeypatch.setenv(name, found[name])

    return take_over


@pytest.mark.parametrize("block", MY_SERVER, ids=str)
def test_a_server_is_a_connection_for_models(block: Block, export: Export) -> None:
    export(block)
    require_connections(["my_server"])
    connection = BaseHook.get_connection("my_server")
    assert (connection.host, connection.password) == ("http://127.0.0.1:8000/v1", "KEY")


def test_batches_have_a_connection_of_their_own_where_the_address_is_another(export: Export) -> None:
    export(BATCHES)
    require_connections(["openai", "claude"])
    batches = BaseHook.get_connection("claude_batch")
    assert (batches.conn_type, batches.host) == ("pydanticai", "https://api.anthropic.com")


def test_a_key_becomes_the_connection_of_openrouter(export: Export, tmp_path: Path) -> None:
    export(KEY)
    made = airflow_environment(Home(tmp_path), Settings.from_env(), port=1, local_llm_url=None)
    assert json.loads(made["AIRFLOW_CONN_OPENROUTER_DEFAULT"])["password"] == "sk-or-…"


def test_a_connection_says_the_limits_of_its_account(export: Export) -> None:
    export(LIMITED)
    require_connections(["mistral"])
    assert limits_in_airflow("mistral").given == {"rpm": 60}


def test_metrics_are_switched_on_with_tags(export: Export) -> None:
    export(METRICS)
    switched = {name: conf.getboolean("metrics", name) for name in ("statsd_on", "statsd_influxdb_enabled")}
    assert all(switched.values()), switched
    assert not conf.getboolean("metrics", "legacy_names_on")
    address = conf.get("metrics", "statsd_host"), conf.getint("metrics", "statsd_port")
    assert address == ("localhost", 9125)


def test_people_are_told_through_connections_that_are_complete(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(TOLD_THROUGH, TOLD)
    told = NotifySettings.from_env()
    mail = Target("smtp", "ada@example.org", "smtp_default")
    assert (told.failure, told.budget) == ((mail, Target("slack", "#lab", "slack_api_default")), (mail,))
    monkeypatch.setenv("DAYDREAMING_NOTIFY_SUCCESS", "slackwebhook:lab_hook")
    assert notify_problems() == []
    hook = SlackWebhookHook(slack_webhook_conn_id="lab_hook").client
    assert hook.url == "https://hooks.slack.com/services/…"


def test_a_bucket_is_the_data_root_and_postgresql_holds_the_results(export: Export) -> None:
    export(BUCKET)
    settings = Settings.from_env()
    assert str(settings.data_root) == "s3://my-bucket/daydreaming"
    assert make_url(results_url(settings)).host == "HOST"
    assert _opened_with(None) == ("https://s3.example.org", "eu-central-1", "…", "…")


def test_a_connection_may_hold_what_opens_the_bucket(export: Export) -> None:
    export(STORE)
    assert _opened_with("my_store") == ("https://s3.example.org", "eu-central-1", "KEY", "SECRET")


def _opened_with(conn_id: str | None) -> tuple[str, str, str, str]:
    """Address, region and credentials of a client of the store; nothing is sent."""
    store = get_fs("s3", conn_id)
    type(store).clear_instance_cache()
    store.connect()
    meta, credentials = store._s3.meta, store._s3._request_signer._credentials
    return meta.endpoint_url, meta.region_name, credentials.access_key, credentials.secret_key
