"""Files of ``static``: their address names their content, so that a browser need not ask for it again."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from fastapi import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
#: Of an answer whose address names its content.
KEPT: Final = "private, max-age=31536000, immutable"
_VERSION_CHARS: Final = 12


class VersionedFiles(StaticFiles):
    """Serves them; what was asked for as of another version, or of none, is asked for again next time."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 404."""
        response = await super().get_response(path, scope)
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("v", [])
        if response.status_code in (200, 304) and asked == [file_version(path)]:
            response.headers["cache-control"] = KEPT
        return response


@cache
def file_version(name: str) -> str:
    """Part of a file's address."""
    return text_version((STATIC / name).read_bytes())


def text_version(content: bytes) -> str:
    """What names a content."""
    return hashlib.sha256(content).hexdigest()[:_VERSION_CHARS]
