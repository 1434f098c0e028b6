"""Which pages there are, and what their parameters may be of an experiment that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode

from fastapi import FastAPI

from daydreaming.settings import DAG_ID, Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_experiment
from daydreaming.store.ratings import read_ratings

_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


def operations(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of each route of ours, as the schema names them."""
    for path, methods in app.openapi()["paths"].items():
        yield from ((method.upper(), path) for method in methods)


def known_values(settings: Settings, experiment_id: str) -> dict[str, str]:
    """Values of parameters, of paths and queries, that mean something of an experiment with ratings."""
    engine = engine_for(settings)
    planned = cells_of_experiment(engine, experiment_id, "generation")
    (first, (run_id, cell)), (second, _) = list(planned.items())[:2]
    return {
        "experiment_id": experiment_id,
        "generation_id": first,
        "left": first,
        "right": second,
        "run_id": run_id,
        "dag_id": DAG_ID,
        "task_id": "generate",
        "map_index": str(cell.map_index),
        "name": "factor_levels",
        "q": "what",
        "rating_id": next(r.rating_id for r in read_ratings(engine) if r.generation_task_id in planned),
    }


def address(path: str, values: Mapping[str, str], query: Mapping[str, object] = {}) -> str:
    """A route's path with values for its parameters, and a query.

    Raises:
        KeyError: A parameter that the values do not name: name it in ``known_values``.
    """
    filled = _PARAMETER.sub(lambda match: quote(values[match[1]], safe=""), path)
    return f"{filled}?{urlencode(query, doseq=True)}" if query else filled


def page_paths(app: FastAPI) -> dict[str, str]:
    """Path of each page by the name of its route."""
    return {
        operation["get"]["summary"].lower().replace(" ", "_"): path
        for path, operation in app.openapi()["paths"].items()
        if "get" in operation
    }


def page_address(app: FastAPI, path: str, values: Mapping[str, str], **query: object) -> str:
    """Address of a page: with the parts of its query that it cannot do without."""
    parameters = app.openapi()["paths"][path]["get"].get("parameters", [])
    asked = {p["name"]: values[p["name"]] for p in parameters if p["in"] == "query" and p["required"]}
    return address(path, values, {**asked, **query})
