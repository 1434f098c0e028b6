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
_SETTING = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")

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
    for line in text.splitlines():
        setting = _SETTING.match(line)
        name = setting["name"] if setting else ""
        if setting and name in SECRETS and not setting["value"].strip():
            made.append(name)
            lines.append(f"{name}={SECRETS[name]()}")
        else:
            lines.append(line)
    present = {setting["name"] for line in lines if (setting := _SETTING.match(line))}
    for name in SECRETS.keys() - present:
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
    if not made:
        _say(f"{file} has all secrets; nothing was changed.")
        return
    write_private(file, text)
    names = ", ".join(sorted(made))
    _say(f"{file}: made {names}. Keep a copy: without FERNET_KEY stored connections are lost.")


if __name__ == "__main__":
    try:
        main(*(Path(argument) for argument in sys.argv[1:2]))
    except OSError as error:
        sys.exit(f"Error: {error.filename}: {error.strerror}.")
