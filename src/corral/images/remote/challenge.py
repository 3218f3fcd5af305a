"""Challenges: how a registry says which credentials it wants (RFC 9110, section 11). Pure.

::

    WWW-Authenticate: Bearer realm="https://auth.example/token",service="reg.example",scope="repository:a:pull"
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?=[\s,]|$)")
_LONGEST = 16_384


class Challenge(NamedTuple):
    """`scheme` and the parameters' names are in lower case."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """All challenges of the header's values, in order; what cannot be read ends its value.

    >>> parse_challenges(['Bearer realm="https://a/t",service="b", Basic realm=x'])
    [Challenge(scheme='bearer', parameters={'realm': 'https://a/t', 'service': 'b'}), \
Challenge(scheme='basic', parameters={'realm': 'x'})]
    >>> parse_challenges(["nonsense=", ""])
    []
    """
    return [challenge for header in headers for challenge in _parse(header[:_LONGEST])]


def _parse(text: str) -> list[Challenge]:
    found: list[Challenge] = []
    at = 0
    while scheme := _SCHEME.match(text, at):
        parameters: dict[str, str] = {}
        at = scheme.end()
        while parameter := _PARAMETER.match(text, at):
            name, quoted, plain = parameter.groups()
            parameters.setdefault(name.lower(), plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
            at = parameter.end()
            if text[at : at + 1] != ",":
                break
            at += 1
        found.append(Challenge(scheme[1].lower(), parameters))
    return found


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The one to answer: a token before a password; None if there is none that we know.

    >>> choose([Challenge("basic", {}), Challenge("bearer", {"realm": "https://a"})]).scheme
    'bearer'
    """
    known = [c for c in challenges if (c.scheme == "bearer" and c.parameters.get("realm")) or c.scheme == "basic"]
    return min(known, key=lambda c: c.scheme != "bearer", default=None)


def scope(repository: str, *actions: str) -> str:
    """What a token is to be good for.

    >>> scope("library/busybox", "pull")
    'repository:library/busybox:pull'
    """
    return f"repository:{repository}:{','.join(actions)}"
