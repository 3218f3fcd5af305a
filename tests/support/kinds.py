"""Cases of kinds: a small object that is well, changes to it, and what is said about them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from corral.model.kubernetes.kinds import KINDS

Object = dict[str, Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def edited(obj: Object, **changes: Any) -> Object:
    """A copy with values at paths (`spec__ports__0__name="a"`); None takes a field away, a path's end is made.

    In a path, `__` goes down; numbers count in lists.
    """
    found = copy.deepcopy(obj)
    for path, value in changes.items():
        *way, last = path.split("__")
        at: Any = found
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        if isinstance(at, list):
            at[int(last)] = value
        elif value is None:
            at.pop(last, None)
        else:
            at[last] = value
    return found


def defaulted(group: str, kind: str, obj: Object) -> Object:
    found = copy.deepcopy(obj)
    KINDS[group, kind].default(found)
    return found


def added(group: str, kind: str, obj: Object) -> Object:
    """What the defaults add, and nothing else: as nested dictionaries and, for lists, by position."""
    found = _more(obj, defaulted(group, kind, obj))
    assert isinstance(found, dict)
    return found


def _more(before: Any, after: Any) -> Any:
    if isinstance(before, dict) and isinstance(after, dict):
        found = {key: _more(before[key], value) if key in before else value for key, value in after.items()}
        return {key: value for key, value in found.items() if key not in before or value not in ({}, None)}
    if isinstance(before, list) and isinstance(after, list):
        found = {index: _more(*pair) for index, pair in enumerate(zip(before, after, strict=False))}
        return {index: value for index, value in found.items() if value not in ({}, None)}
    return None if before == after else after


def judged(group: str, kind: str, obj: Object) -> list[str]:
    """What is said of a new object."""
    found = defaulted(group, kind, obj)
    return [str(problem) for problem in KINDS[group, kind].validate(found)]


def changed(group: str, kind: str, old: Object, **changes: Any) -> list[str]:
    """What is said of a change, beyond what is said of the new object."""
    before = defaulted(group, kind, old)
    after = defaulted(group, kind, edited(before, **changes))
    KINDS[group, kind].prepare_update(after, before)
    return [str(problem) for problem in KINDS[group, kind].validate_update(after, before)]


def status_judged(group: str, kind: str, obj: Object, status: Object, was: Object | None = None) -> list[str]:
    old = {**defaulted(group, kind, obj), "status": was or {}}
    new = {**copy.deepcopy(old), "status": status}
    KINDS[group, kind].prepare_status(new, old)
    return [str(problem) for problem in KINDS[group, kind].validate_status(new, old)]


def row(group: str, kind: str, obj: Object, wide: bool = False) -> dict[str, Any]:
    """The cells that `kubectl get` (`-o wide`) shows, by their columns."""
    columns = KINDS[group, kind].columns
    return {one.name: one.cell(obj, NOW) for one in columns if wide or not one.priority}
