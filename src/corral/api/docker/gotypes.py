"""Go's types, as the shapes of request bodies are declared with them, and as errors spell them."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Annotated, Any, Union, cast, get_args, get_origin

from msgspec import Struct


@dataclass(frozen=True)
class Go:
    """How Go spells a type, and for a whole number its bounds."""

    name: str
    low: int = 0
    high: int = 0


def _signed(bits: int) -> Go:
    return Go(f"int{bits}", -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


Int64 = Annotated[int, _signed(64)]
Int = Annotated[int, Go("int", -(1 << 63), (1 << 63) - 1)]
UInt16 = Annotated[int, Go("uint16", 0, (1 << 16) - 1)]
UInt = Annotated[int, Go("uint", 0, (1 << 64) - 1)]
UInt64 = Annotated[int, Go("uint64", 0, (1 << 64) - 1)]
FileMode = Annotated[int, Go("fs.FileMode", 0, (1 << 32) - 1)]
Words = Annotated[list[str], Go("strslice.StrSlice")]  # a list, or one string that stands for a list of one
Names = Annotated[list[str], Go("set")]  # the keys of an object whose values say nothing


class Body(Struct, kw_only=True):
    """The base of every declared body. A class that a body inherits from is one that Go embeds."""


def bare_kind(value: Any) -> str:
    """Go's word for a JSON value.

    >>> bare_kind([]), bare_kind("x"), bare_kind(1.5), bare_kind(True)
    ('array', 'string', 'number', 'bool')
    """
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def go_name(annotation: Any) -> str:
    """Go's spelling of a declared type.

    >>> go_name(list[str]), go_name(dict[str, str]), go_name(list[Int64])
    ('[]string', 'map[string]string', '[]int64')
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return cast(Go, arguments[1]).name
    if origin is list:
        return "[]" + go_name(arguments[0])
    if origin is dict:
        return "map[string]" + go_name(arguments[1])
    if origin in (Union, types.UnionType):
        return "*" + go_name(arguments[0])
    return {str: "string", bool: "bool"}.get(annotation, struct_name(annotation))


def struct_name(shape: Any) -> str:
    return getattr(shape, "GO", "") or f"container.{shape.__name__}"
