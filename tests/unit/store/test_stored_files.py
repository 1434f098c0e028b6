"""Which files of a data root are kept, by their names."""

from __future__ import annotations

import pytest

from daydreaming.store.stored_files import is_stored_name, stored_files


@pytest.mark.parametrize(
    ("name", "is_stored"),
    [
        ("combo_mappings.csv", True),
        ("03_generation/generation_responses/g.txt", True),
        ("02_tasks/cache/generation_tasks.csv", True),
        ("02_tasks/results.sqlite3/generation_tasks.csv", True),
        ("07_cross_experiment/.results.digest", True),
        ("02_tasks/demo/batches/model.lock/batch.json", True),
        ("combo_mappings.csv.lock", False),
        ("02_tasks/demo/.tables.lock", False),
        ("03_generation/generation_responses/.~0123", False),
        (".~restore-0123/data/a.txt", False),
        ("cache/search/demo/index", False),
        ("01_raw/llm_models.csv", False),
        ("experiments/demo.yaml", False),
        ("results.sqlite3", False),
        ("results.sqlite3-wal", False),
        ("results.sqlite3.unreadable-0123", False),
    ],
)
def test_a_name_says_whether_a_file_is_kept(tmp_path, name, is_stored):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert is_stored_name(name) is is_stored
    assert list(stored_files(tmp_path)) == [name] * is_stored


def test_a_data_root_that_is_not_there_has_no_files(tmp_path):
    assert list(stored_files(tmp_path / "none")) == []
