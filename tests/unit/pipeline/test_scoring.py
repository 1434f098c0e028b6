from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.errors import StoreError
from daydreaming.pipeline.scoring import Scoring, all_scorings, current_scoring, scoring_file, scorings_csv
from daydreaming.settings import Settings
from daydreaming.store.files import write_whole
from tests.support.experiments import NOW

HEADER = "evaluation_template,parser,score_min,score_max,since\n"
FIRST = Scoring("rigor", "in_last_line", 0, 10, NOW)
SECOND = Scoring("style", "strict", -5, 0.1, NOW)
THIRD = Scoring("rigor", "strict", 0, 9, NOW + timedelta(hours=1))


def _write(settings: Settings, text: str) -> None:
    write_whole(scoring_file(settings, "demo"), text)


def test_without_a_file_every_verdict_is_read_as_its_run_says(settings: Settings):
    assert all_scorings(settings, "demo") == ()
    assert current_scoring(settings, "demo") == {}


def test_the_last_row_of_a_template_counts_and_the_earlier_ones_stay(settings: Settings):
    _write(settings, scorings_csv([FIRST, SECOND, THIRD]))
    assert all_scorings(settings, "demo") == (FIRST, SECOND, THIRD)
    assert current_scoring(settings, "demo") == {"rigor": THIRD, "style": SECOND}
    assert current_scoring(settings, "other") == {}


def test_the_file_is_a_table_that_people_can_read(settings: Settings):
    assert scorings_csv([FIRST, SECOND]) == (
        f"{HEADER}rigor,in_last_line,0,10,2026-03-01T12:00:00+00:00\n"
        "style,strict,-5,0.1,2026-03-01T12:00:00+00:00\n"
    )


def test_a_process_that_has_read_the_file_sees_the_next_one(settings: Settings):
    _write(settings, scorings_csv([FIRST]))
    assert current_scoring(settings, "demo")["rigor"] == FIRST
    _write(settings, scorings_csv([FIRST, THIRD]))
    assert current_scoring(settings, "demo")["rigor"] == THIRD
    scoring_file(settings, "demo").unlink()
    assert current_scoring(settings, "demo") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"scoring\.csv, line 1: the columns must be .*; got an empty file"),
        ("template,parser\n", r"line 1: the columns must be .*; got template,parser"),
        (f"{HEADER}rigor,nope,0,9,2026-03-01T12:00:00+00:00\n", "line 2: .*unknown score parser 'nope'"),
        (f"{HEADER}rigor,strict,9,0,2026-03-01T12:00:00+00:00\n", "line 2: .*lower one first"),
        (f"{HEADER}rigor,strict,0,nan,2026-03-01T12:00:00+00:00\n", "line 2: .*finite numbers"),
        (f"{HEADER}rigor,strict,0,9,yesterday\n", "line 2: .*yesterday"),
        (f"{HEADER}\nrigor,strict,0\n", r"line 3: .*got 'rigor,strict,0'"),
        (f'{HEADER}"rigor,strict\n', "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(settings: Settings, text: str, message: str):
    _write(settings, text)
    with pytest.raises(StoreError, match=message):
        current_scoring(settings, "demo")
