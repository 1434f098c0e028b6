"""The file system behind a bucket, as Airflow opens it; the only module here that imports Airflow."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from daydreaming.errors import StoreError
from daydreaming.objects.problems import told


def load_clients() -> None:
    """Import the libraries that reach a store, for processes that will be forked; nothing is opened."""
    for name in ("boto3", "s3fs"):
        importlib.import_module(name)


_guest_environment: Callable[[], Mapping[str, str]] = dict


def open_as_guest(environment: Callable[[], Mapping[str, str]]) -> None:
    """Say, in a process that is none of Airflow's, by which variables Airflow finds its connections.

    They are set while a bucket is opened, where they are not set already.
    """
    global _guest_environment
    _guest_environment = environment


@lru_cache(maxsize=1)
def _is_guest() -> bool:
    """Whether this process is none of Airflow's, as the command line; asked before it imports Airflow."""
    return "airflow" not in sys.modules


@contextmanager
def _as_guest() -> Iterator[None]:
    if not _is_guest():
        yield
        return
    # Its log would go to stdout.
    ours = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", **_guest_environment()}
    added = [name for name in ours if name not in os.environ]
    os.environ.update({name: ours[name] for name in added})
    try:
        yield
    finally:
        # What this process starts has its own.
        for name in added:
            del os.environ[name]


def open_file_system(protocol: str, place: str) -> Any:
    """A file system of fsspec for a bucket, as Airflow makes it; the bucket is looked into once.

    Args:
        protocol: Such as ``s3``.
        place: The bucket, after ``CONNECTION_ID@`` where a connection of Airflow opens it.

    Raises:
        StoreError: The connection is unknown; ObjectStoreError: the bucket is missing, closed to us or out
            of reach.
    """
    with _as_guest():
        return _open(protocol, place)


def _open(protocol: str, place: str) -> Any:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException
    from airflow.sdk.io import get_fs

    # With each login they say where they found credentials and address.
    for name in ("aiobotocore", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    url = f"{protocol}://{place}"
    conn_id, _, bucket = place.rpartition("@")
    try:
        if conn_id:
            # Where it is unknown, the provider would go on with whatever the environment holds.
            BaseHook.get_connection(conn_id)
        # Not as ObjectStoragePath has it, which hands a forked process the client of its parent.
        files = get_fs(protocol, conn_id or None)
    except AirflowNotFoundException as error:
        raise StoreError(
            f"{url}: Airflow connection {conn_id!r} is not defined. Define it in Airflow (type aws: login, "
            f"password, extra) or as AIRFLOW_CONN_{conn_id.upper()}."
        ) from error
    except (AirflowException, ImportError, ValueError) as error:
        raise StoreError(f"{url}: cannot be opened ({error}). See docs/object-storage.md.") from error
    # It would be kept for ever, though whoever opens it again wants another.
    type(files).clear_instance_cache()
    # Other processes write too: a list that is remembered would be an old one.
    files.dircache.use_listings_cache = False
    with told(url):
        files.call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
    return files
