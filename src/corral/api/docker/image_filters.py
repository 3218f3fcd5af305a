"""Which images a list is about: pure filters."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from corral.api.docker.moments import parse_moment
from corral.api.docker.references import familiar
from corral.engine.filters import Filters, flag, has_labels, refuse_unknown
from corral.model.image import Image

LIST_FILTERS = frozenset(("before", "dangling", "label", "reference", "since", "until"))


def select_images(
    images: Sequence[Image], filters: Filters, *, all: bool, now: int, find: Callable[[str], Image]
) -> list[tuple[Image, list[str]]]:
    """Pure: newest first, each with the names to show of it. `find` looks an image up; NotFound where it is none.

    Unnamed images that others were made from are left out, unless `all`.

    >>> old, new = Image("a", created=1, tags=["docker.io/library/x:1"]), Image("b", created=2, parent="a")
    >>> [image.id for image, _ in select_images([old, new], {}, all=False, now=9, find=lambda ref: old)]
    ['b', 'a']
    >>> select_images([old, new], {"reference": ["x:*"]}, all=False, now=9, find=lambda ref: old)[0][1]
    ['docker.io/library/x:1']
    """
    refuse_unknown(filters, LIST_FILTERS)
    dangling = flag(filters, "dangling", False)
    low, high = _bounds(filters, now, find)
    parents = {image.parent for image in images if image.parent}
    chosen = []
    for image in sorted(images, key=lambda image: image.created, reverse=True):
        if not low < image.created < high or not has_labels(filters.get("label", ()), image.config.labels):
            continue
        tags = image.tags
        if patterns := filters.get("reference", ()):
            tags = [name for name in image.tags if any(name_matches(pattern, name) for pattern in patterns)]
        named = bool(tags or (image.digests and not patterns))
        if dangling and (image.tags or image.id in parents):
            continue
        if not named and (patterns or ("dangling" in filters and not dangling)):
            continue
        if not named and image.id in parents and not all:
            continue
        chosen.append((image, tags))
    return chosen


def _bounds(filters: Filters, now: int, find: Callable[[str], Image]) -> tuple[float, float]:
    """Made after, and made before, in nanoseconds."""
    before = [find(ref).created for ref in filters.get("before", ())]
    before += [parse_moment(text, now) for text in filters.get("until", ())]
    since = [find(ref).created for ref in filters.get("since", ())]
    return max(since, default=float("-inf")), min(before, default=float("inf"))


def name_matches(pattern: str, name: str) -> bool:
    """A pattern as people write it: "*" stays within one part of the path; a tag may be left out.

    >>> name = "docker.io/library/busybox:1.36"
    >>> [name_matches(p, name) for p in ("busybox", "busy*", "busybox:1.*", "*/busybox", "docker.io/library/busybox:*")]
    [True, True, True, False, True]
    """
    candidates = {name, familiar(name)}
    candidates |= {_without_tag(candidate) for candidate in candidates}
    return any(_path_match(pattern, candidate) for candidate in candidates)


def _without_tag(name: str) -> str:
    path, slash, last = name.rpartition("/")
    return path + slash + last.partition(":")[0]


def _path_match(pattern: str, name: str) -> bool:
    wanted, parts = pattern.split("/"), name.split("/")
    try:
        return len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted))
    except re.error:
        return False
