"""The reference of what a script may send to Airflow: its calls, the conf of each DAG, our pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param

from daydreaming.inputs.params import ExperimentParams
from daydreaming.settings import DAG_ID, project_root
from daydreaming.ui.app import create_app
from daydreaming.ui.lazy import URL_PREFIX
from tests.support.dag_probe import dags_of

#: What is written by hand: Airflow's calls that matter, and what is above the parameters.
_HEAD = Path(__file__).with_suffix(".md")
_PAGES = """\
## Pages
Below `{prefix}`; for each, the session of a login or the header `Authorization: Bearer TOKEN` \
of a user who may read the DAG `{dag}`. They answer HTML. \
For data take `daydreaming … --json` and the CSV files.
"""


def rest_page() -> str:
    """Markdown: Airflow's calls that matter, the conf of each DAG, our pages."""
    pages = _PAGES.format(prefix=URL_PREFIX, dag=DAG_ID)
    parts = [_HEAD.read_text(encoding="utf-8"), *_dags(), pages, *_routes()]
    return "\n".join(parts).rstrip() + "\n"


def dags() -> Iterator[DAG]:
    """Every DAG that we ship, in the order of their files' names."""
    for path in sorted((project_root() / "dags").glob("*.py")):
        yield from dags_of(path)


def _dags() -> Iterator[str]:
    for dag in dags():
        yield f"### {dag.dag_id}\n{_first_paragraph(dag.doc_md or '')}\n"
        rows = [_parameter(dag, name) for name in dag.params]
        if rows:
            yield "| name | type | allowed | default | meaning |\n| --- | --- | --- | --- | --- |"
        yield "\n".join([*rows, ""]) if rows else "It takes no parameters.\n"


def _parameter(dag: DAG, name: str) -> str:
    param = dag.params.get_param(name)
    kind, schema, meaning = _type(param), param.schema, param.description or ""
    if dag.dag_id == DAG_ID:
        field = ExperimentParams.model_fields[name]
        allowed = (field.description or "").removesuffix(" (empty: all active)")
        empty = "all active" if field.default == () else field.get_default()
        ending = "all active ones" if empty == "all active" else empty
        meaning = meaning.replace(f"Empty: what the saved experiment says, else {ending}.", "")
    else:
        allowed, empty = schema.get("format") or ("different names" if kind == "list" else "any"), None
    default = "none" if empty is None else empty if empty == "all active" else f"`{json.dumps(empty)}`"
    meaning = f"{schema['title']}. {meaning}".strip()
    return f"| `{name}` | {kind} | {allowed} | {default} | {meaning} |"


def _type(param: Param) -> str:
    kind = next(kind for kind in param.schema["type"] if kind != "null")
    return {"array": "list", "string": "text"}.get(kind, kind)


def _routes() -> Iterator[str]:
    yield "| | page | what | query |\n| --- | --- | --- | --- |"
    for path, methods in sorted(create_app().openapi()["paths"].items()):
        for method, route in methods.items():
            query = ", ".join(f"`{name}`" for name in sorted(p["name"] for p in _query(route)))
            yield f"| {method.upper()} | `{path}` | {_first_paragraph(route['description'])} | {query} |"


def _query(route: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [parameter for parameter in route.get("parameters", []) if parameter["in"] == "query"]


def _first_paragraph(text: str) -> str:
    return " ".join(text.strip().split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")
