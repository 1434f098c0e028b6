"""The commands of the docs that these tests type, as they stand there. To import this starts nothing."""

from __future__ import annotations

import re

from tests.support.documents import ROOT, Block, block_with, typed_lines

_PAGE = "docs/deployment.md"
_CODE = re.compile(r"`([^`\n]+)`")

START = block_with(_PAGE, "make secrets")
SIMULATOR = block_with(_PAGE, "--profile simulator")
USERS = block_with(_PAGE, "cli airflow users create")
TLS = block_with(_PAGE, "deploy/caddy/docker-compose.yaml")
SMALL = block_with(_PAGE, "docker-compose.override.example.yaml")
BACKUP = block_with(_PAGE, "daydreaming backup")
RESTORE = block_with(_PAGE, "daydreaming restore")
METRICS = block_with("docs/monitoring.md", "--profile metrics")
DOCUMENTED = (START, SIMULATOR, USERS, TLS, SMALL, BACKUP, RESTORE, METRICS)


def lines(block: Block) -> list[str]:
    """What is typed of a block, continued lines as one."""
    return [line for line, _ in typed_lines(block)]


def line_with(block: Block, text: str) -> str:
    """The one line of a block that holds a text."""
    [found] = [line for line in lines(block) if text in line]
    return found


def inline(text: str, document: str = _PAGE) -> str:
    """The one command within the sentences of a page that begins with a text."""
    page = (ROOT / document).read_text(encoding="utf-8")
    [found] = {code for code in _CODE.findall(page) if code.startswith(text)}
    return found


def upgrade() -> list[str]:
    """The commands of the sentence that says how to upgrade."""
    page = (ROOT / _PAGE).read_text(encoding="utf-8")
    return _CODE.findall(page.partition("\nTo upgrade: ")[2].partition(". ")[0])
