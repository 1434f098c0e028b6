from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.integration.faulty_experiment import CONFIG, ENVIRONMENT, EXPERIMENT, write_inputs


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """One Airflow for all files that can share it, for it takes long to start; its provider has faults."""
    folder = tmp_path_factory.mktemp("deployment")
    write_inputs(folder / "inputs", faulty=EXPERIMENT, tonight=f"schedule: nightly\n{EXPERIMENT}")
    with running_airflow(folder, CONFIG, ENVIRONMENT) as deployment:
        yield deployment
