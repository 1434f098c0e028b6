"""The pages of ``docs/reference``: ``python -m tests.support.references`` writes them (``make docs``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daydreaming.settings import project_root
from tests.support.reference_cli import commands_page
from tests.support.reference_rest import rest_page

FOLDER = project_root() / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {"cli.md": commands_page, "rest.md": rest_page}


def main() -> None:
    """Write each page anew."""
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
