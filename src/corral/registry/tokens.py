"""Tokens: what a client is given for its password, and shows with each request instead. JSON Web Tokens, HS256. Pure.

::

    {"iss": "corral", "aud": "registry", "sub": "alice", "exp": 1700000300, …,
     "access": [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]}

A refresh token ("identity token" in docker's words) is kept by a client in the password's place, and only gives such
tokens. It has no end of its own, and is good for as long as the user has the password that it was given for::

    {"iss": "corral", "aud": "registry-refresh", "sub": "alice", "iat": 1700000000, "jti": …, "for": "kD0f…"}
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

LIFETIME: Final = 300  # seconds
SERVICE: Final = "corral-registry"
_REFRESH: Final = f"{SERVICE}-refresh"
_LEEWAY: Final = 30  # seconds that clocks may differ
_HEADER: Final = {"typ": "JWT", "alg": "HS256"}


class Scope(NamedTuple):
    """What a client asks a token for."""

    kind: str
    name: str
    actions: tuple[str, ...]


def parse_scopes(texts: Iterable[str]) -> list[Scope]:
    """What is none is left out: a token is worth what it grants.

    >>> parse_scopes(["repository:team/app:pull,push", "nonsense"])
    [Scope(kind='repository', name='team/app', actions=('pull', 'push'))]
    """
    found = []
    for text in " ".join(texts).split():
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if name and actions:
            found.append(Scope(kind.partition("(")[0], name, tuple(actions.split(","))))
    return found


def sign(claims: Mapping[str, Any], key: bytes) -> str:
    """
    >>> verify(sign({"sub": "alice", "exp": 10, "aud": SERVICE}, b"k"), b"k", 9)["sub"]
    'alice'
    """
    body = f"{_encode(_HEADER)}.{_encode(claims)}"
    return f"{body}.{_signature(body, key)}"


def verify(token: str, key: bytes, now: float) -> dict[str, Any] | None:
    """The claims of a token that we signed and that still holds; None for any other."""
    claims = _signed(token, key)
    return claims if claims.get("aud") == SERVICE and now <= claims["exp"] + _LEEWAY else None


def _signed(token: str, key: bytes) -> dict[str, Any]:
    """What a token says, if we signed it; nothing otherwise."""
    body, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(body, key).encode()):
        return {}
    return dict(json.loads(_decode(body.partition(".")[2])))


def refresh_claims(user: str, secret: str, key: bytes, now: float, identity: str) -> dict[str, Any]:
    """What a refresh token of `user` says, who has `secret` (a password's hash) just now."""
    about = {"iss": "corral", "sub": user, "aud": _REFRESH, "iat": int(now), "jti": identity}
    return {**about, "for": _mark(user, secret, key)}


def refreshed(token: str, secrets: Mapping[str, str], key: bytes) -> str:
    """Whose a refresh token is; "" if it is none that still holds. `secrets`: user -> what they have to know now.

    >>> token = sign(refresh_claims("alice", "$2y$old", b"k", 0, "1"), b"k")
    >>> refreshed(token, {"alice": "$2y$old"}, b"k"), refreshed(token, {"alice": "$2y$new"}, b"k")
    ('alice', '')
    >>> refreshed(token, {"bob": "$2y$old"}, b"k"), verify(token, b"k", 0)
    ('', None)
    """
    claims = _signed(token, key)
    if claims.get("aud") != _REFRESH:
        return ""
    user: str = claims["sub"]
    secret = secrets.get(user)
    holds = secret is not None and hmac.compare_digest(claims["for"].encode(), _mark(user, secret, key).encode())
    return user if holds else ""


def _mark(user: str, secret: str, key: bytes) -> str:
    """Tells secrets apart, and says nothing about them."""
    return _signature(f"refresh\0{user}\0{secret}", key)


def claims_of(user: str, access: list[dict[str, Any]], now: float, identity: str) -> dict[str, Any]:
    """What a token of `user` says from `now` on (seconds)."""
    at = int(now)
    return {
        "iss": "corral",
        "sub": user,
        "aud": SERVICE,
        "exp": at + LIFETIME,
        "nbf": at - _LEEWAY,
        "iat": at,
        "jti": identity,
        "access": access,
    }


def _encode(data: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data, separators=(",", ":")).encode()).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signature(body: str, key: bytes) -> str:
    made = hmac.new(key, body.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
