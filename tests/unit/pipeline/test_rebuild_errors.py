"""Failures are read from `errors.csv` as they were recorded."""

from __future__ import annotations

import csv

import pytest

from daydreaming.errors import StoreError
from daydreaming.pipeline.rebuild_errors import failures_of_errors
from daydreaming.pipeline.tables import errors_file, write_errors
from daydreaming.store.database import engine_for
from daydreaming.store.migrate import upgrade_database
from daydreaming.store.results import insert_failure, read_failures
from tests.support.experiments import NOW

FAILURE = {
    "experiment_id": "e",
    "run_id": "r",
    "stage": "generation",
    "cell_id": "c",
    "model": "m",
    "attempt": 1,
    "error_class": "LLMPermanentError",
    "final": True,
    "occurred_at": NOW,
}


@pytest.mark.parametrize("message", ["=1+1", "'=1+1", "-5 credits", 'plain, "quoted"\nand long'])
def test_a_message_that_begins_as_a_formula_is_read_as_it_was(settings, message):
    upgrade_database(settings)
    insert_failure(engine_for(settings), {**FAILURE, "message": message})
    write_errors(settings, "e")
    with errors_file(settings, "e").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert row["message"][0] not in "=-"
    (errors_file(settings, "e").parent / "failures.csv").unlink()
    [found] = failures_of_errors(settings, "e", [])
    [recorded] = read_failures(engine_for(settings), "e")
    assert found == {name: value for name, value in recorded.items() if name != "id"}


def test_a_file_that_is_no_such_table_is_refused(settings):
    path = errors_file(settings, "e")
    path.parent.mkdir(parents=True)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(StoreError, match=r"errors.csv: cannot be read \(the columns must be"):
        failures_of_errors(settings, "e", [])
