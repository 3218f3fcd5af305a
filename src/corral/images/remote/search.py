"""Search: repositories of a registry by a part of their names. Blocking.

What Docker Hub and our own registry answer (/v1/search) has descriptions and stars; from others the catalogue is read,
and looked through here.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from corral.errors import RemoteFailed
from corral.images.references import DEFAULT_DOMAIN, parse
from corral.images.remote.cancel import Cancel
from corral.images.remote.endpoints import Endpoint, plan_endpoints
from corral.images.remote.hub import Hub
from corral.images.remote.refusal import Refusal
from corral.images.remote.repository import next_page
from corral.images.remote.session import Session
from corral.model.transfer import Credentials, Hit

_PAGES, _LARGEST = 100, 16 << 20
_HUB_SEARCH = "index.docker.io"


def search(hub: Hub, term: str, limit: int, credentials: Credentials, cancel: Cancel) -> list[Hit]:
    """At most `limit` repositories; `term` may begin with a registry's name. Refusal, WireError, RemoteFailed."""
    domain, word = split_term(term)
    endpoint = Endpoint(_HUB_SEARCH) if domain == DEFAULT_DOMAIN else plan_endpoints(domain, hub.config, push=True)[0]
    session = hub.open(endpoint, credentials, cancel)
    query = urlencode({"q": word, "n": limit})
    try:
        return parse_hits(_get(session, f"/v1/search?{query}", cancel)[0])[:limit]
    except Refusal:
        if domain == DEFAULT_DOMAIN:
            raise
    return [Hit(name) for name in _catalogue(session, word, limit, cancel)]


def split_term(term: str) -> tuple[str, str]:
    """
    >>> split_term("nginx"), split_term("localhost:5000/app"), split_term("me/app")
    (('docker.io', 'nginx'), ('localhost:5000', 'app'), ('docker.io', 'me/app'))
    """
    first, slash, rest = term.partition("/")
    if slash and (first == "localhost" or any(c in first for c in ".:")):
        return (DEFAULT_DOMAIN if first in ("docker.io", _HUB_SEARCH) else parse(f"{first}/x").domain), rest
    return DEFAULT_DOMAIN, term.removeprefix("library/")


def _get(session: Session, url: str, cancel: Cancel) -> tuple[bytes, str]:
    scopes = ["registry:catalog:*"] if "_catalog" in url else []

    def once() -> tuple[bytes, str]:
        with session.send("GET", url, scopes=scopes, cancel=cancel) as reply:
            return reply.read(_LARGEST), reply.header("Link")

    return session.persist(once, cancel)


def _catalogue(session: Session, word: str, limit: int, cancel: Cancel) -> list[str]:
    found: list[str] = []
    url = f"{session.origin}/v2/_catalog?n=1000"
    for _ in range(_PAGES):
        data, link = _get(session, url, cancel)
        try:
            names = json.loads(data).get("repositories") or []
        except (ValueError, AttributeError, RecursionError) as error:
            raise RemoteFailed(f"the catalogue of {session.origin} cannot be read: {error}") from None
        found += [name for name in names if isinstance(name, str) and word in name]
        url = next_page(link, url)
        if not url or len(found) >= limit:
            break
    return found[:limit]


def parse_hits(data: bytes) -> list[Hit]:
    """The answer of /v1/search. RemoteFailed if it is none.

    >>> parse_hits(b'{"results":[{"name":"a","star_count":3,"is_official":true}]}')
    [Hit(name='a', description='', stars=3, official=True, automated=False)]
    """
    try:
        results: Any = json.loads(data).get("results") or []
        return [
            Hit(
                str(one.get("name", "")),
                str(one.get("description") or ""),
                int(one.get("star_count") or 0),
                bool(one.get("is_official")),
                bool(one.get("is_automated")),
            )
            for one in results
        ]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise RemoteFailed(f"the registry's answer to the search cannot be read: {error}") from None
