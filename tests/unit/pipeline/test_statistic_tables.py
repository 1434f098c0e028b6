from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.statistic_tables import read_table
from daydreaming.settings import Settings
from tests.support.experiments import planned_run
from tests.support.finished import finished_run


def test_a_table_is_read_page_by_page(settings: Settings) -> None:
    finished_run(settings)
    first = read_table(settings, "demo", "factor_levels", page=1, size=5)
    last = read_table(settings, "demo", "factor_levels", page=2, size=5)
    assert (len(first.rows), first.total) == (5, 9)
    assert len(last.rows) == 4
    assert first.columns[:3] == ["factor", "level", "mean"]
    header = (settings.data_root / first.file).read_text().splitlines()[0]
    assert header.split(",") == first.columns
    past = read_table(settings, "demo", "factor_levels", page=3, size=5)
    assert (past.rows, past.columns) == ([], first.columns)


def test_a_table_that_is_not_there_is_told_with_those_that_are(settings: Settings) -> None:
    planned_run(settings)
    with pytest.raises(InputError, match="Tables with rows: none yet"):
        read_table(settings, "demo", "factor_levels", page=1, size=5)
    finished_run(settings, "run-2")
    with pytest.raises(InputError, match=r"No table 'source' .* adjusted_ranking, "):
        read_table(settings, "demo", "source", page=1, size=5)
