"""What the statistics are made by: our code, and the packages that calculate."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("numpy", "pandas", "scipy")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """One for the code as it is now: a change of ours, or another release of theirs, makes it another.

    Our version number would not do: it stays the same while somebody works on an analysis.
    """
    import daydreaming.analysis

    digest = hashlib.sha256()
    for path in sorted(Path(daydreaming.analysis.__path__[0]).glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for package in _PACKAGES:
        digest.update(f"{package}=={version(package)}\n".encode())
    return digest.hexdigest()
