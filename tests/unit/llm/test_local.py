"""The local model server without its model: settings, weights, and what it says where it cannot run."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from daydreaming.errors import DaydreamingError, InputError
from daydreaming.llm import local, local_weights
from daydreaming.llm.local import (
    LocalServerConfig,
    is_loopback,
    load_engine,
    main,
    require_free,
    why_unavailable,
)
from daydreaming.llm.local_process import LocalServerProcess
from daydreaming.llm.local_weights import (
    WEIGHTS_FILE,
    LocalModelUnavailableError,
    default_weights_dir,
    find_weights_pieces,
    prepare_weights,
)

PIECES = (b"first piece, ", b"second piece, ", b"third")
SHA256 = hashlib.sha256(b"".join(PIECES)).hexdigest()


@pytest.fixture
def pieces(tmp_path: Path) -> list[Path]:
    paths = []
    for number, data in enumerate(PIECES):
        path = tmp_path / "package" / f"weights.part{number:02}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    return paths


# --- Weights ---


def test_pieces_are_joined_in_order_and_nothing_else_is_left(tmp_path: Path, pieces: list[Path]):
    cache = tmp_path / "cache" / "new"
    whole = prepare_weights(cache, pieces=pieces, sha256=SHA256)
    assert whole.read_bytes() == b"".join(PIECES)
    assert [path.name for path in cache.iterdir()] == [WEIGHTS_FILE]


def test_whole_file_is_used_again_without_the_package(tmp_path: Path, pieces: list[Path]):
    whole = prepare_weights(tmp_path, pieces=pieces, sha256=SHA256)
    before = whole.stat().st_mtime_ns
    assert prepare_weights(tmp_path, pieces=[], sha256=SHA256) == whole
    assert whole.stat().st_mtime_ns == before


def test_tampered_piece_is_refused_and_never_kept(tmp_path: Path, pieces: list[Path]):
    pieces[1].write_bytes(b"Second piece, ")
    cache = tmp_path / "cache"
    with pytest.raises(
        LocalModelUnavailableError, match=rf"SHA-256 must be {SHA256}; got [0-9a-f]{{64}}\. Inst"
    ):
        prepare_weights(cache, pieces=pieces, sha256=SHA256)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"".join(PIECES)[:-1], b"".join(PIECES).replace(b"i", b"j")])
def test_tampered_or_cut_whole_file_is_refused(tmp_path: Path, pieces: list[Path], data: bytes):
    (tmp_path / WEIGHTS_FILE).write_bytes(data)
    with pytest.raises(LocalModelUnavailableError, match=r"damaged or not the ones we know.*Delete the file"):
        prepare_weights(tmp_path, pieces=pieces, sha256=SHA256)


def test_shipped_weights_are_checked_against_our_own_constant(tmp_path: Path, pieces: list[Path]):
    with pytest.raises(LocalModelUnavailableError, match=f"must be {local_weights.WEIGHTS_SHA256}"):
        prepare_weights(tmp_path, pieces=pieces)


def test_folder_that_cannot_be_made_is_an_error_that_says_where_to_set_another(
    tmp_path: Path, pieces: list[Path]
):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LocalModelUnavailableError, match=r"Cannot keep the weights.*DAYDREAMING_WEIGHTS_DIR"):
        prepare_weights(tmp_path / "file" / "cache", pieces=pieces, sha256=SHA256)


def test_missing_weights_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, local_weights.WEIGHTS_PACKAGE, None)
    with pytest.raises(
        LocalModelUnavailableError, match=r"requirements-demo\.lock`, or use `make demo LLM=simulated`"
    ):
        find_weights_pieces()


def test_weights_package_that_lost_a_piece_names_it(monkeypatch: pytest.MonkeyPatch, pieces: list[Path]):
    pieces[2].unlink()
    monkeypatch.setitem(
        sys.modules, local_weights.WEIGHTS_PACKAGE, SimpleNamespace(chunk_paths=lambda: pieces)
    )
    with pytest.raises(LocalModelUnavailableError, match=r"lack weights\.part02\. Install"):
        find_weights_pieces()


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({"DAYDREAMING_WEIGHTS_DIR": "/w", "XDG_CACHE_HOME": "/c"}, "/w"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/daydreaming"),
        ({"HOME": "/home/someone"}, "/home/someone/.cache/daydreaming"),
    ],
)
def test_weights_folder_is_the_one_set_else_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], folder: str
):
    for name in ("DAYDREAMING_WEIGHTS_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert default_weights_dir() == Path(folder)


# --- Settings ---


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_is_allowed(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", "", "localhost.example.org"])
def test_any_other_host_is_refused(host: str):
    with pytest.raises(InputError, match=f"must be a loopback address such as 127.0.0.1; got '{host}'"):
        LocalServerConfig(host=host)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("port", 65536, r"--port must be between 0 and 65535; got 65536"),
        ("port", -1, r"got -1"),
        ("threads", 0, r"--threads must be at least 1; got 0"),
        ("slots", 0, r"--slots must be at least 1; got 0"),
        ("slot_tokens", -5, r"--slot-tokens must be at least 1; got -5"),
    ],
)
def test_settings_out_of_range_are_refused(field: str, value: int, message: str):
    with pytest.raises(InputError, match=message):
        LocalServerConfig(**{field: value})


def test_a_core_is_left_to_airflow():
    assert 1 <= LocalServerConfig().threads <= max(1, (os.cpu_count() or 1) // 2)


def test_taken_port_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=r"cannot listen on 127\.0\.0\.1:\d+: .*Choose another --port"):
            require_free("127.0.0.1", taken.getsockname()[1])


# --- Where it cannot run ---


def test_missing_engine_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LocalModelUnavailableError, match=r"pip install -r requirements-demo\.lock"):
        load_engine()


def test_missing_system_library_is_told_apart_from_a_missing_package(monkeypatch: pytest.MonkeyPatch):
    def fail(name: str) -> object:
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(local, "import_module", fail)
    with pytest.raises(LocalModelUnavailableError, match=r"cannot be loaded: libgomp\.so\.1.*libgomp1"):
        load_engine()


def test_why_unavailable_says_it_in_one_line(monkeypatch: pytest.MonkeyPatch, pieces: list[Path]):
    package = SimpleNamespace(chunk_paths=lambda: pieces)
    monkeypatch.setitem(sys.modules, "xllamacpp", SimpleNamespace())  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, local_weights.WEIGHTS_PACKAGE, package)  # type: ignore[arg-type]
    assert why_unavailable() is None
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    assert (why_unavailable() or "").startswith("xllamacpp (llama.cpp) is not installed.")


def test_threads_do_not_spin_while_they_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(local, "import_module", lambda name: os.environ["OMP_WAIT_POLICY"])
    assert load_engine() == "passive"
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert load_engine() == "active"


@pytest.mark.parametrize("missing", ["xllamacpp", local_weights.WEIGHTS_PACKAGE])
def test_command_without_the_extra_ends_with_3_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, missing: str
):
    monkeypatch.setitem(sys.modules, "xllamacpp", SimpleNamespace())  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as ended:
        main(["--weights-dir", str(tmp_path)])
    said = capsys.readouterr()
    assert ended.value.code == 3
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert "pip install -r requirements-demo.lock" in said.err
    assert "make demo LLM=simulated" in said.err


def test_command_with_another_host_ends_with_2_and_one_line(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        main(["--host", "0.0.0.0"])
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert "must be a loopback address" in said.err
    assert said.err.count("\n") == 1


def test_importing_the_module_needs_neither_engine_nor_weights():
    blocked = (
        f"import sys; sys.modules['xllamacpp'] = sys.modules['{local_weights.WEIGHTS_PACKAGE}'] = None; "
    )
    subprocess.run([sys.executable, "-c", f"{blocked}import daydreaming.llm.local_process"], check=True)


def test_child_that_ends_shows_what_it_said():
    process = LocalServerProcess(["--host", "0.0.0.0"])
    with pytest.raises(DaydreamingError, match=r"ended or was not ready.*\n.*must be a loopback address"):
        process.start()
    assert process.pid is None
    process.stop()


def test_base_url_of_a_server_that_does_not_run_is_an_error():
    with pytest.raises(DaydreamingError, match="not running"):
        _ = LocalServerProcess().base_url
