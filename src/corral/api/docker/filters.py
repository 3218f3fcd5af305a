"""The `filters` parameter: JSON in two encodings, {"name": {"value": true}} and the older {"name": ["value"]}."""

from __future__ import annotations

import json

from corral.api.docker.moments import parse_moment
from corral.engine.filters import Filters
from corral.errors import InvalidInput


def parse_filters(text: str) -> dict[str, list[str]]:
    """Pure: name -> values. InvalidInput "invalid filter" for anything else.

    >>> parse_filters('{"label": {"a": true, "b": true}}'), parse_filters('{"status": ["exited"]}'), parse_filters("")
    ({'label': ['a', 'b']}, {'status': ['exited']}, {})
    """
    try:
        given = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        raise InvalidInput("invalid filter") from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidInput("invalid filter")
    return {name: _values(values) for name, values in given.items()}


def _values(values: object) -> list[str]:
    if isinstance(values, dict) and all(isinstance(on, bool) for on in values.values()):
        return [value for value, on in values.items() if on]
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        return values
    if values is None:
        return []
    raise InvalidInput("invalid filter")


def until_of(filters: Filters, now: int) -> int:
    """The moment of an `until` filter in nanoseconds, 0 where there is none. InvalidInput for two of them."""
    values = filters.get("until", ())
    if len(values) > 1:
        raise InvalidInput("more than one until filter specified")
    return parse_moment(values[0], now) if values else 0
