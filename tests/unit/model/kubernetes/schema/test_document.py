"""JSON bodies, read as Go reads them, and what hostile ones come to."""

from __future__ import annotations

import pytest

from corral.model.kubernetes.schema.document import MAX_DEPTH, decode_json
from corral.model.kubernetes.status import StatusError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", 1),
        ("-0", 0),
        ("1.5", 1.5),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", 9.223372036854776e18),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\ud800x"', "\ufffdx"),
        ('{"\\udc00": 1}', {"\ufffd": 1}),
    ],
)
def test_values(text: str, found: object) -> None:
    assert decode_json(text.encode()).object == found
    assert type(decode_json(text.encode()).object) is type(found)


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert decode_json(b'"\xff"').object == "\ufffd"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "unexpected end of JSON input"),
        (b'{"a": ', "unexpected end of JSON input"),
        (b"{x}", "invalid character 'x' looking for beginning of object key string"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b'{"a": -Infinity}', "invalid character '-' looking for beginning of value"),
        (b"1 2", "invalid character '2' after top-level value"),
        (b"1e999", "cannot unmarshal number 1e999 into Go value of type float64"),
        (b"9" * 5000, "cannot unmarshal number 9999"),
    ],
)
def test_what_is_no_json_is_a_bad_request(body: bytes, says: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_json(body)
    assert caught.value.code == 400 and says in caught.value.message


@pytest.mark.parametrize("pair", [b"[]", b"{}"])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_what_is_nested_too_deeply_is_refused(pair: bytes, depth: int) -> None:
    start = b'{"a":' if pair == b"{}" else b"["
    with pytest.raises(StatusError) as caught:
        decode_json(start * depth + b"1" + pair[1:] * depth)
    assert "exceeded max depth" in caught.value.message


def test_what_is_nested_just_so_deeply_is_taken() -> None:
    assert decode_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).object


def test_duplicates_have_paths_and_the_last_one_counts() -> None:
    found = decode_json(b'{"a": [{"b": 1, "b": 2, "b": 3}], "a": [{"c": 1, "c": 1}], "d": {"e": 1, "e": 2}}')
    assert found.object == {"a": [{"c": 1}], "d": {"e": 2}}
    assert found.duplicates == ('duplicate field "a"', 'duplicate field "a[0].c"', 'duplicate field "d.e"')


def test_a_hundred_duplicates_say_enough() -> None:
    many = ", ".join(f'"k{index}": 1, "k{index}": 2' for index in range(300))
    assert len(decode_json(f"{{{many}}}".encode()).duplicates) == 100
