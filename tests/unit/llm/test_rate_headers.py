from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daydreaming.llm.answer import MAX_RETRY_AFTER_S
from daydreaming.llm.rate_headers import (
    MAX_WAIT_S,
    RateHeaders,
    headers_in_body,
    pause_s,
    read_rate_headers,
)

#: 2025-03-06T23:59:00Z
NOW = 1741305540.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RateHeaders()),
        (
            {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1741305600000"},
            RateHeaders(limit_requests=20, remaining_requests=0, reset_requests_s=60.0),
        ),
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            RateHeaders(60, 59, 1.0, 150_000, 149_984, 360.0),
        ),
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2025-03-06T23:59:30Z",
                "anthropic-ratelimit-tokens-limit": "40000",
                "anthropic-ratelimit-tokens-remaining": "39000",
                "anthropic-ratelimit-tokens-reset": "2025-03-07T00:59:01.500+01:00",
                "retry-after": "12",
            },
            RateHeaders(50, 0, 30.0, 40_000, 39_000, 1.5, 12.0),
        ),
        # what is said of requests goes before what is said of nothing in particular
        (
            {"x-ratelimit-limit-requests": "60", "x-ratelimit-limit": "20"},
            RateHeaders(limit_requests=60),
        ),
        (
            {"x-ratelimit-limit-requests": "many", "x-ratelimit-limit": "20"},
            RateHeaders(limit_requests=20),
        ),
    ],
)
def test_limits_are_read_from_each_family_of_headers(headers, expected):
    assert read_rate_headers(headers, NOW) == expected


@pytest.mark.parametrize("name", ["x-ratelimit-reset", "x-ratelimit-reset-requests"])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7.5 ", 7.5),
        ("172800", MAX_WAIT_S),
        ("1741305600", 60.0),
        ("1741305540.25", 0.25),
        ("1741305600000", 60.0),
        ("1741305541500.0", 1.5),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("1d2h", 93_600.0),
        ("17.28s", 17.28),
        ("500µs", 0.0005),
        ("2025-03-07T00:00:00Z", 60.0),
        ("2025-03-07T00:00:00.25+00:00", 60.25),
        ("2025-03-06T19:00:00-05:00", 60.0),
        # over, too far away, in another unit
        ("1741305500", None),
        ("2025-03-06T23:58:59Z", None),
        ("172801", None),
        ("49h", None),
        ("1741478341", None),
        ("2099-01-01T00:00:00Z", None),
        ("1741305600000000", None),
        ("9" * 60, None),
        # nothing that says a time
        ("", None),
        ("soon", None),
        ("-1", None),
        ("-5s", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("s", None),
        ("5", 5.0),
        ("5 s", None),
        ("1h-2m", None),
        ("1m30", None),
        ("٣", None),
        ("2025-03-07", None),
        ("2025-03-07T00:00:00", None),
        ("9" * 70, None),
    ],
)
def test_a_reset_is_a_number_a_duration_or_a_time(name, value, seconds):
    assert read_rate_headers({name: value}, NOW).reset_requests_s == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("0", 0),
        (" 20 ", 20),
        ("2147483647", 2**31 - 1),
        ("2147483648", None),
        ("9" * 50, None),
        ("-1", None),
        ("1.5", None),
        ("20, 20;w=60", None),
        ("1_000", None),
        ("٣", None),
        ("unlimited", None),
        ("", None),
    ],
)
def test_a_count_is_a_whole_number_or_nothing(value, count):
    read = read_rate_headers({"x-ratelimit-limit": value, "x-ratelimit-remaining-tokens": value}, NOW)
    assert (read.limit_requests, read.remaining_tokens) == (count, count)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 07 Mar 2025 00:00:00 GMT"}, 60.0),
        ({"retry-after": "Thu, 06 Mar 2025 23:59:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 06 Mar 2025 23:58:59 GMT"}, None),
        ({"retry-after": "Fri, 07 Mar 2099 00:00:00 GMT"}, None),
        ({"retry-after": "Fri, 07 Mar 2025 00:00:00 -0000"}, None),
        ({"retry-after": "Fri, 99 Mar 2025 00:00:00 GMT"}, None),
        ({"retry-after": "Fri, 07 Mar 2025 00:00:00 +99999999999999"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "1e9"}, MAX_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_a_number_or_an_http_date(headers, seconds):
    assert read_rate_headers(headers, NOW).retry_after_s == seconds


NAMES = st.sampled_from(
    [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
        "x-ratelimit-limit-tokens",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-tokens-remaining",
    ]
)
VALUES = (
    st.binary(max_size=80).map(lambda value: value.decode("latin-1"))
    | st.text("0123456789.:-+TZGMThmsdµ٣ ,Jan", max_size=40)
    | st.datetimes().map(lambda moment: moment.isoformat() + "+23:59")
    | st.floats().map(str)
    | st.integers().map(str)
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES), st.integers(0, 2_000_000_000), st.sampled_from([200, 429, 500]))
def test_no_header_whatever_raises_or_makes_a_wait_without_sense(headers, now, status):
    read = read_rate_headers(headers, float(now))
    waits = (read.reset_requests_s, read.reset_tokens_s, read.retry_after_s, pause_s(status, read))
    assert all(wait is None or 0 <= wait <= MAX_WAIT_S for wait in waits)
    counts = (read.limit_requests, read.limit_tokens, read.remaining_requests, read.remaining_tokens)
    assert all(count is None or 0 <= count < 2**31 for count in counts)


@pytest.mark.parametrize(
    ("limit", "reset_s", "per_minute"),
    [
        (20, 0.0, 20),
        (20, 60.0, 20),
        (20, 61.0, 20),
        (50, 61.5, None),
        (50, 7 * 3600.0, None),
        (20, None, None),
    ],
)
def test_a_limit_is_one_per_minute_only_where_its_reset_says_so(limit, reset_s, per_minute):
    requests = RateHeaders(limit_requests=limit, reset_requests_s=reset_s)
    assert (requests.rpm, requests.tpm) == (per_minute, None)
    tokens = RateHeaders(limit_tokens=limit, reset_tokens_s=reset_s)
    assert (tokens.rpm, tokens.tpm) == (None, per_minute)


REQUESTS_USED_UP = RateHeaders(remaining_requests=0, reset_requests_s=30.0)
TOKENS_USED_UP = RateHeaders(9, 9, 50.0, 100, 0, 20.0)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        # an answer that used up the last request or token
        (200, REQUESTS_USED_UP, 30.0),
        (201, TOKENS_USED_UP, 20.0),
        (200, RateHeaders(9, 0, 50.0, 100, 0, 20.0), 50.0),
        (200, RateHeaders(remaining_requests=1, reset_requests_s=30.0), None),
        (200, RateHeaders(reset_requests_s=30.0), None),
        (200, RateHeaders(remaining_requests=0), None),
        (200, RateHeaders(retry_after_s=5.0), None),
        (200, RateHeaders(), None),
        # a refusal
        (429, RateHeaders(retry_after_s=5.0), 5.0),
        (429, RateHeaders(retry_after_s=0.0), 0.0),
        (429, RateHeaders(retry_after_s=5.0, remaining_requests=0, reset_requests_s=30.0), 30.0),
        (429, RateHeaders(retry_after_s=45.0, remaining_requests=0, reset_requests_s=30.0), 45.0),
        (429, RateHeaders(retry_after_s=5.0, remaining_requests=3, reset_requests_s=30.0), 5.0),
        (429, RateHeaders(retry_after_s=5.0, reset_requests_s=30.0), 5.0),
        (429, REQUESTS_USED_UP, 30.0),
        (429, TOKENS_USED_UP, 20.0),
        (429, RateHeaders(reset_requests_s=30.0), 30.0),
        (429, RateHeaders(9, 9, 1.0, 100, 3, 20.0), 20.0),
        (429, RateHeaders(limit_requests=20, remaining_requests=0), None),
        (429, RateHeaders(), None),
        # of another kind: waiting is the call's own business
        (503, RateHeaders(retry_after_s=5.0), None),
        (400, REQUESTS_USED_UP, None),
        (301, REQUESTS_USED_UP, None),
    ],
)
def test_everyone_pauses_for_what_the_provider_says(status, headers, seconds):
    assert pause_s(status, headers) == seconds


def test_limits_that_a_router_reports_in_an_error_body_are_found():
    limits = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": 0, "X-RateLimit-Reset": 1741392000000}
    body = json.dumps({"error": {"code": 429, "message": "daily", "metadata": {"headers": limits}}})
    read = read_rate_headers(headers_in_body(body), NOW)
    assert read == RateHeaders(limit_requests=50, remaining_requests=0, reset_requests_s=86_460.0)
    assert read.rpm is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>",
        "[]",
        "3",
        "{}",
        '{"error": "busy"}',
        '{"error": {"metadata": null}}',
        '{"error": {"metadata": {"headers": ["x"]}}}',
        "[" * 100_000,
    ],
)
def test_an_error_body_without_headers_has_none(body):
    assert headers_in_body(body) == {}
