"""What rules see of values, by their schema. Pure.

Times and durations are protobuf's: within an object the library knows no others.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf import duration_pb2, timestamp_pb2

from corral.cluster.apiserver.cel.schemas import Raw, escape
from corral.model.kubernetes.schema.crd import EMBEDDED, PRESERVE
from corral.model.kubernetes.schema.scalars import instant


def shown(value: Any, raw: Raw, *, root: bool = False) -> Any:
    """Pure: a value as expressions see it: fields under their escaped names, unknown ones not at all, and whole numbers
    of a `number` as fractions; times, durations and bytes as such.

    >>> shown({"a-b": 1, "x": 2}, {"properties": {"a-b": {"type": "number"}}})
    {'a__dash__b': 1.0}
    """
    if isinstance(value, str):
        return _text(value, raw.get("format") or "") if raw.get("type") == "string" else value
    if isinstance(value, dict):
        root = root or bool(raw.get(EMBEDDED))
        properties, more = raw.get("properties") or {}, raw.get("additionalProperties")
        if isinstance(more, Mapping):
            return {key: shown(one, more) for key, one in value.items()}
        if not properties and (raw.get(PRESERVE) or more):
            return value
        found = {escape(key): shown(one, properties[key]) for key, one in value.items() if key in properties}
        if root:
            metadata = value.get("metadata") or {}
            known = {key: metadata[key] for key in ("name", "generateName") if key in metadata}
            found |= {"apiVersion": value.get("apiVersion", ""), "kind": value.get("kind", ""), "metadata": known}
        return found
    if isinstance(value, list) and isinstance(raw.get("items"), Mapping):
        return [shown(one, raw["items"]) for one in value]
    if raw.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _text(value: str, name: str) -> Any:
    """What is not in its format is told elsewhere, and stays text here."""
    try:
        return _READ[name](value) if name in _READ else value
    except (ValueError, OverflowError):
        return value


def _moment(made: datetime) -> timestamp_pb2.Timestamp:
    found = timestamp_pb2.Timestamp()
    found.FromDatetime(made)
    return found


def _date(text: str) -> timestamp_pb2.Timestamp:
    return _moment(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))


def span(text: str) -> timedelta:
    """Pure, as Go's strfmt reads it. ValueError if it is none.

    >>> span("1h30m"), span("-1.5s"), span("2 days")
    (datetime.timedelta(seconds=5400), datetime.timedelta(days=-1, seconds=86398, microseconds=500000), datetime.timedelta(days=2))
    """  # noqa: E501
    parts = _PART.findall(text)
    if not parts:
        raise ValueError(f"unable to parse {text} as duration")
    seconds = sum(float(number) * _seconds(unit) for number, unit in parts)
    return timedelta(seconds=-seconds if text.startswith("-") else seconds)


def _span(text: str) -> duration_pb2.Duration:
    found = duration_pb2.Duration()
    found.FromTimedelta(span(text))
    return found


def _seconds(unit: str) -> float:
    return _UNITS.get(unit) or next((one for start, one in _WORDS_OF_TIME if unit.startswith(start)), 0)


_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)\s*([a-zµμ]+)")
_UNITS: Final = {
    **{"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3},
    **{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800},
}
_WORDS_OF_TIME: Final = (
    *(("nano", 1e-9), ("micro", 1e-6), ("milli", 1e-3), ("sec", 1), ("min", 60)),
    *(("hr", 3600), ("hour", 3600), ("day", 86400), ("wk", 604800), ("week", 604800)),
)
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "date-time": lambda text: _moment(instant(text)),
    "date": _date,
    "duration": _span,
    "byte": base64.b64decode,
}
