"""What an object store answers when it refuses, in one line for a person."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from daydreaming.errors import ObjectStoreError

_NO_BUCKET = "NoSuchBucket"
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError"}
_TAKEN = {"PreconditionFailed", "412"}
#: Another request to the same object is under way: who gets this tries again.
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}


@contextmanager
def told(where: str) -> Iterator[None]:
    """Turn what the libraries raise into an ObjectStoreError; a missing object stays a FileNotFoundError.

    Args:
        where: The bucket or object, as people name it.
    """
    try:
        yield
    except FileNotFoundError as error:
        if error_code(error) == _NO_BUCKET:
            raise ObjectStoreError(
                f"{where}: no such bucket. Make it, or correct DAYDREAMING_DATA_ROOT.", "missing"
            ) from error
        raise
    except FileExistsError:
        raise
    except Exception as error:  # four libraries raise here, and have no base in common
        reason: Literal["down", "refused"] = "refused" if _is_refused(error) else "down"
        raise ObjectStoreError(f"{where}: {_said(error)}", reason) from error


def is_taken(error: OSError) -> bool:
    """Whether a store refused a conditional put since the object is there."""
    return isinstance(error, FileExistsError) or error_code(error) in _TAKEN


def is_conflict(error: OSError) -> bool:
    """Whether it refused one since it could not say, for another request is under way."""
    return error_code(error) in _CONFLICT


def error_code(error: BaseException) -> str:
    """The store's own code of an error; '' where it gave none."""
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _is_refused(error: Exception) -> bool:
    return isinstance(error, PermissionError) or type(error).__name__ in _NO_CREDENTIALS


def _said(error: Exception) -> str:
    name = type(error).__name__
    if _is_refused(error):
        return (
            f"the object store refuses access ({_first_line(error)}). Check the credentials (the connection "
            "in the URL, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and the bucket's policy."
        )
    is_down = "Connect" in name or "Timeout" in name or getattr(error, "errno", None) == errno.EBUSY
    if is_down:
        return (
            f"the object store cannot be reached ({_first_line(error)}). Check its address "
            "(AWS_ENDPOINT_URL_S3, or endpoint_url of the connection) and that it runs."
        )
    return f"the object store failed ({name}: {_first_line(error)})."


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
