"""What DayDreaming adds to Airflow's own services. Thin: each service and each task process loads it."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from daydreaming.operators import preload


class DaydreamingPlugin(AirflowPlugin):
    """Registers the listener that loads ahead of forks."""

    name = "daydreaming"
    listeners = [preload]  # noqa: RUF012 - Airflow's own name and shape
