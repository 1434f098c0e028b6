"""What the environment says: read once per use, standard library only.

Every setting is an environment variable, so that the services, the command line and the
cluster policy (which may not open Airflow connections) see the same value.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from daydreaming.errors import InputError
from daydreaming.objects.path import ObjectPath

Dispatch = Literal["pool", "triggerer"]

#: The DAG that makes the calls, as the policy, the triggerer and the command line know it.
DAG_ID = "daydream_experiment"
#: Its tasks that make calls, and the stage of each.
CALL_STAGES: Mapping[str, Literal["generation", "evaluation"]] = {
    "generate": "generation",
    "evaluate": "evaluation",
}

#: Slots by pool. A freed slot is refilled after about 3 s, so a pool has a few more
#: slots than the concurrency wanted.
DEFAULT_POOLS: Mapping[str, int] = {
    "llm_free": 8,
    "llm_paid": 32,
    "llm_local": 8,
    "llm_batch": 64,
    "experiment_shards": 3,
}

#: A bucket, maybe with the ID of a connection before it and a folder behind it.
_S3_URL = re.compile(r"s3://([A-Za-z0-9_.-]+@)?[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_.+=-]+)*/?")
_DIGEST_CHARS = 12
_MAX_COUNT = 1_000
_MAX_SECONDS = 7 * 24 * 3600
_MAX_DOLLARS = 1_000_000

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def project_root() -> Path:
    """The checkout that holds ``dags/``; the working directory where the package was installed alone."""
    return _PACKAGE_PARENT if (_PACKAGE_PARENT / "dags").is_dir() else Path.cwd()


def has_batch_provider() -> bool:
    """Whether the extra is installed that sends batches (``requirements-batch.lock``)."""
    try:
        return importlib.util.find_spec("airflow.providers.common.ai") is not None
    except ModuleNotFoundError:
        return False


def has_s3_provider() -> bool:
    """Whether the extra is installed that reaches object stores (``requirements-s3.lock``)."""
    # Not by its modules: to look for them would import Airflow.
    try:
        importlib.metadata.version("apache-airflow-providers-amazon")
    except importlib.metadata.PackageNotFoundError:
        return False
    return importlib.util.find_spec("s3fs") is not None


def user_cache_folder() -> Path:
    """Where this user keeps what can be made again."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "daydreaming"


@dataclass(frozen=True)
class Settings:
    """The deployment's settings.

    Attributes:
        inputs_root: Folder that holds ``01_raw/`` and ``experiments/``.
        data_root: Folder that all outputs are written to; an `ObjectPath` where it is on an object store.
        results_conn: The ``daydreaming_results`` connection as given (URI or JSON); '' for SQLite.
        dispatch: ``pool``: through a worker and an Airflow pool; ``triggerer``: without workers.
        pools: Slots by pool name.
        nightly_schedule: Cron expression (UTC) of ``daydream_nightly``.
        call_attempts: Attempts of one call inside the trigger before Airflow's own retries.
        call_timeout_s: Seconds until one attempt counts as timed out.
        task_retries: Airflow's retries of a call whose attempts were used up.
        retry_delay: Wait before each of those.
        daily_budget_usd: US dollars that all calls of one day (UTC) may cost; None for no cap.
        cache_root: Local folder for what can be made again; None for the default place.
        results_file: SQLite file to use whatever ``results_conn`` says: a rebuild fills one of its own.
    """

    inputs_root: Path
    data_root: Path
    results_conn: str = field(default="", repr=False)
    dispatch: Dispatch = "pool"
    pools: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_POOLS))
    nightly_schedule: str = "0 2 * * *"
    call_attempts: int = 4
    call_timeout_s: float = 600.0
    task_retries: int = 2
    retry_delay: timedelta = timedelta(seconds=60)
    daily_budget_usd: float | None = None
    cache_root: Path | None = None
    results_file: Path | None = None

    @property
    def cache_folder(self) -> Path:
        """Local folder of what can be made again: below a local data root, unless another is given."""
        if self.cache_root is None and not isinstance(self.data_root, ObjectPath):
            return self.data_root / "cache"
        root = self.cache_root or user_cache_folder()
        # Several data roots may share it.
        return root / hashlib.sha256(str(self.data_root).encode()).hexdigest()[:_DIGEST_CHARS]

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises:
            InputError: A variable has a value that is not allowed; names each such variable.
        """
        env = os.environ if env is None else env
        problems: list[str] = []
        default_root = project_root() / "data"
        results = env.get("AIRFLOW_CONN_DAYDREAMING_RESULTS", "")
        settings = cls(
            inputs_root=Path(env.get("DAYDREAMING_INPUTS_ROOT") or default_root).absolute(),
            data_root=_data_root(env.get("DAYDREAMING_DATA_ROOT") or str(default_root), results, problems),
            results_conn=results,
            cache_root=Path(cache).absolute() if (cache := env.get("DAYDREAMING_CACHE_DIR")) else None,
            dispatch=_dispatch(env.get("DAYDREAMING_DISPATCH") or "pool", problems),
            pools=_pools(env.get("DAYDREAMING_POOLS", ""), problems),
            nightly_schedule=env.get("DAYDREAMING_NIGHTLY_SCHEDULE") or "0 2 * * *",
            call_attempts=_whole(env, "DAYDREAMING_CALL_ATTEMPTS", 4, problems, minimum=1),
            call_timeout_s=_number(env, "DAYDREAMING_CALL_TIMEOUT_S", 600, problems),
            task_retries=_whole(env, "DAYDREAMING_TASK_RETRIES", 2, problems, minimum=0),
            retry_delay=timedelta(seconds=_number(env, "DAYDREAMING_RETRY_DELAY_S", 60, problems)),
            daily_budget_usd=_dollars(env.get("DAYDREAMING_DAILY_BUDGET_USD", ""), problems),
        )
        if problems:
            raise InputError(problems)
        return settings


def _data_root(text: str, results_conn: str, problems: list[str]) -> Path:
    if "://" not in text:
        return Path(text).absolute()
    if not _S3_URL.fullmatch(text) or {".", ".."} & set(text.split("/")):
        problems.append(
            "DAYDREAMING_DATA_ROOT must be a local folder, s3://BUCKET/FOLDER or "
            f"s3://CONNECTION_ID@BUCKET/FOLDER; got {_without_password(text)!r}."
        )
        return Path.cwd()
    if not results_conn:
        problems.append(
            f"DAYDREAMING_DATA_ROOT is on an object store ({text}), where SQLite cannot be: set "
            "AIRFLOW_CONN_DAYDREAMING_RESULTS to a PostgreSQL database, or give a local folder."
        )
    if not has_s3_provider():
        problems.append(
            f"DAYDREAMING_DATA_ROOT is on an object store ({text}), and what reaches it is not installed: "
            "pip install --require-hashes -r requirements-s3.lock, or give a local folder."
        )
    return ObjectPath(text)


def _without_password(url: str) -> str:
    # Up to the last @: a key may hold a slash, and then no reader of URLs finds it.
    return re.sub(r"(?<=://)([^:@]*):.*(?=@)", r"\1:…", url)


def _dispatch(text: str, problems: list[str]) -> Dispatch:
    if text == "triggerer":
        return "triggerer"
    if text != "pool":
        problems.append(f"DAYDREAMING_DISPATCH must be pool or triggerer; got {text!r}.")
    return "pool"


def _pools(text: str, problems: list[str]) -> dict[str, int]:
    pools = dict(DEFAULT_POOLS)
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, slots = item.partition("=")
        if not name or not slots.isdecimal() or int(slots) < 1:
            problems.append(
                f"DAYDREAMING_POOLS must be NAME=SLOTS, separated by commas, slots at least 1; got {item!r}. "
                "Example: llm_free=8,llm_paid=32."
            )
            continue
        pools[name.strip()] = int(slots)
    return pools


def _whole(env: Mapping[str, str], name: str, default: int, problems: list[str], *, minimum: int) -> int:
    text = env.get(name) or str(default)
    try:
        value = int(text)
    except ValueError:
        value = minimum - 1
    if not minimum <= value <= _MAX_COUNT:
        problems.append(f"{name} must be a whole number from {minimum} to {_MAX_COUNT}; got {text!r}.")
        return default
    return value


def _number(env: Mapping[str, str], name: str, default: float, problems: list[str]) -> float:
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1 <= value <= _MAX_SECONDS:
        problems.append(f"{name} must be a number of seconds from 1 to {_MAX_SECONDS}; got {text!r}.")
        return default
    return value


def _dollars(text: str, problems: list[str]) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MAX_DOLLARS:
        problems.append(
            f"DAYDREAMING_DAILY_BUDGET_USD must be US dollars from 0 to {_MAX_DOLLARS:,}, or empty for no "
            f"cap; got {text!r}."
        )
        return None
    return value
