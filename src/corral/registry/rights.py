"""Rights: who may do what with which repository. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from corral.errors import InvalidInput

ACTIONS: Final = ("pull", "push", "delete")
ANONYMOUS: Final = ""
_FORM: Final = re.compile(r"(?P<user>[^:\s]+):(?P<pattern>[^:\s]+):(?P<actions>[a-z*,]*)")


@dataclass(frozen=True, slots=True)
class Right:
    """`user`: a name, "*" for everybody who is logged in, "anonymous" for those who are not as well: nobody loses a
    right by logging in."""

    user: str
    pattern: str
    actions: frozenset[str]


def parse_right(text: str) -> Right:
    """USER:PATTERN:ACTIONS, as it stands in a configuration. InvalidInput.

    >>> sorted(parse_right("alice:team/*:pull,push").actions), parse_right("*:*:*").actions == set(ACTIONS)
    (['pull', 'push'], True)
    """
    found = _FORM.fullmatch(text.strip())
    actions = frozenset(ACTIONS if found["actions"] == "*" else found["actions"].split(",")) if found else frozenset()
    if not found or not actions <= set(ACTIONS):
        raise InvalidInput(f"registry right {text!r}: must be USER:PATTERN:ACTIONS, as in alice:team/*:pull,push")
    return Right(found["user"], found["pattern"], actions)


def plan_actions(rights: Iterable[Right], user: str, repository: str, *, anonymous_pull: bool) -> frozenset[str]:
    """What `user` ("" is nobody) may do with a repository. Without any rule everybody who is logged in may do all.

    >>> rules = [parse_right("alice:team/*:pull,push"), parse_right("*:public/*:pull")]
    >>> sorted(plan_actions(rules, "alice", "team/app", anonymous_pull=False))
    ['pull', 'push']
    >>> sorted(plan_actions(rules, "bob", "team/app", anonymous_pull=True))
    ['pull']
    >>> free = [*rules, parse_right("anonymous:free/*:pull")]
    >>> [sorted(plan_actions(free, user, "free/app", anonymous_pull=False)) for user in ("bob", "")]
    [['pull'], ['pull']]
    >>> [sorted(plan_actions([], user, "x", anonymous_pull=False)) for user in ("bob", "")]
    [['delete', 'pull', 'push'], []]
    """
    rights = tuple(rights)
    allowed: set[str] = {"pull"} if anonymous_pull else set()
    if not rights and user:
        allowed.update(ACTIONS)
    for right in rights:
        concerned = right.user == "anonymous" or (user != ANONYMOUS and right.user in (user, "*"))
        if concerned and fnmatchcase(repository, right.pattern):
            allowed |= right.actions
    return frozenset(allowed)
