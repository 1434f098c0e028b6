"""Airflow connections as far as the command line knows them: ``AIRFLOW_CONN_…`` in the environment.

Those that Airflow stores are read by its own processes alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from daydreaming.errors import InputError
from daydreaming.pipeline.connection_limits import ConnectionLimits

#: Where a connection's URI has its whole extra; see Airflow's "Managing Connections".
_WHOLE_EXTRA = "__extra__"


def limits_in_env(conn_id: str, env: Mapping[str, str] | None = None) -> ConnectionLimits | None:
    """What a connection's variable says of limits; None where there is none.

    Raises:
        InputError: It is neither a URI nor the JSON form, or its ``rate_limits`` cannot be used. The
            value is not told, for it holds a key.
    """
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = (os.environ if env is None else env).get(name, "").strip()
    if not text:
        return None
    try:
        extra = _extra(text)
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{name} is neither a URI (openai://:KEY@HOST) nor a JSON object whose extra is one. Correct it."
        ) from None
    return ConnectionLimits.of_extra(conn_id, extra)


def _extra(text: str) -> object:
    """A connection's extra, from its JSON form or its URI."""
    if text.startswith("{"):
        extra = json.loads(text).get("extra") or {}
        return json.loads(extra) if isinstance(extra, str) else extra
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError("no URI")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return json.loads(query[_WHOLE_EXTRA]) if query.get(_WHOLE_EXTRA) else query
