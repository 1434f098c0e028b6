"""A report is printed by the command that the page on it shows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from tests.support.documents import block_with, replaced
from tests.support.experiments import make_settings
from tests.support.finished import finished_run
from tests.support.shell import plain_environment, type_in_shell

pytestmark = pytest.mark.browser

PRINTED = block_with("docs/report.md", "--print-to-pdf")
DOCUMENTED = (PRINTED,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a finished experiment is in ``data``."""
    made = make_settings(tmp_path)
    finished_run(Settings(made.inputs_root, tmp_path / "data"))
    return tmp_path


def test_a_report_is_printed_on_pages(folder: Path) -> None:
    # Chromium refuses root its sandbox.
    text = PRINTED.text if os.getuid() else replaced(PRINTED.text, "chromium", "chromium --no-sandbox")
    type_in_shell(text, folder, plain_environment(HOME=str(folder)))
    printed = (folder / "report.pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    # The tables of all analyses: a title page alone would mean that they were cut off.
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) > 3
