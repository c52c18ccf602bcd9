"""The reader of JSON bodies takes what is sound bit for bit, and refuses the rest by name, quickly."""

from __future__ import annotations

import json
import time
from io import BytesIO
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest, TooLarge, UnsupportedMedia
from app.schemas.json_body import MAX_THINGS, JsonBodies, parse_object, things

LIMIT = 10 * 2**20


def refused(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(raw)
    return caught.value


def read(raw: bytes, **environ: str) -> dict[str, Any]:
    base = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(raw)), "wsgi.input": BytesIO(raw)}
    return JsonBodies(LIMIT).read({**base, **environ})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "raw",
    [b"", b"  ", b"5", b"[]", b"null", b"{'a':1}", b"[1,]", b"{} x", b"{}{}", b'{"a":"\n"}', b"True", b'{"a":1,}'],
)
def test_fault_2_01_what_is_no_json_object_is_400(raw: bytes) -> None:
    assert refused(raw).status == 400


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 4301])
@pytest.mark.parametrize(("shape", "field"), [('{"a":%s}', "a"), ('{"t":[{"p":{"x":%s}}]}', "t[0].p.x")])
def test_fault_2_02_numbers_that_json_has_not_are_400_naming_them(value: str, shape: str, field: str) -> None:
    assert refused((shape % value).encode()).field == field


def test_fault_2_03_of_a_name_given_twice_the_last_one_counts() -> None:
    assert parse_object(b'{"model":"a","stream":true,"model":"b","stream":false}') == {"model": "b", "stream": False}


@pytest.mark.parametrize(
    "raw",
    [
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-16-le"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf" * 2 + b"{}",
    ],
)
def test_fault_2_04_what_is_not_utf_8_is_400(raw: bytes) -> None:
    assert refused(raw).status == 400


def test_fault_2_04_a_byte_order_mark_passes() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@pytest.mark.parametrize("charset", ["latin-1", "utf-16", "us-ascii"])
def test_fault_2_04_another_charset_is_400(charset: str) -> None:
    with pytest.raises(InvalidRequest):
        read(b"{}", CONTENT_TYPE=f"application/json; charset={charset}")


@pytest.mark.parametrize("text", ["\\ud800", "a\\udfffb", "\\u0000", "x\\u0000"])
@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ('{"message":"%s"}', "message"),
        ('{"messages":[{"content":[{"text":"%s"}]}]}', "messages[0].content[0].text"),
        ('{"t":{"%s":1}}', None),
    ],
)
def test_fault_2_05_nul_and_lone_surrogates_are_400_naming_the_field(text: str, shape: str, field: str | None) -> None:
    fault = refused((shape % text).encode())
    assert fault.status == 400
    assert fault.field == field if field else fault.field is not None
    orjson.dumps(fault.field)


def test_fault_2_05_nul_passes_where_the_route_says_so_and_nowhere_deeper() -> None:
    raw = b'{"password":"a\\u0000b"}'
    assert parse_object(raw, frozenset({"password"})) == {"password": "a\0b"}
    with pytest.raises(InvalidRequest):
        parse_object(b'{"password":{"x":"\\u0000"}}', frozenset({"password"}))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_fault_2_05_all_other_text_comes_back_bit_for_bit(text: str) -> None:
    for ascii_only in (True, False):
        raw = json.dumps({"message": text}, ensure_ascii=ascii_only).encode()
        assert parse_object(raw) == {"message": text}


def test_a_backslash_before_u0000_is_text_and_no_nul() -> None:
    assert parse_object(b'{"code":"\\\\u0000"}') == {"code": "\\u0000"}


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
        b'{"tools":[{"function":{"parameters":' + b'{"x":' * 62 + b"1" + b"}" * 62 + b"}}]}",
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    ],
)
def test_fault_2_06_nesting_over_64_is_400(raw: bytes) -> None:
    assert refused(raw).status == 400


def test_nesting_of_64_passes_and_so_do_many_lists_side_by_side() -> None:
    assert parse_object(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}")
    assert len(parse_object(orjson.dumps({"a": [[{"b": 1}]] * 500}))["a"]) == 500


CODE = 'foo(a, b, {"x": [1,2]})\n"quoted", \\" and \\\\'


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":[' + b"[]," * 3_300_000 + b"[]]}",
        b'{"a":"' + b'"' * LIMIT + b"," * 200_002,
        b'{"a":[' + b'"",' * 3_000_000 + b"1]}",
        b'{"a":' + b'","' * 3_000_000,
        b'{"a":"' + b"\\\\" * 5_000_000 + b",{" * 150_000,
    ],
    ids=["lists", "quotes", "empty texts", "commas in quotes", "backslashes"],
)
def test_fault_2_07_a_body_of_millions_of_things_is_refused_before_a_beat_is_missed(raw: bytes) -> None:
    began = time.perf_counter()
    assert refused(raw).status == 400
    assert time.perf_counter() - began < 0.5  # 0.05 to 0.15 s alone; parsing it takes 0.6 s and 258 MB


def test_fault_2_07_one_message_of_9_mb_of_code_passes() -> None:
    body = {"message": CODE * (9_000_000 // len(CODE))}
    assert parse_object(orjson.dumps(body)) == body


@given(
    st.recursive(
        st.text('a{[,"\\\n', max_size=8) | st.integers(0, 9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a{[,"\\', max_size=3), inner, max_size=4),
        max_leaves=30,
    )
)
def test_things_are_counted_outside_strings_only(value: Any) -> None:
    padding = ["{[,"] * 1 + ["x" * 3] * 1
    raw = orjson.dumps({"v": value, "pad": ["," * (MAX_THINGS + 1), *padding]})
    assert things(raw) == _outside(raw)


def _outside(raw: bytes) -> int:
    count, inside, escaped = 0, False, False
    for byte in raw:
        if escaped:
            escaped = False
        elif inside:
            escaped, inside = byte == 0x5C, byte != 0x22
        elif byte == 0x22:
            inside = True
        else:
            count += byte in b"{[,"
    return count


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", "json"],
)
def test_fault_2_09_another_content_type_is_415_saying_what_to_send(content_type: str) -> None:
    with pytest.raises(UnsupportedMedia, match="application/json"):
        read(b"{}", CONTENT_TYPE=content_type)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "gzip, gzip", "GZIP"])
def test_fault_2_09_a_compressed_body_is_415(coding: str) -> None:
    with pytest.raises(UnsupportedMedia):
        read(b"{}", HTTP_CONTENT_ENCODING=coding)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON; charset="UTF-8"'])
def test_fault_2_09_json_in_utf_8_passes(content_type: str) -> None:
    assert read(b'{"a":1}', CONTENT_TYPE=content_type) == {"a": 1}


class Unread(BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError("not a byte is to be read")


@pytest.mark.parametrize("length", [str(LIMIT + 1), "1" + "0" * 14, "9" * 5000])
def test_fault_2_10_a_body_over_the_limit_is_413_and_not_read(length: str) -> None:
    with pytest.raises(TooLarge) as caught:
        read(b"", CONTENT_LENGTH=length, **{"wsgi.input": Unread()})  # type: ignore[arg-type]
    assert caught.value.details == {"reason": "size", "max_bytes": LIMIT}


def test_fault_2_10_a_body_over_the_limit_without_a_length_is_413() -> None:
    raw = b'{"a":"' + b"x" * LIMIT + b'"}'
    with pytest.raises(TooLarge):
        read(raw, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")


def test_fault_1_20_a_body_shorter_than_its_length_is_400() -> None:
    with pytest.raises(InvalidRequest):
        read(b"{} ", CONTENT_LENGTH="10")
