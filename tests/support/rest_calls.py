"""The calls of the REST reference, as it shows them, for an Airflow of the tests."""

from __future__ import annotations

from daydreaming.cli.environment import USER
from tests.support.documents import ROOT, blocks, replaced

#: In the order of the page.
CALLS = tuple(block for block in blocks(ROOT / "docs/reference/rest.md") if block.language == "sh")
LOG_IN, *_ = CALLS


def login_text(url: str, password: str) -> str:
    """What is typed first, with the address and the password of an Airflow."""
    text = replaced(LOG_IN.text, "http://127.0.0.1:8080", url)
    return replaced(replaced(text, "PASSWORD", password), '"admin"', f'"{USER}"')
