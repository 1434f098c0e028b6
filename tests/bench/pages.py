"""How long the server takes for each page of the Experiments page, on a large finished experiment.

In process: what is measured is the page itself, without Airflow, its login and the network.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_experiment
from daydreaming.ui.access import Visitor, visitor
from daydreaming.ui.app import create_app
from tests.support.made_data import make_experiment
from tests.support.made_design import MadeDesign
from tests.support.site import known_values, page_address, page_paths

EXPERIMENT = "made"
REQUESTS = 30
RATER = "ada"
_SEARCHES = ("market", "quiet critic", '"the night watch"', "gard*", "argues against drafts")
#: By name: the page, and the query that makes another list of it; beside each page as it opens.
_VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "essays_filtered": ("essays", {"generation_template": "dialogue", "min_score": 5}),
    "essays_disputed": ("essays", {"sort": "sd", "order": "desc"}),
    "essays_last": ("essays", {"page": 202}),
    "matrix_by_combination": (
        "experiment_matrix",
        {"rows": "combination", "columns": "evaluation_model", "value": "mean"},
    ),
}


def measure_pages(folder: Path, design: MadeDesign, requests: int = REQUESTS) -> dict[str, Any]:
    """Make the experiment with its tables, then ask for each page.

    Returns:
        By page: milliseconds of the first request, and the median and 95th percentile of those after it.
    """
    # Airflow, which comes with the pages, lets logs tell on the standard output, which is for the figures.
    logging.disable(logging.INFO)
    settings = Settings(folder / "inputs", folder / "data")
    began = time.perf_counter()
    make_experiment(settings, design, experiment_id=EXPERIMENT, rater=RATER, with_tables=True)
    made_s = time.perf_counter() - began
    return {"pages_made_s": round(made_s, 1), **measure_pages_of(settings, requests)}


def measure_pages_of(settings: Settings, requests: int = REQUESTS) -> dict[str, Any]:
    """The same of an experiment that is there."""
    counts = {
        f"pages_{stage}s": len(cells_of_experiment(engine_for(settings), EXPERIMENT, stage))
        for stage in ("generation", "evaluation")
    }
    found: dict[str, Any] = {}
    app = create_app()
    app.dependency_overrides[visitor] = lambda: Visitor("1", RATER, may_rate=True)
    with _environment(settings), TestClient(app, base_url="http://127.0.0.1") as site:
        pages = page_requests(app, settings)
        found |= _index_texts(site, pages["search_part"](0))
        for name, addresses in pages.items():
            times = [_ask(site, addresses(number))[0] for number in range(requests + 1)]
            found |= {
                f"page_{name}_first_ms": round(times[0], 1),
                f"page_{name}_ms_p50": round(median(times[1:]), 1),
                f"page_{name}_ms_p95": round(sorted(times[1:])[math.ceil(0.95 * requests) - 1], 1),
            }
    return {**counts, **found}


def page_requests(app: FastAPI, settings: Settings) -> dict[str, Callable[[int], str]]:
    """By page: the address of its n-th request; other essays and other searches each time."""
    values = known_values(settings, EXPERIMENT)
    essays = list(cells_of_experiment(engine_for(settings), EXPERIMENT, "generation"))
    paths = page_paths(app)
    pages = {name: (path, {}) for name, path in paths.items()}
    pages |= {name: (paths[page], query) for name, (page, query) in _VARIANTS.items() if page in paths}

    def addresses(path: str, query: dict[str, object]) -> Callable[[int], str]:
        def number(n: int) -> str:
            place = (n * 331) % len(essays)
            own = {"generation_id": essays[place], "left": essays[place], "right": essays[place - 1]}
            return page_address(app, path, {**values, **own, "q": _SEARCHES[n % len(_SEARCHES)]}, **query)

        return number

    return {name: addresses(path, query) for name, (path, query) in pages.items()}


def _index_texts(site: TestClient, address: str) -> dict[str, Any]:
    """Ask for a search again and again, as its page does, until all texts are in the index."""
    times: list[float] = []
    text = "data-refresh"
    while "data-refresh" in text:
        took_ms, text = _ask(site, address)
        times.append(took_ms)
    return {
        "page_search_indexing_requests": len(times),
        "page_search_indexing_ms_p50": round(median(times), 1),
        "page_search_indexing_ms_max": round(max(times), 1),
    }


def _ask(site: TestClient, address: str) -> tuple[float, str]:
    """Milliseconds until a page is there, and its text."""
    began = time.perf_counter()
    answer = site.get(address, follow_redirects=False)
    took_ms = 1000 * (time.perf_counter() - began)
    if answer.status_code not in (200, 303):
        raise SystemExit(f"{address} answers {answer.status_code}: {answer.text[:500]}")
    return took_ms, answer.text


@contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    names = {
        "DAYDREAMING_INPUTS_ROOT": str(settings.inputs_root),
        "DAYDREAMING_DATA_ROOT": str(settings.data_root),
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
