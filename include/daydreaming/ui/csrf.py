"""Forms that write: only from our own pages, only by the user they were made for, and small."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from airflow.api_fastapi.auth.tokens import get_signing_key
from airflow.configuration import conf
from cryptography.fernet import Fernet, InvalidToken
from fastapi import HTTPException, Request

#: A form is good for so long: an essay may be left open over a working day.
MAX_AGE_S = 12 * 3600
#: A comment of 2,000 characters may take 24,000 bytes when it is encoded.
MAX_FORM_BYTES = 64 * 1024
#: What a token holds is filled up to a multiple of this; see ``seal``.
TOKEN_BYTES = 256
_MAX_FIELDS = 20
_FORM_TYPE = "application/x-www-form-urlencoded"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_Place = tuple[str, int | None]


@dataclass(frozen=True)
class Sealed:
    """What a token holds.

    Attributes:
        is_old: Whether it was made longer ago than ``MAX_AGE_S``.
    """

    values: Mapping[str, Any]
    is_old: bool


def seal(purpose: str, user_id: str, values: Mapping[str, Any], size: int = TOKEN_BYTES) -> str:
    """Put values into a token that nobody but this deployment can read or make.

    Encrypted, not only signed: a blind rater must not be able to read an essay's ID out of the page. Filled
    up, too: the length would tell how long the ID is, and so the model.

    Args:
        purpose: What it is for: a token for something else is refused.
        user_id: Whom it is for, likewise.
        values: JSON values.
        size: What is sealed is filled up to so many bytes, or a multiple where that is too few.
    """
    text = json.dumps([purpose, user_id, values], separators=(",", ":"), ensure_ascii=False)
    data = text.encode()
    # Spaces after it are nothing to JSON.
    return _cipher().encrypt(data.ljust(math.ceil(len(data) / size) * size)).decode()


def unseal(purpose: str, user_id: str, token: str) -> Sealed:
    """Read a token.

    Raises:
        HTTPException: 403 where this deployment did not make it, or for something or somebody else.
    """
    cipher, data = _cipher(), token.encode()
    try:
        made_for, owner, values = json.loads(cipher.decrypt(data))
        age_s = time.time() - cipher.extract_timestamp(data)
    except InvalidToken:
        made_for = None
    if made_for is None or (made_for, owner) != (purpose, user_id):
        raise HTTPException(403, "This form was not made for you by this server. Open the page again.")
    return Sealed(values, age_s > MAX_AGE_S)


def require_same_origin(request: Request) -> None:
    """Refuse a request that another site's page has made the browser send.

    Raises:
        HTTPException: 403 where the browser says so, or does not say which page it comes from.
    """
    site = request.headers.get("sec-fetch-site")
    source = request.headers.get("origin") or request.headers.get("referer") or ""
    if site in (None, "same-origin") and _place(source) in _our_places(request):
        return
    raise HTTPException(403, "A form must come from a page of this Airflow. Open the page and send it there.")


async def small_form(request: Request) -> Mapping[str, str]:
    """The fields of a form that was sent; of a repeated one the last.

    Raises:
        HTTPException: 413 where it is too large, 415 where it is no form of a page, 422 where it cannot be
            read.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise HTTPException(415, f"A form must be sent as {_FORM_TYPE}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise HTTPException(413, f"A form may have at most {MAX_FORM_BYTES:,} bytes.")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise HTTPException(422, "The form cannot be read.") from error
    return dict(fields)


def _cipher() -> Fernet:
    secret = get_signing_key("api", "secret_key")
    # A key of our own, made of Airflow's: what Airflow signs with it can never pass for one of our tokens.
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"daydreaming forms\0{secret}".encode()).digest()))


def _our_places(request: Request) -> set[_Place]:
    """Host and port as the browser has asked for, and as Airflow is told that it is reached."""
    host = request.headers.get("host", "")
    urls = [*(f"{scheme}://{host}" for scheme in _DEFAULT_PORTS), conf.get("api", "base_url", fallback="")]
    return {place for url in urls if (place := _place(url or ""))}


def _place(url: str) -> _Place | None:
    """Host and port; None where there is none. The scheme is left out: a proxy may end TLS before us."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None
