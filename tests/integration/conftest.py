from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.integration.faulty_experiment import CONFIG, ENVIRONMENT, EXPERIMENT, write_inputs
from tests.support.message_sinks import MailSink, mail_sink

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
def airflow(tmp_path_factory: pytest.TempPathFactory, mail: MailSink) -> Iterator[RunningAirflow]:
    """One Airflow for all files that can share it, for it takes long to start; its provider has faults."""
    folder = tmp_path_factory.mktemp("deployment")
    write_inputs(folder / "inputs", faulty=EXPERIMENT, tonight=f"schedule: nightly\n{EXPERIMENT}")
    environment = {**ENVIRONMENT, **TOLD, "AIRFLOW_CONN_SMTP_DEFAULT": mail.connection()}
    with running_airflow(folder, CONFIG, environment) as deployment:
        yield deployment
