"""Times in files, as ``isoformat`` writes them."""

from __future__ import annotations

from datetime import datetime


def read_time(name: str, text: str) -> datetime:
    """A time and its zone: one that has none could not be compared with others.

    Args:
        name: What the file calls it, for the message.
        text: What it holds.

    Raises:
        ValueError: It is no time, or has no zone; TypeError: it is no text.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{name} has no time zone: {text!r}")
    return time
