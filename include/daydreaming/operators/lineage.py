"""Tell OpenLineage which tables a task reads and writes, where its provider is installed.

Airflow's collector takes what a task says of itself; the provider puts it into the task's event. Answers
are thousands of files: the folder stands for them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from daydreaming.inputs.records import Stage
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot

TableTask = Literal["parse_scores", "summarize", "append_cross_experiment", "report", "check_completeness"]


@cache
def has_openlineage() -> bool:
    """Whether the extra is installed (``requirements-openlineage.lock``)."""
    try:
        return importlib.util.find_spec("airflow.providers.openlineage") is not None
    except ModuleNotFoundError:
        return False


def tell_lineage(task: TableTask, run_id: str) -> None:
    """Report what a task has read and written; nothing where the extra is not installed.

    Raises:
        StoreError: The run is not recorded.
    """
    if not has_openlineage():
        return
    from daydreaming.pipeline.cross_tables import experiment_of

    settings = Settings.from_env()
    _tell(*_tables(DataRoot(settings.data_root), task, experiment_of(settings, run_id)))


def tell_cross_lineage(tables: Iterable[str]) -> None:
    """Report the tables over all experiments, by name, that a task has made of all results.

    Nothing where the extra is not installed.
    """
    if not has_openlineage():
        return
    files = DataRoot(Settings.from_env().data_root)
    folder = files.cross_experiment()
    _tell(_results(files), [folder / f"{name}{kind}" for name in tables for kind in (".csv", ".parquet")])


def _tell(reads: Iterable[Path], writes: Iterable[Path]) -> None:
    from airflow.sdk.lineage import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    # The collector tells contexts apart by their identity: one, so that no table counts twice.
    context: object = _tell
    for path in reads:
        collector.add_input_asset(context=context, uri=path.as_uri())  # type: ignore[arg-type]
    for path in writes:
        collector.add_output_asset(context=context, uri=path.as_uri())  # type: ignore[arg-type]


def _tables(files: DataRoot, task: TableTask, experiment_id: str) -> tuple[Sequence[Path], Sequence[Path]]:
    """Tables, and folders of answers, that a task reads and that it writes."""
    scores = files.parsing(experiment_id) / "parsed_scores.csv"
    plans = [files.tasks(experiment_id) / f"{stage}_tasks.csv" for stage in ("generation", "evaluation")]
    summaries = [path for path in _csv_files(files, experiment_id) if path != scores]
    across = _results(files)
    told = [
        files.reporting(experiment_id) / "errors.csv",
        files.summary(experiment_id) / "report.html",
    ]
    answers = _answers(files)
    if task == "parse_scores":
        return [*plans, *answers], [scores]
    if task == "summarize":
        return [scores], summaries
    if task == "append_cross_experiment":
        return answers, across
    if task == "report":
        return [scores, *summaries], told
    return [*plans, *answers], [scores, *summaries, *across, *told]


def _csv_files(files: DataRoot, experiment_id: str) -> Iterator[Path]:
    for folder in (files.parsing(experiment_id), files.summary(experiment_id)):
        yield from sorted(folder.glob("*.csv"))


def _answers(files: DataRoot) -> list[Path]:
    stages: tuple[Stage, ...] = ("generation", "evaluation")
    return [files.response(stage, "any").parent for stage in stages]


def _results(files: DataRoot) -> list[Path]:
    return [files.cross_experiment() / f"{stage}_results.csv" for stage in ("generation", "evaluation")]
