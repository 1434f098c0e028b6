from __future__ import annotations

import io

import pytest

from daydreaming.cli import query, show
from daydreaming.cli.terminal import terminal_width, wrapped
from daydreaming.pipeline.estimate import estimate_plan
from daydreaming.pipeline.plan import read_inputs
from daydreaming.pipeline.run_tables import complete_run
from tests.support.experiments import answer_all, answer_call, planned_run


def test_what_goes_into_a_pipe_has_no_width():
    assert terminal_width(io.StringIO()) is None


def test_lines_are_broken_between_words_and_indented_alike():
    lines = ["short", "  one two three four", "x" * 30, ""]
    assert list(wrapped(lines, 12)) == ["short", "  one two", "  three four", "x" * 30, ""]
    assert list(wrapped(lines, None)) == lines


@pytest.mark.parametrize(("width", "columns"), [(None, 8), (80, 7), (60, 5)])
def test_the_table_of_a_plan_fits_the_terminal(settings, width, columns):
    lines = estimate_plan(settings, read_inputs(settings, {"experiment": "demo"})).lines(width)
    head = lines[next(i for i, line in enumerate(lines) if line.startswith("What the new")) + 1]
    assert width is None or len(head) <= width
    assert (
        sum(
            name in head
            for name in (
                "stage",
                "model",
                "new",
                "prompt tokens",
                "answer tokens",
                "expected $",
                "at most $",
                "prices from",
            )
        )
        <= columns
    )


def test_an_essay_is_wrapped_for_a_terminal_alone(settings, daydreaming, monkeypatch):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 0, "<essay>" + "word " * 60 + "</essay>")
    assert max(map(len, daydreaming("show", call.cell.cell_id).out.splitlines())) > 200
    monkeypatch.setattr(show, "terminal_width", lambda _out: 80)
    narrow = daydreaming("show", call.cell.cell_id).out.splitlines()
    assert max(len(line) for line in narrow if line.startswith("word")) <= 80


def test_a_query_fits_the_terminal_and_tells_seconds(settings, daydreaming, monkeypatch):
    planned_run(settings)
    answer_all(settings, "run-1")
    complete_run(settings, "run-1")
    wide = daydreaming("query").out
    assert "2026-03-01T12:00:02 " in wide.replace("2026-03-01 ", "2026-03-01T")
    monkeypatch.setattr(query, "terminal_width", lambda _out: 80)
    head, *_ = narrow = daydreaming("query").out.splitlines()
    assert max(map(len, narrow)) <= 80
    assert head.split() == [
        "template",
        "generator",
        "rubric",
        "judge",
        "score",
    ]
