"""Rendered prompts as a page shows them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from daydreaming.errors import StoreError
from daydreaming.inputs.records import Stage
from daydreaming.pipeline.shown_texts import ShownText, shown_plain
from daydreaming.store.files import DataRoot


@dataclass(frozen=True)
class ShownPrompt:
    """The prompt file of a cell.

    Attributes:
        text: Without passages where nothing was rendered yet.
        is_other: Whether it was rendered anew since the answer that is stored.
        path: Below the data root.
    """

    text: ShownText
    is_other: bool
    path: str


def shown_prompt(
    files: DataRoot, stage: Stage, cell_id: str, prompt_sha256: str | None
) -> ShownPrompt | None:
    """The prompt of a cell; None where none was rendered.

    Args:
        files: The data root.
        stage: Of the cell.
        cell_id: Its ID.
        prompt_sha256: Of the prompt that was answered; None where nobody knows.
    """
    name = files.relative(files.prompt(stage, cell_id))
    try:
        text = read_prompt(files, stage, cell_id)
    except StoreError as error:
        return ShownPrompt(ShownText(problem=str(error)), False, name)
    if text is None:
        return None
    is_other = prompt_sha256 is not None and hashlib.sha256(text.encode()).hexdigest() != prompt_sha256
    return ShownPrompt(shown_plain(text), is_other, name)


def read_prompt(files: DataRoot, stage: Stage, cell_id: str) -> str | None:
    """The whole prompt of a cell; None where none was rendered.

    Raises:
        StoreError: The file cannot be read.
    """
    path = files.prompt(stage, cell_id)
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{files.relative(path)}: cannot be read ({error}).") from error
