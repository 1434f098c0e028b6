"""Compare over all experiments: whenever an experiment's results have changed.

Started by the asset `daydreaming_results`, whose partition key is the experiment that changed; the tables
span all experiments. The parameters choose which evaluations they are made of; a run that an
experiment started has none, and takes all. What was not changed is not written again.

| table in `07_cross_experiment` (`.csv` and `.parquet`) | rows |
| --- | --- |
| `filtered_evaluation_results` | the evaluations that the parameters choose |
| `template_version_comparison_pivot`, `template_version_differences` | versions of one template |
| `model_performance_by_combination`, `model_performance_over_time` | generators and judges |
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import Asset, PartitionedAssetTimetable, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from daydreaming.operators.failures import fail_clearly
from daydreaming.operators.lineage import tell_cross_lineage
from daydreaming.operators.query_form import query_params
from daydreaming.settings import Settings

log = logging.getLogger(__name__)
settings = Settings.from_env()


def _write(group: str, params: dict[str, Any], digest: str) -> None:
    from daydreaming.pipeline.query import read_filter
    from daydreaming.pipeline.query_tables import write_group

    written = write_group(settings, group, read_filter(params), digest)
    for name, rows in written.items():
        log.info("%s: %d rows", name, rows)
    tell_cross_lineage(written)


@task
@fail_clearly
def find_changes(params: dict[str, Any]) -> str:
    """Take a digest of the results; stop here where the tables were made of the same."""
    from daydreaming.pipeline.query import check_names, read_filter
    from daydreaming.pipeline.query_tables import are_current, digest_of_sources

    wanted = read_filter(params)
    check_names(settings, wanted)
    digest = digest_of_sources(settings, wanted)
    if are_current(settings, digest):
        raise AirflowSkipException("Nothing has changed since the tables were written.")
    return digest


@task
@fail_clearly
def filtered_evaluation_results(params: dict[str, Any], digest: str) -> None:
    """Write the evaluations that the parameters choose."""
    _write("filtered_evaluation_results", params, digest)


@task
@fail_clearly
def template_version_comparison_pivot(params: dict[str, Any], digest: str) -> None:
    """Write versions of each template side by side, and their differences."""
    _write("template_version_comparison_pivot", params, digest)


@task
@fail_clearly
def model_performance(params: dict[str, Any], digest: str) -> None:
    """Write how models did, by combination and over time."""
    _write("model_performance", params, digest)


@dag(
    schedule=PartitionedAssetTimetable(assets=Asset("daydreaming_results")),
    max_active_runs=1,
    params=query_params(settings.inputs_root),
    doc_md=__doc__,
    tags=["daydreaming"],
    is_paused_upon_creation=False,
)
def daydream_cross_experiment() -> None:
    digest = find_changes()
    filtered_evaluation_results(digest=digest)
    template_version_comparison_pivot(digest=digest)
    model_performance(digest=digest)


daydream_cross_experiment()
