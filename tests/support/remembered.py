"""What nearly every test does again, done once in each process: the same input, the same result."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache, wraps
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import make_url

from daydreaming.analysis import tables
from daydreaming.inputs import load
from daydreaming.prompts.trial import TrialJob, trial_render
from daydreaming.settings import Settings
from daydreaming.store import migrate
from daydreaming.store.database import engine_for, results_url
from daydreaming.store.migrate import upgrade_database

Analysis = Callable[[pd.DataFrame], pd.DataFrame]


@contextmanager
def remembered_results() -> Iterator[None]:
    """Compute the statistics of the same scores once, try the same templates once, wait for no disk.

    A run that starts copies the tables of its SQLite file. Tests of the analyses, of the trial and of the
    migrations call the functions themselves, which stay as they are.
    """
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(tables, "ANALYSES", {name: _analysis(make) for name, make in tables.ANALYSES.items()})
        patch.setattr(load, "trial_render", _tried)
        patch.setattr(migrate, "upgrade_database", _upgrade(Path(folder)))
        # Nothing has to outlast a power cut; a file that is not open is an error as before.
        patch.setattr(os, "fsync", os.fstat)
        yield


def _analysis(analysis: Analysis) -> Analysis:
    @lru_cache(maxsize=100)
    def made(scores: bytes) -> pd.DataFrame:
        return analysis(pickle.loads(scores))

    @wraps(analysis)
    def table(scores: pd.DataFrame) -> pd.DataFrame:
        return made(pickle.dumps(scores)).copy()

    return table


def _tried(jobs: Sequence[TrialJob]) -> list[str]:
    parts = ((job.name, job.text, json.dumps(job.variables), job.required) for job in jobs)
    return list(_problems(tuple(parts)))


@lru_cache(maxsize=1000)
def _problems(jobs: tuple[tuple[str, str, str, str], ...]) -> tuple[str, ...]:
    tried = [TrialJob(name, text, json.loads(given), required) for name, text, given, required in jobs]
    return tuple(trial_render(tried))


def _upgrade(folder: Path) -> Callable[[Settings], None]:
    @cache
    def template() -> Path:
        settings = Settings(folder, folder)
        upgrade_database(settings)
        engine_for(settings).dispose()  # the last connection: all is in the one file then
        return _file_of(settings)

    def upgrade(settings: Settings) -> None:
        if settings.results_conn or _file_of(settings).exists():
            upgrade_database(settings)
            return
        made = _file_of(settings)
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as beside, suppress(FileExistsError):
            # Where several start at once, the first one's is everybody's.
            os.link(shutil.copy(template(), beside), made)

    return upgrade


def _file_of(settings: Settings) -> Path:
    return Path(str(make_url(results_url(settings)).database))
