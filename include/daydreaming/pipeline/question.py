"""What an experiment asks, in words: a text file beside its plan, which the report shows."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from daydreaming.errors import InputError
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot, write_new, write_whole
from daydreaming.store.plans import runs_of_experiment

#: A longer text is no question.
MAX_CHARS = 2_000


def question_file(settings: Settings, experiment_id: str) -> Path:
    """Where it is."""
    return DataRoot(settings.data_root).tasks(experiment_id) / "question.txt"


def read_question(settings: Settings, experiment_id: str) -> str:
    """The question; '' where nobody wrote one."""
    path = question_file(settings, experiment_id)
    return path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else ""


def settle_question(settings: Settings, experiment_id: str) -> None:
    """Take the comment that the saved experiment begins with for the question, where there is none yet.

    Once: a later edit of the saved experiment changes nothing in what was run before.
    """
    if question_file(settings, experiment_id).exists():
        return
    runs = runs_of_experiment(engine_for(settings), experiment_id)
    names = [run.params.get("experiment") for run in reversed(runs) if not run.is_shard_of_another]
    name = next((name for name in names if name), None)
    path = settings.inputs_root / "experiments" / f"{name}.yaml"
    if name and path.is_file():
        comment = leading_comment(path.read_text(encoding="utf-8", errors="replace"))
        if comment:
            write_new(question_file(settings, experiment_id), f"{comment[:MAX_CHARS]}\n")


def set_question(settings: Settings, experiment_id: str, question: str) -> None:
    """Write the question anew.

    Raises:
        InputError: It is empty or too long.
    """
    text = " ".join(question.split())
    if not 0 < len(text) <= MAX_CHARS:
        raise InputError(
            f"the question must have 1 to {MAX_CHARS:,} characters; got {len(text):,}. Shorten it, or leave "
            "the option out."
        )
    write_whole(question_file(settings, experiment_id), f"{text}\n")


def leading_comment(yaml_text: str) -> str:
    """The first paragraph of the comment that a YAML file begins with, as one line; '' where it has none."""
    lines = (line.strip() for line in yaml_text.lstrip("\ufeff\n").splitlines())
    comment = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    return " ".join(takewhile(bool, comment))
