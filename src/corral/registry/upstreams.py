"""Upstreams: the registries whose repositories are fetched from there when they are asked for, and kept. Pure.

::

    hub=https://registry-1.docker.io      hub/library/busybox  ->  library/busybox there
    *=https://registry.example            team/app             ->  team/app there
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from corral.errors import CorralError, InvalidInput
from corral.images.remote.endpoints import HUB, check_mirror
from corral.model.transfer import ANYBODY, Credentials
from corral.registry.faults import Fault
from corral.registry.names import check_name

EVERYTHING = "*"


@dataclass(frozen=True, slots=True)
class Upstream:
    """`prefix` is what names here begin with, "*" for all that no other one takes."""

    prefix: str
    url: str


class Place(NamedTuple):
    """A repository of another registry."""

    upstream: Upstream
    path: str


def parse_upstream(text: str) -> Upstream:
    """PREFIX=URL, as it stands in a configuration. InvalidInput.

    >>> parse_upstream("hub=https://registry-1.docker.io")
    Upstream(prefix='hub', url='https://registry-1.docker.io')
    >>> parse_upstream("https://a.example")
    Traceback (most recent call last):
    corral.errors.InvalidInput: registry-proxy https://a.example: must be PREFIX=https://REGISTRY
    """
    prefix, equals, url = text.partition("=")
    if not equals or not url.startswith(("http://", "https://")):
        raise InvalidInput(f"registry-proxy {text}: must be PREFIX=https://REGISTRY")
    if prefix != EVERYTHING:
        try:
            check_name(prefix)
        except Fault as error:
            raise InvalidInput(f"registry-proxy {text}: {error}") from None
    check_mirror(url)
    return Upstream(prefix, url.rstrip("/"))


def find_place(upstreams: Iterable[Upstream], repository: str) -> Place | None:
    """Where a repository is fetched from: by the longest prefix; None if it is our own.

    >>> hub, all_else = parse_upstream("hub=https://registry-1.docker.io"), parse_upstream("*=https://r.example/x")
    >>> find_place([all_else, hub], "hub/busybox").path, find_place([all_else, hub], "hubble").path
    ('library/busybox', 'hubble')
    >>> find_place([hub], "hubble"), find_place([hub], "hub")
    (None, None)
    """
    for one in sorted(upstreams, key=lambda upstream: -len(upstream.prefix.rstrip(EVERYTHING))):
        path = repository if one.prefix == EVERYTHING else _behind(repository, one.prefix)
        if path:
            official = check_mirror(one.url).hostname == HUB and "/" not in path
            return Place(one, f"library/{path}" if official else path)
    return None


def _behind(repository: str, prefix: str) -> str:
    return repository[len(prefix) + 1 :] if repository.startswith(f"{prefix}/") else ""


def parse_accounts(text: str) -> dict[str, Credentials]:
    """Who we are at which host, from a file like docker's config.json. InvalidInput.

    >>> parse_accounts('{"auths": {"https://r.example/v2/": {"auth": "bWU6cHc="}}}')["r.example"].password
    'pw'
    """
    try:
        auths: Any = json.loads(text)["auths"]
        return {_host(server): _account(server, dict(entry)) for server, entry in auths.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f'must be {{"auths": {{"HOST": {{"auth": "base64 of user:password"}}}}}}: {error}') from None


def _host(server: str) -> str:
    host = server.partition("://")[2] if "://" in server else server
    host = host.partition("/")[0]
    return HUB if host in ("docker.io", "index.docker.io") else host


def _account(server: str, entry: dict[str, str]) -> Credentials:
    username, _, password = base64.b64decode(entry.get("auth", ""), validate=True).decode().partition(":")
    identity = entry.get("identitytoken", "")
    if not (username or identity):
        raise ValueError(f"{server} has neither `auth` nor `identitytoken`; credential helpers are not asked")
    return Credentials(username, password, identity, server=server)


def read_accounts(path: str) -> dict[str, Credentials]:
    """Those of a file; {} for "". InvalidInput, naming it."""
    if not path:
        return {}
    try:
        with open(path, encoding="utf-8") as file:
            return parse_accounts(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"registry-proxy-auth {path}: {error}") from None
    except CorralError as error:
        raise InvalidInput(f"registry-proxy-auth {path}: {error.message}") from None


def account_of(accounts: dict[str, Credentials], url: str) -> Credentials:
    return accounts.get(check_mirror(url).netloc, ANYBODY)
