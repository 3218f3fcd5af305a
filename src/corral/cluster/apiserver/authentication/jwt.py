"""JSON Web Tokens in their compact form (RFC 7519, 7515). Pure but for the keys, which are others' work."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from corral.cluster.apiserver.authentication.problem import BadCredentials

LEEWAY: Final = 60  # seconds that clocks may differ
_ALPHABET: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class Token(NamedTuple):
    """A token taken apart. Nothing is verified: `claims` are what somebody says."""

    algorithm: str
    key_id: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(text: str) -> Token | None:
    """The token; None when the text is none.

    >>> token = parse(encode({"alg": "none"}, {"sub": "me"}) + ".")
    >>> token.claims, token.signature, parse("a.b.c"), parse("")
    ({'sub': 'me'}, b'', None, None)
    """
    parts = text.split(".")
    if len(parts) != 3:
        return None
    try:
        header, claims = _decode_object(parts[0]), _decode_object(parts[1])
        signature = _decode(parts[2])
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
    algorithm, key_id = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(key_id, str) or "crit" in header:
        return None
    return Token(algorithm, key_id, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def encode(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """What is signed."""
    return f"{to_base64(msgspec.json.encode(header))}.{to_base64(msgspec.json.encode(claims))}"


def to_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    """ValueError."""
    return _decode(text)


def audiences_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """
    >>> audiences_of({"aud": "a"}), audiences_of({"aud": ["a", "b"]}), audiences_of({"aud": 1}), audiences_of({})
    (('a',), ('a', 'b'), (), ())
    """
    found = claims.get("aud")
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(one for one in listed if isinstance(one, str))


def check_times(claims: Mapping[str, Any], now: float, *, what: str = "token") -> None:
    """That it holds at `now` (seconds), give or take a minute. BadCredentials.

    >>> check_times({"exp": 100}, 159)
    >>> check_times({"exp": 100}, 161)
    Traceback (most recent call last):
    corral.cluster.apiserver.authentication.problem.BadCredentials: token has expired
    """
    end, begin, issued = (_moment(claims, name, what) for name in ("exp", "nbf", "iat"))
    if begin is not None and now + LEEWAY < begin:
        raise BadCredentials(f"{what} is not valid yet")
    if end is not None and now - LEEWAY > end:
        raise BadCredentials(f"{what} has expired")
    if issued is not None and now + LEEWAY < issued:
        raise BadCredentials(f"{what} was issued in the future")


def _moment(claims: Mapping[str, Any], name: str, what: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadCredentials(f"{what} has a claim {name} that is no time")
    return value


def _decode(text: str) -> bytes:
    data = text.encode("ascii")
    if not _ALPHABET.issuperset(data):
        raise ValueError("not base64url")
    try:
        return base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _decode_object(text: str) -> dict[str, Any]:
    found = msgspec.json.decode(_decode(text))
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found
