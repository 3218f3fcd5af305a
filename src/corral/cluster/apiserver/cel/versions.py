"""Semantic versions in expressions. Pure. Follows k8s.io/apiserver/pkg/cel/library/semverlib.go."""

from __future__ import annotations

import re
from typing import Any, Final

from corral.cluster.apiserver.cel import things
from corral.cluster.apiserver.cel.things import Thing

_SEMVER: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?")


def normalized(text: str) -> str:
    """Without a leading v, with all three numbers, none of them with zeros before it.

    >>> normalized("v01.2"), normalized("1-rc.1")
    ('1.2.0', '1.0.0-rc.1')
    """
    text = text.removeprefix("v")
    numbers, mark, rest = text, "", ""
    if found := re.search(r"[-+]", text):
        numbers, mark, rest = text[: found.start()], found[0], text[found.end() :]
    parts = [one.lstrip("0") or "0" if one.isdigit() else one for one in numbers.split(".")]
    return ".".join([*parts, "0", "0"][: max(3, len(parts))]) + mark + rest


def to_semver(text: str, normalize: bool = False) -> Thing:
    """Raises ValueError."""
    found = _SEMVER.fullmatch(normalized(text) if normalize else text)
    if found is None:
        raise ValueError(f"invalid semantic version: {text}")
    release = [int(one) for one in found.groups()[:3]]
    return {things.KIND: "semver", "release": release, "pre": found[4] or "", "build": found[5] or ""}


def order(thing: Thing) -> tuple[Any, ...]:
    """As semantic versions are compared: a pre-release comes before its release.

    >>> two, ten, word, release = (order(to_semver(f"1.0.0{one}")) for one in ("-2", "-10", "-a", ""))
    >>> two < ten < word < release
    True
    """
    things.need(thing, "semver")
    parts = [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in str(thing["pre"]).split(".")]
    return (*thing["release"], (1,) if not thing["pre"] else (0, *parts))
