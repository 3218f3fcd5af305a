"""Tokens: what a registry's token server gives for credentials, good for some repositories and some minutes.

::

    GET  REALM?service=…&scope=…               with a password, or without
    POST REALM grant_type=refresh_token …      with an identity token (OAuth2)
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from corral.errors import RemoteFailed
from corral.images.remote.challenge import Challenge
from corral.model.container import Struct
from corral.model.transfer import Credentials

CLIENT = "docker"  # token servers know this one
_SHORTEST, _LONGEST = 60, 24 * 3600  # seconds
Fetch = Callable[[str, str, Mapping[str, str], bytes | None], bytes]


class Token(Struct):
    """`until` is in seconds of the monotonic clock. `identity`: may be used instead of the password from now on."""

    text: str
    until: float
    identity: str = ""


def ask_for_token(
    fetch: Fetch,
    challenge: Challenge,
    scopes: Sequence[str],
    credentials: Credentials,
    registry: str,
    *,
    login: bool = False,
) -> Token:
    """`fetch(method, url, headers, body)` gives an answer's body. `registry` is who named the server; `login` asks for
    an identity token too.

    RemoteFailed if the answer is none, or the server is not one to send credentials to.
    """
    realm = check_realm(challenge.parameters["realm"], credentials, registry)
    service = challenge.parameters.get("service", "")
    if credentials.identity_token:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = fetch("POST", realm, headers, urlencode(_oauth(service, scopes, credentials)).encode())
    else:
        pairs = [("service", service)] * bool(service) + [("scope", one) for one in scopes]
        headers = {}
        if not credentials.anonymous:
            pairs += [("account", credentials.username)]
            pairs += [("client_id", CLIENT), ("offline_token", "true")] if login else []
            word = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
            headers = {"Authorization": f"Basic {word}"}
        joined = f"{realm}{'&' if '?' in realm else '?'}{urlencode(pairs)}" if pairs else realm
        answer = fetch("GET", joined, headers, None)
    return parse_token(answer, time.monotonic(), credentials.identity_token)


def _oauth(service: str, scopes: Sequence[str], credentials: Credentials) -> list[tuple[str, str]]:
    return [
        ("grant_type", "refresh_token"),
        ("refresh_token", credentials.identity_token),
        ("service", service),
        ("scope", " ".join(scopes)),
        ("client_id", CLIENT),
        ("access_type", "offline"),
    ]


def check_realm(realm: str, credentials: Credentials, registry: str) -> str:
    """A token server's address, which comes from the other side. Pure.

    >>> check_realm("https://auth.example/token", Credentials("me", "pw"), "https://reg.example")
    'https://auth.example/token'
    >>> check_realm("http://auth.example/token", Credentials("me", "pw"), "https://reg.example")
    Traceback (most recent call last):
    corral.errors.RemoteFailed: the registry https://reg.example wants the password sent to \
http://auth.example/token, which is not protected by TLS: refused
    """
    try:
        parts = urlsplit(realm)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.username is None and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        raise RemoteFailed(f"the registry {registry} names a token server that is none: {realm[:200]!r}")
    if parts.scheme == "http" and registry.startswith("https:") and not credentials.anonymous:
        raise RemoteFailed(
            f"the registry {registry} wants the password sent to {realm[:200]}, which is not protected by TLS: refused"
        )
    return realm


def parse_token(answer: bytes, now: float, identity: str = "") -> Token:
    """Pure. RemoteFailed if there is no token in it; `identity` is the one that was used.

    >>> parse_token(b'{"access_token":"t","expires_in":100}', 5.0)
    Token(text='t', until=95.0, identity='')
    >>> parse_token('{"token":"\u00fc"}'.encode(), 5.0)
    Traceback (most recent call last):
    corral.errors.RemoteFailed: authorization server did not include a token in the response
    """
    try:
        found: Any = json.loads(answer)
        text = found.get("token") or found.get("access_token") or ""
        seconds = found.get("expires_in") or _SHORTEST
        refresh = found.get("refresh_token") or identity
    except (ValueError, AttributeError, RecursionError) as error:
        raise RemoteFailed(f"unable to decode token response: {error}") from None
    usable = isinstance(text, str) and text and text.isascii() and text.isprintable()
    if not usable or not isinstance(refresh, str):
        raise RemoteFailed("authorization server did not include a token in the response")
    if not isinstance(seconds, int | float):
        seconds = _SHORTEST
    return Token(text, now + max(_SHORTEST, min(seconds, _LONGEST)) * 0.9, refresh)
