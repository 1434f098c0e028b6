from __future__ import annotations

from datetime import UTC, datetime
from multiprocessing import get_context

import pytest

from daydreaming.design.combinations import Combination, combine
from daydreaming.errors import DesignError, StoreError
from daydreaming.store.combo_mappings import append_combo_mappings, read_combo_mappings

NOW = datetime(2025, 6, 1, tzinfo=UTC)
HEADER = "combo_id,version,concept_id,description_level,k_max,created_at\n"
MADE = combine(["a", "b", "c"], 2, "paragraph")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "combo_mappings.csv"


def test_each_combination_is_added_once_with_a_row_per_concept(path):
    assert append_combo_mappings(path, MADE, NOW) == 3
    before = path.read_text()
    assert before.startswith(f"{HEADER}{MADE[0].combo_id},v1,a,paragraph,2,2025-06-01T00:00:00+00:00\n")
    assert before.count("\n") == 1 + 6
    assert append_combo_mappings(path, MADE, NOW) == 0
    assert path.read_text() == before
    assert read_combo_mappings(path) == {c.combo_id: c.parts for c in MADE}


@pytest.mark.parametrize("cut", [1, 40, 100, 200, 300])
def test_a_file_torn_by_a_crash_is_completed(path, cut):
    append_combo_mappings(path, MADE, NOW)
    whole = path.read_text()
    path.write_text(whole[:-cut])
    append_combo_mappings(path, MADE, NOW)
    assert sorted(path.read_text().splitlines()) == sorted(whole.splitlines())
    assert path.read_text().startswith(HEADER)


def test_half_a_combination_is_not_reported_as_known(path):
    path.parent.mkdir()
    path.write_text(f"{HEADER}combo_v1_1,v1,a,paragraph,2,x\ncombo_001,v1,a,paragraph,1,x\n")
    assert list(read_combo_mappings(path)) == ["combo_001"]


def test_a_collision_with_the_file_is_refused_and_changes_nothing(path):
    append_combo_mappings(path, MADE, NOW)
    before = path.read_text()
    other = Combination(MADE[0].combo_id, ("x", "y"), "paragraph", 2)
    with pytest.raises(DesignError, match=r"stands for two combinations: a\+b .* and x\+y"):
        append_combo_mappings(path, [other], NOW)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "line 1: the columns must be"),
        (f"{HEADER}c,v1,a,paragraph,two,x\n", "line 2: a row needs 6 cells"),
        (f"{HEADER}c,v1,a\n", "line 2: a row needs 6 cells"),
        (f"{HEADER}c,v1,a,paragraph,2,x\nc,v1,b,article,2,x\n", "line 3: c has two levels"),
    ],
)
def test_a_damaged_file_is_refused(path, text, message):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(StoreError, match=message):
        append_combo_mappings(path, MADE, NOW)


def test_plans_at_the_same_time_add_each_combination_once(path):
    workers = [
        get_context("spawn").Process(target=append_combo_mappings, args=(path, MADE, NOW)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert path.read_text().count("\n") == 1 + 6
