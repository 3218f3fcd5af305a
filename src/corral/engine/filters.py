"""Filters: what lists and prunes are asked to leave out. A dictionary from a name to the values asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from corral.errors import InvalidInput

Filters = Mapping[str, Sequence[str]]


def refuse_unknown(filters: Filters, known: Iterable[str]) -> None:
    """
    >>> refuse_unknown({"colour": ["red"]}, ["label"])
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid filter 'colour'
    """
    for name in filters:
        if name not in known:
            raise InvalidInput(f"invalid filter '{name}'")


def flag(filters: Filters, name: str, default: bool) -> bool:
    """A filter that is true or false. InvalidInput for anything else, or for both at once.

    >>> flag({"dangling": ["1"]}, "dangling", False)
    True
    """
    if name not in filters:
        return default
    values = set(filters[name])
    yes, no = bool(values & {"1", "true"}), bool(values & {"0", "false"})
    if yes == no:
        raise InvalidInput(
            f"invalid filter '{name}=[{' '.join(filters[name])}]'" if values else f"invalid filter '{name}'"
        )
    return yes


def has_labels(wanted: Sequence[str], labels: Mapping[str, str]) -> bool:
    """All of them: "key" or "key=value".

    >>> has_labels(["a", "b=2"], {"a": "1", "b": "2"}), has_labels(["b=3"], {"b": "2"})
    (True, False)
    """
    for text in wanted:
        key, given, value = text.partition("=")
        if key not in labels or (given and labels[key] != value):
            return False
    return True


def labels_fit(filters: Filters, labels: Mapping[str, str]) -> bool:
    """`label` and `label!` as prune and list take them.

    >>> labels_fit({"label!": ["keep"]}, {"keep": ""}), labels_fit({"label!": ["keep"]}, {})
    (False, True)
    """
    without = filters.get("label!", ())
    return has_labels(filters.get("label", ()), labels) and not (without and has_labels(without, labels))


def matches_text(pattern: str, text: str) -> bool:
    """The text itself, or a regular expression found in it; one that is malformed matches nothing.

    >>> matches_text("^web", "web1"), matches_text("a(", "a("), matches_text("(", "x")
    (True, True, False)
    """
    try:
        return pattern == text or re.search(pattern, text) is not None
    except re.error:
        return False
