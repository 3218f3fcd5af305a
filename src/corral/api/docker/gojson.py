"""Request bodies as Go's encoding/json reads them: loose about names, strict about types.

What clients rely on, and what plain JSON decoders do differently:

- a field's name matches in any case; a field that nobody knows is not an error (here it is reported);
- `null` is the same as absent; the last of two equal names wins;
- a value of the wrong type is an error that names Go's struct, the path and Go's type, and the first one counts.

A body's shape is declared as a class of `Body` with one annotation per field, in Go's types (`gotypes`).
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from corral.api.docker.gotypes import Body, Go, bare_kind, go_name, struct_name
from corral.api.docker.jsontext import parse
from corral.errors import InvalidInput

B = TypeVar("B", bound=Body)


@dataclass
class Decoded:
    """What was passed over on the way: dotted paths of unknown fields."""

    unknown: list[str]


@dataclass(frozen=True)
class At:
    """Where in the body we are, for errors: Go's struct, and the path from the root."""

    struct: str = ""
    path: tuple[str, ...] = ()

    def refuse(self, value: str, go_type: str) -> InvalidInput:
        place = f"Go struct field {self.struct}.{'.'.join(self.path)}" if self.path else "Go value"
        return InvalidInput(f"invalid JSON: json: cannot unmarshal {value} into {place} of type {go_type}")


Reader = Callable[[Any, At, Decoded], Any]


def decode(body: bytes, shape: type[B]) -> tuple[B, list[str]]:
    """The body as a `shape`, and the paths of unknown fields. InvalidInput in dockerd's words.

    >>> from corral.api.docker.parts import Ulimit
    >>> decode(b'{"name": "nofile", "Tail": 1}', Ulimit)
    (Ulimit(Name='nofile', Hard=0, Soft=0), ['Tail'])
    >>> decode(b"[]", Ulimit)
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid JSON: json: cannot unmarshal array into Go value of type units.Ulimit
    """
    found = Decoded([])
    value = parse(body)
    result = shape() if value is None else _reader(shape)(value, At(), found)
    return cast(B, result), found.unknown


_readers: dict[Any, Reader] = {}


def _reader(annotation: Any) -> Reader:
    """The reader for a declared type, made once."""
    try:
        return _readers[annotation]
    except KeyError:
        made = _readers[annotation] = _make(annotation)
        return made


def _make(annotation: Any) -> Reader:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        base, go = arguments[0], arguments[1]
        if base is int:
            return _integer(go)
        return _words if go.name == "strslice.StrSlice" else _names
    if origin in (Union, types.UnionType):
        (inner,) = [a for a in arguments if a is not type(None)]
        return _reader(inner)
    if origin is list:
        return _list(_reader(arguments[0]), go_name(annotation), empty_for(arguments[0]))
    if origin is dict:
        return _map(_reader(arguments[1]), go_name(annotation), empty_for(arguments[1]))
    if isinstance(annotation, type) and issubclass(annotation, Body):
        return _object(annotation)
    if annotation is Any:
        return lambda value, at, found: value
    return _plain(annotation, {str: "string", bool: "bool"}[annotation])


def empty_for(annotation: Any) -> Any:
    """What a null element becomes: Go's empty string, or nothing."""
    return "" if annotation is str else None


def _plain(wanted: type, name: str) -> Reader:
    def read(value: Any, at: At, found: Decoded) -> Any:
        if type(value) is not wanted:
            raise at.refuse(bare_kind(value), name)
        return value

    return read


def _integer(go: Go) -> Reader:
    def read(value: Any, at: At, found: Decoded) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise at.refuse(bare_kind(value), go.name)
        if isinstance(value, float) or not go.low <= value <= go.high:
            raise at.refuse(f"number {json.dumps(value)}", go.name)
        return value

    return read


def _list(element: Reader, name: str, empty: Any) -> Reader:
    def read(value: Any, at: At, found: Decoded) -> list[Any]:
        if not isinstance(value, list):
            raise at.refuse(bare_kind(value), name)
        items = [empty if item is None else element(item, at, found) for item in value]
        return [item for item in items if item is not None]

    return read


def _map(element: Reader, name: str, empty: Any) -> Reader:
    def read(value: Any, at: At, found: Decoded) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise at.refuse(bare_kind(value), name)
        return {key: empty if item is None else element(item, at, found) for key, item in value.items()}

    return read


def _words(value: Any, at: At, found: Decoded) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise at.refuse(bare_kind(value), "string")


def _names(value: Any, at: At, found: Decoded) -> list[str]:
    if not isinstance(value, dict):
        raise at.refuse(bare_kind(value), "map[string]struct {}")
    for item in value.values():
        if item is not None and not isinstance(item, dict):
            raise at.refuse(bare_kind(item), "struct {}")
    return list(value)


def _object(shape: type[Body]) -> Reader:
    fields = _fields(shape)

    def read(value: Any, at: At, found: Decoded) -> Body:
        if not isinstance(value, dict):
            raise at.refuse(bare_kind(value), struct_name(shape))
        values: dict[str, Any] = {}
        for key, item in value.items():
            field = fields.get(key.lower())
            if field is None and not item:
                continue  # it says nothing: no need to tell
            if field is None:
                found.unknown.append(".".join((*_visible(at.path), key)))
            elif item is not None:
                name, prefix, reader = field
                values[name] = reader(item, At(shape.__name__, (*at.path, *prefix, name)), found)
        return shape(**values)

    return read


def _fields(shape: type[Body]) -> dict[str, tuple[str, tuple[str, ...], Reader]]:
    """Lower-case name -> the field's name, the embedded class that has it, and the reader of its value."""
    hints = get_type_hints(shape, include_extras=True)
    result: dict[str, tuple[str, tuple[str, ...], Reader]] = {}
    for name in shape.__struct_fields__:
        owner = next(c for c in reversed(shape.__mro__) if issubclass(c, Body) and name in c.__struct_fields__)
        prefix = () if owner is shape else (owner.__name__,)
        result[name.lower()] = (name, prefix, _reader(hints[name]))
    return result


def _visible(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path without the embedded classes, which nobody writes in JSON."""
    return tuple(part for part in path if part not in ("Config", "Resources") or part == path[-1])
