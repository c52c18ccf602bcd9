"""A provider's word for what went wrong becomes the fault that it means."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters import faults

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.5", 0.5),
        ("2", 2.0),
        ("3", 3.0),
        ("4", 4.0),
        ("1000000000", 1e9),
        ("-5", None),
        ("NaN", None),
        ("1e400", None),
        ("inf", None),
        ("", None),
        ("2, 7", None),
        ("soon", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 99 Nov 2026 11:00:00 GMT", None),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("120ms", 0.12),
        ("6m0", None),
    ],
)
def test_fault_4_11_retry_after_is_read_in_every_form_or_not_at_all(text: str, seconds: float | None) -> None:
    assert faults.retry_after({"retry-after": text}, None, NOW) == seconds


def test_fault_4_11_the_other_places_of_a_wait() -> None:
    info = {"details": [{"@type": "x"}, {"retryDelay": "34s"}]}
    assert faults.retry_after({"retry-after-ms": "500", "retry-after": "9"}) == 0.5
    assert faults.retry_after({}, info) == 34.0
    assert faults.retry_after({}, {"message": "Limit reached. Please try again in 6m0s. Visit us"}) == 360.0
    assert faults.retry_after({}, {"message": "Please try again in 7.66s."}) == pytest.approx(7.66)
    assert faults.retry_after({}, {"message": "later"}) is None
    assert faults.retry_after({}, {"details": [{"retryDelay": "soon"}]}) is None


@given(st.text(max_size=30))
def test_fault_4_11_no_header_makes_it_crash_or_wait_a_negative_time(text: str) -> None:
    wait = faults.retry_after({"retry-after": text, "retry-after-ms": text})
    assert wait is None or 0 <= wait < float("inf")


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"message": "Unsupported value", "type": "invalid_request_error"}, "invalid_request"),
        (400, {"code": "context_length_exceeded", "message": "x"}, "context_length_exceeded"),
        (400, {"message": "This model's maximum context length is 8192 tokens."}, "context_length_exceeded"),
        (400, {"message": "This model's maximum prompt length is 131072"}, "context_length_exceeded"),
        (400, {"code": "content_filter", "message": "x"}, "content_filtered"),
        (400, {"message": "API key not valid.", "status": "INVALID_ARGUMENT"}, "key_rejected"),
        (400, {"message": "Your credit balance is too low to access the API."}, "key_rejected"),
        (400, {"code": "model_decommissioned", "message": "x"}, "model_gone"),
        (400, {"code": "tool_use_failed", "message": "x"}, "bad_reply"),
        (403, {"message": "Forbidden"}, "key_rejected"),
        (404, {"message": "model not found"}, "model_gone"),
        (413, {"message": "Request too large for model on tokens per minute", "type": "tokens"}, "rate_limited"),
        (413, {"message": "Request exceeds the maximum size", "type": "request_too_large"}, "too_large"),
        (429, {"code": "insufficient_quota", "message": "x"}, "key_rejected"),
        (429, {"status": "RESOURCE_EXHAUSTED", "message": "x"}, "rate_limited"),
        (405, {"message": "Method not allowed"}, "server_error"),
        (451, {"message": "Not here"}, "server_error"),
        (529, {"type": "overloaded_error", "message": "Overloaded"}, "server_error"),
    ],
)
def test_fault_4_08_to_4_10_status_and_body_decide_the_kind(status: int, error: object, kind: str) -> None:
    assert faults.refused(status, {}, orjson.dumps({"error": error})).kind == kind
    assert faults.refused(status, {}, orjson.dumps([{"error": error}])).kind == kind


def test_a_404_that_is_a_page_says_nothing_about_the_model() -> None:
    assert faults.refused(404, {}, b"<html>tunnel not found</html>").kind == "server_error"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "server_error"),
        ({"type": "rate_limit_error", "message": "x"}, "rate_limited"),
        ({"code": 429, "message": "x"}, "rate_limited"),
        ({"code": 503, "status": "UNAVAILABLE"}, "server_error"),
        ({"type": "invalid_request_error", "message": "prompt is too long: 5 > 4"}, "context_length_exceeded"),
        ({"type": "authentication_error"}, "key_rejected"),
        ("something broke", "server_error"),
        ({"message": "?"}, "server_error"),
    ],
)
def test_fault_4_17_an_error_inside_a_stream_is_classed_by_its_body(error: object, kind: str) -> None:
    assert faults.told(error).kind == kind
    assert faults.told({"error": error}).kind == kind


@given(st.integers(300, 599), JSON)
def test_no_body_makes_it_crash(status: int, value: object) -> None:
    fault = faults.refused(status, {}, orjson.dumps(value))
    assert fault.status == status
    assert len(fault.message) < 600
    faults.told(value)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_crash(body: bytes) -> None:
    assert faults.refused(500, {}, body).kind == "server_error"


@pytest.mark.parametrize(
    "secret",
    ["sk-proj-abcDEF123456", "gsk_abcdefgh12345678", "AIzaSyA1234567890abcdef", "xai-abcdefgh1234", "plainSecret"],
)
def test_fault_4_24_no_key_is_quoted(secret: str) -> None:
    body = orjson.dumps({"error": {"message": f"Incorrect API key provided: {secret}. Bearer {secret}, ?key={secret}"}})
    assert secret not in str(faults.refused(401, {}, body, secret))


def test_a_message_is_one_short_line() -> None:
    fault = faults.refused(400, {}, orjson.dumps({"error": {"message": "a\r\nX-Evil: 1\x1b[2J" + "x" * 10_000}}))
    assert fault.message.isprintable()
    assert len(fault.message) < 600


def test_a_page_is_not_quoted() -> None:
    assert "<" not in faults.refused(502, {}, b"<html><h1>Bad gateway</h1>").message
    assert faults.refused(502, {}, b"upstream gone").message == "the provider answered 502: upstream gone"
