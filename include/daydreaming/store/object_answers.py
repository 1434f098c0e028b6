"""Answers on an object store: a text is put once, and beside it lies the record of the call that made it.

There is no rename and no link there. What a put makes is whole at once, and a conditional put is refused
where the object is there; so the text decides who was first. Each function is to be called by whoever
holds the turn of the cell: the record belongs to the text, and two objects cannot be put at once.
"""

from __future__ import annotations

from daydreaming.objects.path import ObjectPath


def put_answer(text_path: ObjectPath, record_path: ObjectPath, text: bytes, record: bytes | None) -> bool:
    """Put a record, then its text, once.

    Args:
        text_path: Where the answer is to be.
        record_path: Beside it.
        text: The answer.
        record: None where it has none.

    Returns:
        False where another answer is there: it and its record are as they were.
    """
    bucket = text_path.bucket
    if bucket.info(text_path.key):
        return False
    left = _take_place(record_path, record)
    if bucket.put_new(text_path.key, text):
        return True
    # The client sends a put again when no answer came: then it is our own that is there.
    if bucket.read(text_path.key) == text:
        return True
    _put_or_remove(record_path, left)
    return False


def move_answer_away(text_path: ObjectPath, record_path: ObjectPath, target: ObjectPath) -> None:
    """Copy an answer and its record to another place, then delete them; the record leaves last."""
    bucket = text_path.bucket
    if not bucket.info(text_path.key):
        return
    if bucket.info(record_path.key):
        bucket.copy(record_path.key, target.with_suffix(".json").key)
    bucket.copy(text_path.key, target.key)
    bucket.remove(text_path.key)
    bucket.remove(record_path.key)


def move_answer_back(source: ObjectPath, text_path: ObjectPath, record_path: ObjectPath) -> bool:
    """Put an answer that was moved away in its place again; False where it is gone, or another is there."""
    bucket, source_record = source.bucket, source.with_suffix(".json")
    try:
        text = bucket.read(source.key)
    except FileNotFoundError:
        return False
    if not put_answer(text_path, record_path, text, _read_if_there(source_record)):
        return False
    bucket.remove(source.key)
    bucket.remove(source_record.key)
    return True


def _take_place(path: ObjectPath, data: bytes | None) -> bytes | None:
    """Put a record; returns the one that a call left there which did not get to its text."""
    if data is not None and path.bucket.put_new(path.key, data):
        return None
    left = _read_if_there(path)
    _put_or_remove(path, data)
    return left


def _put_or_remove(path: ObjectPath, data: bytes | None) -> None:
    if data is None:
        path.bucket.remove(path.key)
    else:
        path.bucket.put(path.key, data)


def _read_if_there(path: ObjectPath) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
