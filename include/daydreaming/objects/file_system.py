"""The file system behind a bucket, as Airflow opens it; the only module here that imports Airflow."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

from daydreaming.errors import StoreError
from daydreaming.objects.problems import told


def load_clients() -> None:
    """Import the libraries that reach a store, for processes that will be forked; nothing is opened."""
    for name in ("boto3", "s3fs"):
        importlib.import_module(name)


def _quieten_airflow() -> None:
    """In a process that is none of Airflow's, the command line, its log would go to stdout: warnings only."""
    if "airflow" in sys.modules:
        return
    name = "AIRFLOW__LOGGING__LOGGING_LEVEL"
    given = os.environ.get(name)
    os.environ[name] = given or "WARNING"
    try:
        importlib.import_module("airflow.sdk")
    finally:
        # What this process starts is to log as always.
        if given is None:
            del os.environ[name]


def open_file_system(protocol: str, place: str) -> Any:
    """The fsspec file system of a bucket, as ``ObjectStoragePath`` has it; the bucket is looked into once.

    Args:
        protocol: Such as ``s3``.
        place: The bucket, after ``CONNECTION_ID@`` where a connection of Airflow opens it.

    Raises:
        StoreError: The connection is unknown, or the bucket is missing, closed to us or out of reach.
    """
    _quieten_airflow()
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException
    from airflow.sdk.io.store import attach

    # With each login they say where they found credentials and address.
    for name in ("aiobotocore", "botocore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    url = f"{protocol}://{place}"
    conn_id, _, bucket = place.rpartition("@")
    try:
        if conn_id:
            # Where it is unknown, the provider would go on with whatever the environment holds.
            BaseHook.get_connection(conn_id)
        # ObjectStoragePath would hand a forked process the client of its parent, which refuses to work there.
        files = attach(protocol, conn_id or None, alias=f"{url} in {os.getpid()}").fs
    except (AirflowException, ImportError, ValueError) as error:
        raise StoreError(f"{url}: cannot be opened ({error}). See docs/object-storage.md.") from error
    # Other processes write too: a list that is remembered would be an old one.
    files.dircache.use_listings_cache = False
    with told(url):
        files.call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
    return files
