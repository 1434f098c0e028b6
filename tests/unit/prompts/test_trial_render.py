from __future__ import annotations

import re
import sys

import pytest

from daydreaming.errors import DaydreamingError
from daydreaming.prompts import trial
from daydreaming.prompts.trial import TrialJob, trial_render

CONCEPTS = {"concepts": [{"name": "A", "content": "a"}, {"name": "B", "content": "b"}]}
GOOD = "{% for c in concepts %}{{ c.name }}{% endfor %}"
ENDLESS = "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}"


@pytest.fixture
def starts(monkeypatch) -> list[int]:
    """Process ids of the subprocesses that were started."""
    started: list[int] = []
    original = trial.subprocess.Popen

    class Counted(original):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self.pid)

    monkeypatch.setattr(trial.subprocess, "Popen", Counted)
    return started


def test_good_templates_share_one_subprocess(starts):
    assert trial_render([TrialJob(f"t{i}", GOOD, CONCEPTS) for i in range(30)]) == []
    assert len(starts) == 1


def test_no_templates_start_nothing(starts):
    assert trial_render([]) == []
    assert starts == []


def test_a_culprit_is_killed_and_the_rest_goes_on(starts, monkeypatch):
    monkeypatch.setattr(trial, "TIME_LIMIT_S", 0.5)
    texts = [GOOD, ENDLESS, "{{ concept }}", GOOD]
    problems = trial_render([TrialJob(f"t{i}.txt", text, CONCEPTS) for i, text in enumerate(texts)])
    assert [re.sub(" within.*", "", p) for p in problems] == [
        "t1.txt: does not finish",
        "t2.txt: uses concept, which it will not get; it gets concepts. Did you mean concepts?",
    ]
    assert len(starts) == 2


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "more than 10,000,000"),
        ("{{ '" + "a" * 50_000 + "'|replace('a', '" + "b" * 50_000 + "') }}", "MemoryError"),
        ("{{ cycler.__init__.__globals__ }}", "uses cycler"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ concepts|map(attribute='__class__') }}", "shows a generator"),
        ("{% if false %}{{ hidden }}{% endif %}", "uses hidden"),
        ("{% if false %}{% include 'x' %}{% endif %}", "includes, imports or extends another template"),
        ("{{ concepts[2].name }}", "no element 2"),
        ("{% if %}", "line 1: does not compile"),
    ],
)
def test_what_is_wrong_is_said(template, message):
    (problem,) = trial_render([TrialJob("t.txt", template, CONCEPTS)])
    assert re.search(message, problem)


def test_a_subprocess_that_dies_is_the_fault_of_its_template(monkeypatch):
    monkeypatch.setattr(trial, "TIME_LIMIT_S", 5)
    dying = "import sys; print('ready', flush=True); sys.exit(7)"
    monkeypatch.setattr(trial, "COMMAND", (sys.executable, "-c", dying))
    assert trial_render([TrialJob("t", GOOD, CONCEPTS)])[0].startswith(
        "t: ended the process that rendered it"
    )


def test_a_python_that_does_not_start_is_no_fault_of_a_template(monkeypatch):
    monkeypatch.setattr(trial, "COMMAND", (sys.executable, "-c", "raise SystemExit('no such thing')"))
    with pytest.raises(DaydreamingError, match=r"templates could not be tried.*no such thing"):
        trial_render([TrialJob("t", GOOD, CONCEPTS)])
