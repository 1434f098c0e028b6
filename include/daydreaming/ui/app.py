"""The application: routes behind Airflow's login, headers, errors as pages."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from daydreaming.errors import InputError, StoreError
from daydreaming.ui.access import visitor
from daydreaming.ui.headers import SecurityHeaders
from daydreaming.ui.pages import page
from daydreaming.ui.routes import (
    cells,
    chart_colours,
    compare,
    essays,
    experiment,
    experiments,
    failures,
    rating,
    report,
    runs,
    search,
)
from daydreaming.ui.static_files import VersionedFiles

_LOG = logging.getLogger(__name__)
_TITLES = {
    401: "Not logged in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    422: "Not understood",
    503: "Not available now",
}


def create_app() -> FastAPI:
    """All pages; each asks Airflow who the visitor is."""
    # The schema would be served to everybody, as FastAPI's own pages of it would.
    app = FastAPI(title="DayDreaming experiments", openapi_url=None)
    for module in (
        experiments,
        rating,
        essays,
        experiment,
        failures,
        runs,
        chart_colours,
        compare,
        search,
        cells,
        report,
    ):
        app.include_router(module.router, dependencies=[Depends(visitor)])
    # Looks and behaviour only, the same for everybody: an error page needs them before the login.
    app.mount("/static", VersionedFiles(), name="static")
    app.add_middleware(SecurityHeaders)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(InputError, _unknown)
    app.add_exception_handler(StoreError, _out_of_reach)
    app.add_exception_handler(SQLAlchemyError, _no_database)
    return app


def _refused(request: Request, error: Any) -> Response:
    return _error_page(request, error.status_code, str(error.detail))


def _not_understood(request: Request, error: Any) -> Response:
    problems = (
        f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}, got {e.get('input')!r}" for e in error.errors()
    )
    return _error_page(request, 422, "; ".join(problems))


def _unknown(request: Request, error: Any) -> Response:
    return _error_page(request, 404, str(error))


def _out_of_reach(request: Request, error: Any) -> Response:
    return _error_page(request, 503, str(error))


def _no_database(request: Request, error: Any) -> Response:
    # What it says names hosts, tables and statements: that is for who reads the log.
    _LOG.error("The results database cannot be used.", exc_info=error)
    message = (
        f"The results database cannot be used ({type(error).__name__}). The log of the API server says why; "
        "where its tables are missing, `daydreaming migrate` makes them."
    )
    return _error_page(request, 503, message)


def _error_page(request: Request, status: int, message: str) -> Response:
    title = _TITLES.get(status, "Not possible")
    return page(request, "error.html", None, status=status, title=title, status_code=status, message=message)
