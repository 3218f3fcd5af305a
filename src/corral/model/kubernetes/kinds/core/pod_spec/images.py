"""Names of images, as far as the policy for pulling them needs it. Pure."""

from __future__ import annotations

import functools
import re

_REPOSITORY = re.compile(
    r"(?:[a-zA-Z0-9.\-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)


@functools.lru_cache(maxsize=4096)
def pull_policy(image: str) -> str:
    """Pure: what a missing policy means: Always for the tag `latest`, which is also meant where there is none.

    >>> pull_policy("nginx"), pull_policy("host:5000/nginx:1.29"), pull_policy("nginx@sha256:" + "0" * 64)
    ('Always', 'IfNotPresent', 'IfNotPresent')
    """
    name, at, _ = image.partition("@")
    before, colon, tag = name.rpartition(":")
    repository, tag = (before, tag) if colon and "/" not in tag else (name, "")
    if not _REPOSITORY.fullmatch(repository):
        return "IfNotPresent"
    return "Always" if (tag == "latest" or not (tag or at)) else "IfNotPresent"
