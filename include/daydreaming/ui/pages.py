"""Fill a template, with the addresses and formats that all pages share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from daydreaming.pipeline.reader import is_import
from daydreaming.ui import formats
from daydreaming.ui.access import Visitor
from daydreaming.ui.lazy import URL_PREFIX
from daydreaming.ui.static_files import file_version


def page(
    request: Request, template: str, who: Visitor | None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page or a part of one.

    Args:
        request: Tells where the application is mounted.
        template: File in ``templates``.
        who: The user; None on an error page of nobody known.
        status: HTTP status.
        **values: What the template reads.
    """
    text = _environment().get_template(template).render(at=Addresses(request), who=who, **values)
    return HTMLResponse(text, status)


class Addresses:
    """Addresses of our pages and of Airflow's, wherever Airflow itself is mounted."""

    def __init__(self, request: Request) -> None:
        self._ours = str(request.scope.get("root_path", "")).rstrip("/")
        self._airflow = self._ours.removesuffix(URL_PREFIX)

    def __call__(self, *parts: str, **query: Any) -> str:
        """Address of one of our pages.

        Args:
            *parts: Of the path: each is quoted, so that an ID may hold anything.
            **query: Parameters; None leaves one out, a list repeats it.
        """
        given = {name: value for name, value in query.items() if value is not None and value != ""}
        path = (
            "/".join((self._ours, *(quote(part, safe="") for part in parts))) if parts else f"{self._ours}/"
        )
        return f"{path}?{urlencode(given, doseq=True)}" if given else path

    def static(self, name: str) -> str:
        """Address of a file in ``static``: its content is in the address, so that a browser may keep it."""
        return f"{self._ours}/static/{name}?v={file_version(name)}"

    def airflow(self, *parts: str) -> str:
        """Address of a page of Airflow's."""
        return "/".join((self._airflow, *(quote(part, safe="~") for part in parts)))

    def instance(self, dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> str:
        """Address of a task instance in Airflow's grid, where it can be cleared."""
        parts = ("dags", dag_id, "runs", run_id, "tasks", task_id)
        return self.airflow(*parts, *(() if map_index is None else ("mapped", str(map_index))))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("daydreaming.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {name: getattr(formats, name) for name in formats.__all__}
    environment.filters.update(filters)
    environment.tests["import_of"] = is_import
    return environment
