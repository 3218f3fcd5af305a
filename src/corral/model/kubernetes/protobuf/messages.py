"""Messages of built-in types, read by the field numbers of the data file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from corral.model.kubernetes.protobuf import wire
from corral.model.kubernetes.protobuf.wire import Item, WireError
from corral.model.kubernetes.schema.data import element, load
from corral.model.kubernetes.schema.document import MAX_DEPTH, decode_json

_JSON_SCHEMA = "apiextensions.v1.JSONSchemaProps"
_ZERO: dict[str, Any] = {"string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0, "double": 0}


@dataclass(slots=True)
class _Layout:
    """A message: what its numbers mean. `inner`: messages that JSON does without; their fields are the outer's."""

    fields: dict[int, tuple[str, str]] = field(default_factory=dict)
    inner: dict[int, _Layout] = field(default_factory=dict)

    def add(self, path: tuple[int, ...], name: str, kind: str) -> None:
        if len(path) == 1:
            self.fields[path[0]] = (name, kind)
        else:
            self.inner.setdefault(path[0], _Layout()).add(path[1:], name, kind)


@cache
def _layout(name: str) -> _Layout:
    made = _Layout()
    for one in load().fields(name):
        if one.path != (0,):
            made.add(one.path, one.name, one.type)
    return made


def read_message(data: bytes, name: str, depth: int = 0) -> dict[str, Any]:
    """The object in a message of a type ("core.v1.Pod"). Raises WireError, and StatusError for bad JSON in it."""
    if depth > MAX_DEPTH:
        raise WireError("proto: exceeded max depth")
    made: dict[str, Any] = {}
    _read_into(made, data, _layout(name), depth)
    return made


def _read_into(made: dict[str, Any], data: bytes, layout: _Layout, depth: int) -> None:
    for item in wire.items(data):
        if known := layout.fields.get(item.number):
            _take(made, *known, item, depth)
        elif item.number in layout.inner:
            _read_into(made, _bytes(item), layout.inner[item.number], depth)
        # What has no number here is newer than we are: dropped, as Go's decoder does.


def _take(made: dict[str, Any], name: str, kind: str, item: Item, depth: int) -> None:
    prefix, inner = element(kind)
    if prefix == "[]":
        made.setdefault(name, []).extend(_repeated(item, inner, depth))
    elif prefix == "{}":
        key, value = _entry(_bytes(item), inner, depth)
        made.setdefault(name, {})[key] = value
    elif prefix == "*":
        made[name] = _wrapped(_bytes(item), inner, depth)
    else:
        made[name] = _value(item, kind, depth)


def _repeated(item: Item, kind: str, depth: int) -> Iterator[Any]:
    """One item of a list; or all of them at once, as protobuf may pack numbers."""
    if item.wire != wire.LENGTH or kind not in ("int32", "int64", "bool"):
        yield _value(item, kind, depth)
        return
    data, place = _bytes(item), 0
    while place < len(data):
        number, place = wire.varint(data, place)
        yield _value(Item(item.number, wire.VARINT, number), kind, depth)


def _entry(data: bytes, kind: str, depth: int) -> tuple[str, Any]:
    """An entry of a map: field 1 is the key, field 2 the value; either may be left out."""
    key, value = "", _missing(kind, depth)
    for item in wire.items(data):
        if item.number == 1:
            key = _text(item)
        elif item.number == 2:
            value = _wrapped(_bytes(item), kind[1:], depth) if kind[0] == "*" else _value(item, kind, depth)
    return key, value


def _missing(kind: str, depth: int) -> Any:
    if kind in _ZERO:
        return _ZERO[kind]
    return [] if kind[0] == "*" else _value(Item(2, wire.LENGTH, b""), kind, depth)


def _wrapped(data: bytes, kind: str, depth: int) -> list[Any]:
    return [_value(item, kind, depth) for item in wire.items(data) if item.number == 1]


def _value(item: Item, kind: str, depth: int) -> Any:
    reader = _READERS.get(kind)
    return reader(item, depth) if reader else read_message(_bytes(item), kind, depth + 1)


def _bytes(item: Item) -> bytes:
    if item.wire != wire.LENGTH or not isinstance(item.value, bytes):
        raise WireError(f"proto: wrong wireType = {item.wire} for field {item.number}")
    return item.value


def _text(item: Item) -> str:
    return _bytes(item).decode("utf-8", "replace")


def _number(item: Item) -> int:
    if not isinstance(item.value, int):
        raise WireError(f"proto: wrong wireType = {item.wire} for field {item.number}")
    return item.value


def _double(item: Item) -> float:
    if item.wire != wire.FIXED64 or not isinstance(item.value, bytes):
        raise WireError(f"proto: wrong wireType = {item.wire} for field {item.number}")
    found = wire.double(item.value)
    if found != found or found in (float("inf"), float("-inf")):
        raise WireError(f"json: unsupported value: {found}")
    return found


def _parts(item: Item) -> dict[int, Item]:
    """The fields of a small message; of two with one number the last counts."""
    return {one.number: one for one in wire.items(_bytes(item))}


def _quantity(item: Item, depth: int) -> str:
    parts = _parts(item)
    return _text(parts[1]) if 1 in parts and parts[1].value else "0"


def _int_or_string(item: Item, depth: int) -> int | str:
    parts = _parts(item)
    if 1 in parts and _number(parts[1]) == 1:
        return _text(parts[3]) if 3 in parts else ""
    return wire.signed(_number(parts[2]), 32) if 2 in parts else 0


def _moment(item: Item, depth: int) -> str | None:
    return _shown_moment(item, micro=False)


def _micro_moment(item: Item, depth: int) -> str | None:
    return _shown_moment(item, micro=True)


def _shown_moment(item: Item, *, micro: bool) -> str | None:
    parts = _parts(item)
    if not parts:
        return None  # the zero time: null in JSON
    seconds = wire.signed(_number(parts[1])) if 1 in parts else 0
    micros = wire.signed(_number(parts[2]), 32) // 1000 if 2 in parts and micro else 0
    try:
        found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=micros)
    except OverflowError:
        raise WireError("Time.MarshalJSON: year outside of range [0,9999]") from None
    return found.isoformat(timespec="microseconds" if micro else "seconds").replace("+00:00", "Z")


def _raw(item: Item, depth: int) -> Any:
    """JSON in a message."""
    parts = _parts(item)
    data = _bytes(parts[1]) if 1 in parts else b""
    return decode_json(data).object if data else None


def _schema_or_bool(item: Item, depth: int) -> Any:
    parts = _parts(item)
    if 2 in parts:
        return read_message(_bytes(parts[2]), _JSON_SCHEMA, depth + 1)
    return 1 in parts and bool(_number(parts[1]))


def _schema_or_array(item: Item, depth: int) -> Any:
    many = [_schema(one, depth) for one in wire.items(_bytes(item)) if one.number == 2]
    parts = _parts(item)
    return many or (_schema(parts[1], depth) if 1 in parts else None)


def _schema_or_strings(item: Item, depth: int) -> Any:
    many = [_text(one) for one in wire.items(_bytes(item)) if one.number == 2]
    parts = _parts(item)
    return many or (_schema(parts[1], depth) if 1 in parts else None)


def _schema(item: Item, depth: int) -> dict[str, Any]:
    return read_message(_bytes(item), _JSON_SCHEMA, depth + 1)


_READERS: dict[str, Callable[[Item, int], Any]] = {
    "string": lambda item, depth: _text(item),
    "bytes": lambda item, depth: base64.b64encode(_bytes(item)).decode(),
    "bool": lambda item, depth: bool(_number(item)),
    "int32": lambda item, depth: wire.signed(_number(item), 32),
    "int64": lambda item, depth: wire.signed(_number(item)),
    "double": lambda item, depth: _double(item),
    "quantity": _quantity,
    "int-or-string": _int_or_string,
    "time": _moment,
    "micro-time": _micro_moment,
    "raw-extension": _raw,
    "fields-v1": _raw,
    "json": _raw,
    "schema-or-bool": _schema_or_bool,
    "schema-or-array": _schema_or_array,
    "schema-or-strings": _schema_or_strings,
}
