"""YAML bodies, in the dialect that Kubernetes' users have always written."""

from __future__ import annotations

import pytest

from corral.model.kubernetes.schema.document import MAX_DEPTH
from corral.model.kubernetes.schema.yaml_document import decode_yaml, resolve
from corral.model.kubernetes.status import StatusError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("yEs", "yEs"),
        ("Null", None),
        ("0755", 493),
        ("08", 8),
        ("0b11", 3),
        ("-0x1f", -31),
        ("1_000", 1000),
        ("1.0", 1),
        ("1.5e+3", 1500),
        ("1e3", 1000),
        (".5", 0.5),
        ("5.", 5),
        ("1e999", "1e999"),
        ("1.2.3", "1.2.3"),
        ("12:30:45", "12:30:45"),
        ("2026-01-02", "2026-01-02"),
        ("18446744073709551615", 1.8446744073709552e19),
        ("100m", "100m"),
        ("-", "-"),
        (".", "."),
    ],
)
def test_plain_scalars(text: str, found: object) -> None:
    assert resolve(text) == found and type(resolve(text)) is type(found)


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".NaN"])
def test_numbers_that_json_has_not(text: str) -> None:
    with pytest.raises(StatusError) as caught:
        resolve(text)
    assert caught.value.code == 400


def test_quotes_and_tags_say_what_a_scalar_is() -> None:
    found = decode_yaml(b"a: '1'\nb: !!str 1\nc: !!int '3'\nd: !!binary aGk=\ne: |\n  two\n  lines\nf: !!float 1")
    assert found.object == {"a": "1", "b": "1", "c": 3, "d": "hi", "e": "two\nlines\n", "f": 1}


def test_keys_become_text() -> None:
    assert decode_yaml(b"1: a\nyes: b\n1.5: c").object == {"1": "a", "true": "b", "1.5": "c"}


def test_only_the_first_document_counts() -> None:
    assert decode_yaml(b"a: 1\n---\nb: 2").object == {"a": 1}
    assert decode_yaml(b"").object is None
    assert decode_yaml(b"---\n").object is None


def test_aliases_are_copies_and_merges_lose_against_what_is_written() -> None:
    found = decode_yaml(b"a: &x {m: 1, l: [2]}\nb: *x\nc: {<<: *x, m: 3}\nd: {<<: [{m: 4}, {m: 5, o: 6}]}").object
    assert found == {"a": {"m": 1, "l": [2]}, "b": {"m": 1, "l": [2]}, "c": {"m": 3, "l": [2]}, "d": {"m": 4, "o": 6}}
    found["b"]["l"].append(9)
    assert found["a"]["l"] == [2]


def test_aliases_of_aliases_have_a_limit() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(StatusError) as caught:
        decode_yaml(bomb.encode())
    assert "excessive aliasing" in caught.value.message


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"a: &a [*b]", b"a: [", b"\x00", b"- {a: {b: }", b"? [1]\n: 2", b"~: 1"]
)
def test_what_is_no_yaml_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(StatusError) as caught:
        decode_yaml(body)
    assert caught.value.code == 400


@pytest.mark.parametrize("big", ["x" * 10_000, "{" + "x" * 900 + ": 1}"])
def test_aliases_of_long_texts_have_a_limit_too(big: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode_yaml(f"a: &a {big}\nb: [{'*a, ' * 5000}]".encode())
    assert "excessive aliasing" in caught.value.message


def test_depth_has_a_limit() -> None:
    with pytest.raises(StatusError) as caught:
        decode_yaml(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    assert "exceeded max depth" in caught.value.message


def test_a_loop_of_an_alias_in_its_own_anchor_is_refused() -> None:
    with pytest.raises(StatusError):
        decode_yaml(b"a: &a {b: *a}")


def test_duplicates_are_named_with_their_lines() -> None:
    found = decode_yaml(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3")
    assert found.object == {"a": 3, "b": {"c": 2}}
    assert found.duplicates == (
        'yaml: unmarshal errors:\n  line 4: key "c" already set in map\n  line 5: key "a" already set in map',
    )
