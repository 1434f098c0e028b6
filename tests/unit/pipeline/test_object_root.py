"""An experiment in a bucket: the files are those of a folder, and all that reads them finds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from daydreaming.objects.path import ObjectPath
from daydreaming.pipeline.call import build_request, open_call, settle_stored
from daydreaming.pipeline.rebuild import rebuild_database
from daydreaming.pipeline.rebuild_progress import LineProgress
from daydreaming.pipeline.rescore import rescore
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.pipeline.text_search import search_texts
from daydreaming.pipeline.verify import verify
from daydreaming.pipeline.verify_findings import Kind
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from tests.support.experiments import NOW, answer_all, answer_call, edit_input, planned_run, tree_of
from tests.support.finished_root import read_tables


@pytest.fixture
def far(settings: Settings, s3, postgres, migrated_template, tmp_path) -> Iterator[Settings]:
    """A small inputs tree, an empty bucket and an empty PostgreSQL."""
    with postgres.database(migrated_template) as uri:
        yield replace(settings, data_root=s3.new_root(), results_conn=uri, cache_root=tmp_path / "cache")


def finish(settings: Settings) -> None:
    planned_run(settings, now=NOW)
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")


def wrong_kinds(settings: Settings) -> set[Kind]:
    """What ``verify`` finds, but for what our answers have in common."""
    return {finding.kind for finding in verify(settings, []).findings if finding.is_error} - {Kind.DUPLICATE}


def rows_of(settings: Settings) -> dict[str, list[Any]]:
    """The database without the ledger: our answers were no calls, which a rebuild concludes from records."""
    return {
        name: rows for name, rows in read_tables(settings).items() if name not in {"llm_calls", "budgets"}
    }


def objects_of(root: ObjectPath) -> dict[str, bytes]:
    """Every object below the root with its bytes."""
    start = len(root.key) + 1
    return {one.key[start:]: root.bucket.read(one.key) for one in root.bucket.list_all(f"{root.key}/")}


def test_the_bucket_holds_the_files_that_a_folder_would(settings: Settings, far: Settings) -> None:
    finish(settings)
    finish(far)
    folder = {
        name: data
        for name, data in tree_of(settings.data_root).items()
        if data is not None and "lock" not in name and not name.startswith("results.sqlite3")
    }
    bucket = objects_of(far.data_root)
    assert bucket.keys() == folder.keys()
    # Reports name what they were made of, Parquet the time.
    alike = [name for name in folder if not name.endswith((".html", ".parquet"))]
    assert {name: bucket[name] for name in alike} == {name: folder[name] for name in alike}


def test_what_is_in_a_bucket_is_verified_rebuilt_rescored_and_searched(far: Settings) -> None:
    finish(far)
    assert wrong_kinds(far) == set()
    before = rows_of(far)
    rebuild_database(far, LineProgress(lambda _: None))
    assert rows_of(far) == before
    rescore(far, "demo", ["rigor"], "complex", None, now=NOW)
    assert wrong_kinds(far) == set()
    found = search_texts(far, "demo", "moats", "essays", NOW, limit=5, offset=0)
    assert (found.total, found.state.is_whole) == (4, True)
    assert {path.name for path in far.cache_folder.iterdir()} == {"search"}


def test_a_stale_answer_goes_to_the_archive_of_the_bucket_and_comes_back(far: Settings) -> None:
    planned_run(far)
    call = answer_call(far, "run-1", "generation", 0, "first")
    edit_input(far.inputs_root, "01_raw/concepts/descriptions-sentence/search.txt", "Try pairs.", "Try all.")
    planned_run(far, "run-2", on_stale="archive")
    again = open_call(far, "run-2", "generation", 0)
    assert not settle_stored(again, build_request(again))
    answer_call(far, "run-2", "generation", 0, "second")
    files, cell_id = DataRoot(far.data_root, far.results_conn), call.cell.cell_id
    [(archived, request_hash)] = files.archived_ids("generation")
    assert archived == cell_id
    kept = json.loads(files.archived("generation", cell_id, request_hash).with_suffix(".json").read_text())
    assert kept["run_id"] == "run-1"
    assert files.read_response("generation", cell_id) == "second"
    edit_input(far.inputs_root, "01_raw/concepts/descriptions-sentence/search.txt", "Try all.", "Try pairs.")
    planned_run(far, "run-3", on_stale="archive")
    back = open_call(far, "run-3", "generation", 0)
    assert settle_stored(back, build_request(back))
    assert files.read_response("generation", cell_id) == "first"
    assert files.read_provenance("generation", cell_id)["run_id"] == "run-1"
