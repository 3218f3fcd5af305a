"""Routes: which endpoint of the specification a request means. Pure.

Repository names have slashes, so the end of a path is looked at first::

    /v2/team/app/manifests/latest      -> manifest, "team/app", "latest"
    /v2/team/app/blobs/uploads/0a1b    -> upload,   "team/app", "0a1b"
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_FORMS: Final = (
    ("uploads", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/?")),
    ("upload", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<item>[^/]+)")),
    ("blob", re.compile(r"/v2/(?P<name>.+)/blobs/(?P<item>[^/]+)")),
    ("manifest", re.compile(r"/v2/(?P<name>.+)/manifests/(?P<item>[^/]+)")),
    ("tags", re.compile(r"/v2/(?P<name>.+)/tags/list")),
    ("referrers", re.compile(r"/v2/(?P<name>.+)/referrers/(?P<item>[^/]+)")),
)
_FIXED: Final = {
    "/v2": "base",
    "/v2/": "base",
    "/v2/_catalog": "catalog",
    "/token": "token",
    "/metrics": "metrics",
    "/v1/search": "search",
    "/v1/_ping": "ping",
    "/": "front",
}


class Route(NamedTuple):
    """`name` is the repository, `item` the tag, digest or upload; "" where the endpoint has none."""

    endpoint: str
    name: str = ""
    item: str = ""


def find_route(path: str) -> Route | None:
    """None if there is no such endpoint.

    >>> find_route("/v2/"), find_route("/v2/a/manifests/manifests/b").name, find_route("/v3/")
    (Route(endpoint='base', name='', item=''), 'a/manifests', None)
    """
    if path in _FIXED:
        return Route(_FIXED[path])
    for endpoint, form in _FORMS:
        if found := form.fullmatch(path):
            groups = found.groupdict()
            return Route(endpoint, groups["name"], groups.get("item", ""))
    return None
