from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.integration.faulty_experiment import CONFIG, ENVIRONMENT, EXPERIMENT, write_inputs
from tests.support.message_sinks import MailSink, mail_sink
from tests.support.statsd_sink import StatsdSink, statsd_environment

#: Told of everything; a night is late as soon as it has begun.
TOLD = {
    **dict.fromkeys(
        [f"DAYDREAMING_NOTIFY_{occasion}" for occasion in ("SUCCESS", "FAILURE", "BUDGET")],
        "smtp:ada@example.org",
    ),
    "DAYDREAMING_NIGHTLY_DEADLINE_H": "0.001",
}


@pytest.fixture(scope="session")
def mail() -> Iterator[MailSink]:
    """The server of whoever is told."""
    with mail_sink() as sink:
        yield sink


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsdSink]:
    """The server that all services send their metrics to."""
    sink = StatsdSink()
    with sink.kept_up():
        yield sink
    sink.close()


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, mail: MailSink, statsd: StatsdSink
) -> Iterator[RunningAirflow]:
    """One Airflow for all files that can share it, for it takes long to start; its provider has faults."""
    folder = tmp_path_factory.mktemp("deployment")
    write_inputs(folder / "inputs", faulty=EXPERIMENT, tonight=f"schedule: nightly\n{EXPERIMENT}")
    environment = {
        **ENVIRONMENT,
        **TOLD,
        **statsd_environment(statsd.port),
        "AIRFLOW_CONN_SMTP_DEFAULT": mail.connection(),
    }
    with running_airflow(folder, CONFIG, environment) as deployment:
        yield deployment
