"""Write `.env` from `.env.example`, with a fresh secret wherever one is needed. `make secrets`.

Run again, it changes nothing that is set: it adds what is missing. Only the standard library is needed.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
# Compose reads a line with spaces or `export` before its name like one without.
_SETTING = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Z][A-Z0-9_]*)\s*=(?P<value>.*)$")

#: Letters, digits, - and _ alone: these stand in URLs.
SECRETS: Mapping[str, Callable[[], str]] = {
    "FERNET_KEY": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),
    "JWT_SECRET": lambda: secrets.token_urlsafe(48),
    "API_SECRET_KEY": lambda: secrets.token_urlsafe(32),
    "POSTGRES_PASSWORD": lambda: secrets.token_urlsafe(24),
    "AIRFLOW_DB_PASSWORD": lambda: secrets.token_urlsafe(24),
    "RESULTS_DB_PASSWORD": lambda: secrets.token_urlsafe(24),
    "REDIS_PASSWORD": lambda: secrets.token_urlsafe(24),
    "ADMIN_PASSWORD": lambda: secrets.token_urlsafe(15),
    "GRAFANA_PASSWORD": lambda: secrets.token_urlsafe(15),
}


def fill(example: str, existing: str = "") -> tuple[str, list[str]]:
    """Give every secret that is not set a value.

    Args:
        example: Text of ``.env.example``.
        existing: Text of ``.env``; '' where there is none.

    Returns:
        The text to write, and the names of the secrets that were made.
    """
    made: list[str] = []
    lines: list[str] = []
    text = existing or example
    settings = [_SETTING.match(line) for line in text.splitlines()]
    has_value = {one["name"] for one in settings if one and one["value"].strip()}
    for line, setting in zip(text.splitlines(), settings, strict=True):
        if not setting or setting["name"] not in SECRETS or setting["value"].strip():
            lines.append(line)
        elif setting["name"] not in {*has_value, *made}:
            made.append(setting["name"])
            lines.append(f"{setting['name']}={SECRETS[setting['name']]()}")
        # Else it is left out: compose takes the last line of a name, and this one would empty what is set.
    for name in SECRETS.keys() - has_value - set(made):
        made.append(name)
        lines.append(f"{name}={SECRETS[name]()}")
    return "\n".join(lines) + "\n", made


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone may read; whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(
        os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    beside.replace(path)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - what the command says


def main(folder: Path = _ROOT) -> None:
    """Write ``.env`` and say what was made; no secret is printed."""
    file = folder / ".env"
    existing = file.read_text(encoding="utf-8") if file.exists() else ""
    text, made = fill((folder / ".env.example").read_text(encoding="utf-8"), existing)
    if not made and text.split() == existing.split():
        _say(f"{file} has all secrets; nothing was changed.")
        return
    write_private(file, text)
    names = ", ".join(sorted(made)) or "nothing, and took away empty lines of what is set"
    _say(f"{file}: made {names}. Keep a copy: without FERNET_KEY stored connections are lost.")


if __name__ == "__main__":
    try:
        main(*(Path(argument) for argument in sys.argv[1:2]))
    except OSError as error:
        sys.exit(f"Error: {error.filename}: {error.strerror}.")
