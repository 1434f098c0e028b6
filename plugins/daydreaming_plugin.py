"""What DayDreaming adds to Airflow's own services. Thin: each service and each task process loads it."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from daydreaming.operators import preload
from daydreaming.operators.links import cell_links
from daydreaming.ui.lazy import URL_PREFIX, LazyApp

_FRAME = "experiments"


class DaydreamingPlugin(AirflowPlugin):
    """Registers the listener that loads ahead of forks, the Experiments page, and links to it."""

    name = "daydreaming"
    listeners = [preload]  # noqa: RUF012 - Airflow's own names and shapes
    operator_extra_links = cell_links(URL_PREFIX, _FRAME)
    fastapi_apps = [{"app": LazyApp(), "url_prefix": URL_PREFIX, "name": "DayDreaming"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Experiments",
            "href": f"{URL_PREFIX}/",
            "destination": "nav",
            "url_route": _FRAME,
            "icon": f"{URL_PREFIX}/static/icon.svg",
            "nav_top_level": True,
        },
        {
            "name": "Experiment",
            "href": f"{URL_PREFIX}/run?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "experiment",
        },
    ]
