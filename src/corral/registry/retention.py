"""Retention: which tags of a repository are kept, and for how long. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from corral.errors import InvalidInput
from corral.registry.records import Tag

_SECOND: Final = 1_000_000_000
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_FORM: Final = re.compile(r"(?P<repository>[^:\s]+):(?P<tag>[^:\s]+):(?P<keep>[a-z0-9=,]+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """Of the tags that match, those are kept that are among the `last` ones, or younger than `younger` seconds.

    The first rule that matches a tag decides about it; a tag that no rule matches is kept.
    """

    repository: str
    tag: str
    last: int | None = None
    younger: float | None = None


def parse_rule(text: str) -> Rule:
    """REPOSITORY:TAG:last=N,younger=TIME, as it stands in a configuration; `keep` keeps all. InvalidInput.

    >>> parse_rule("ci/*:pr-*:last=5,younger=2d")
    Rule(repository='ci/*', tag='pr-*', last=5, younger=172800.0)
    >>> parse_rule("*:v*:keep")
    Rule(repository='*', tag='v*', last=None, younger=None)
    """
    found = _FORM.fullmatch(text.strip())
    rule = _parse_keep(found) if found else None
    if rule is None:
        raise InvalidInput(f"registry retention {text!r}: must be REPOSITORY:TAG:last=N,younger=7d (or :keep)")
    return rule


def _parse_keep(found: re.Match[str]) -> Rule | None:
    last: int | None = None
    younger: float | None = None
    for word in found["keep"].split(","):
        key, _, value = word.partition("=")
        if key == "last" and value.isdigit():
            last = int(value)
        elif key == "younger" and value[:-1].isdigit() and value[-1] in _UNITS:
            younger = float(int(value[:-1]) * _UNITS[value[-1]])
        elif word != "keep" or found["keep"] != "keep":
            return None
    return Rule(found["repository"], found["tag"], last, younger)


def plan_retention(rules: Sequence[Rule], repository: str, tags: Mapping[str, Tag], now: int) -> list[str]:
    """The tags to remove. `now` in nanoseconds.

    >>> tags = {"a": Tag("x", 1), "b": Tag("y", 2), "c": Tag("z", 3)}
    >>> plan_retention([parse_rule("*:*:last=2")], "r", tags, 3)
    ['a']
    """
    removed: list[str] = []
    left = dict(tags)
    for rule in rules:
        if not fnmatchcase(repository, rule.repository):
            continue
        matching = [name for name in left if fnmatchcase(name, rule.tag)]
        matching.sort(key=lambda name: (-left[name].at, name))
        for rank, name in enumerate(matching):
            if not _kept(rule, rank, now - left.pop(name).at):
                removed.append(name)
    return removed


def _kept(rule: Rule, rank: int, age: int) -> bool:
    if rule.last is None and rule.younger is None:
        return True
    return (rule.last is not None and rank < rule.last) or (rule.younger is not None and age < rule.younger * _SECOND)


def parse_immutable(text: str) -> str:
    """REPOSITORY:TAG, as it stands in a configuration. InvalidInput: without a tag it would hold for none.

    >>> parse_immutable("apps/*:v*")
    'apps/*:v*'
    """
    repository, colon, tag = text.strip().partition(":")
    if not (repository and colon and tag):
        raise InvalidInput(f"registry immutable {text!r}: must be REPOSITORY:TAG, as in apps/*:v* or *:*")
    return f"{repository}:{tag}"


def is_immutable(patterns: Sequence[str], repository: str, tag: str) -> bool:
    """Whether a tag may never mean something else.

    >>> is_immutable(["team/*:v*"], "team/app", "v1"), is_immutable(["team/*:v*"], "team/app", "latest")
    (True, False)
    """
    return any(fnmatchcase(f"{repository}:{tag}", pattern) for pattern in patterns)
