"""Elements of paths, as `fieldsV1` writes them.

A path element is a text: `f:NAME` is a field, `k:{"name":"web"}` the item of a list that has these keys, `v:"a"` the
item that is this value, `i:0` the item at this place; `.` says that the path itself is a member of the set. Equal
elements are equal texts: what clients send is brought into this form by `canonical`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

SELF = "."


_SHORT = 256
_Value = TypeVar("_Value")


def _remembered(function: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Remembers what it has said of short texts: the same few come again and again, and long ones would take memory."""
    cached = functools.lru_cache(maxsize=16384)(function)

    @functools.wraps(function)
    def remembered(text: str) -> _Value:
        return cached(text) if len(text) <= _SHORT else function(text)

    return remembered


class BadElement(ValueError):
    """A text that is no path element."""


def of_keys(keys: Mapping[str, Any]) -> str:
    """Pure: the element for an item with these keys, which need not be in order.

    >>> of_keys({"protocol": "TCP", "port": 80})
    'k:{"port":80,"protocol":"TCP"}'
    """
    return "k:" + _json({key: _whole(keys[key]) for key in sorted(keys)})


def of_key(key: str, value: Any) -> str:
    """Pure: the same with one key."""
    if type(value) is str and value.isalnum() and value.isascii():
        return f'k:{{"{key}":"{value}"}}'
    return "k:" + _json({key: _whole(value)})


def of_value(value: Any) -> str:
    return "v:" + _json(_whole(value))


@_remembered
def canonical(text: str) -> str | None:
    """Pure: the one way to write this element; None for one of a kind that is not known. Raises BadElement.

    >>> canonical('k:{ "b": 1.0, "a": "x" }'), canonical("f:anything at all"), canonical("z:1")
    ('k:{"a":"x","b":1}', 'f:anything at all', None)
    """
    if len(text) < 2:
        raise BadElement("key must be 2 characters long:")
    kind, rest = text[:2], text[2:]
    if kind[1] != ":":
        raise BadElement(f"missing colon: {text}")
    if kind == "f:":
        return text
    if kind == "i:":
        return f"i:{_number(rest)}"
    if kind not in ("k:", "v:"):
        return None
    try:
        value = msgspec.json.decode(rest)
    except msgspec.DecodeError as error:
        raise BadElement(str(error)) from None
    if kind == "v:":
        return of_value(value)
    if not isinstance(value, dict):
        raise BadElement(f"expect {{ or n, but found {rest[:1]}")
    return of_keys(value)


def in_order(texts: Iterable[str]) -> list[str]:
    """Pure: fields by name, then items by their keys, values and places.

    >>> in_order(['v:"a"', 'k:{"port":443}', "f:b", 'k:{"port":80}', "f:a", "."])
    ['.', 'f:a', 'f:b', 'k:{"port":80}', 'k:{"port":443}', 'v:"a"']
    """
    found = list(texts)
    if all(text[0] in "f." for text in found):
        found.sort()  # as their ranks do
    else:
        found.sort(key=_rank)
    return found


@_remembered
def shown(text: str) -> str:
    """Pure: as messages show it.

    >>> shown("f:spec"), shown('k:{"containerPort":80,"protocol":"TCP"}'), shown('v:"a"'), shown("i:3")
    ('.spec', '[containerPort=80,protocol="TCP"]', '[="a"]', '[3]')
    """
    if text[0] == "f":
        return f".{text[2:]}"
    if text[0] == "i":
        return f"[{text[2:]}]"
    value = msgspec.json.decode(text[2:])
    if text[0] == "v":
        return f"[={_readable(value)}]"
    return f"[{','.join(f'{key}={_readable(one)}' for key, one in value.items())}]"


def _readable(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@_remembered
def _rank(text: str) -> tuple[Any, ...]:
    if text == SELF:
        return (-1,)
    if text[0] == "f":
        return (0, text)
    value = msgspec.json.decode(text[2:])
    if text[0] == "k":
        return (1, *((key, *_value_rank(one)) for key, one in value.items()))
    return (2, *_value_rank(value)) if text[0] == "v" else (3, value)


def _value_rank(value: Any) -> tuple[Any, ...]:
    """Numbers before texts, these before truth values, lists, maps and nothing."""
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    return (3 if isinstance(value, list) else 4 if isinstance(value, dict) else 5, _readable(value))


def _json(value: Any) -> str:
    """As Go writes JSON: compact, with the letters escaped that mean something in HTML."""
    text = msgspec.json.encode(value).decode()
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text


def _whole(value: Any) -> Any:
    """1.0 is 1, to JSON and to Go."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value


def _number(text: str) -> int:
    try:
        return int(text[:20])
    except ValueError:
        raise BadElement(f'strconv.Atoi: parsing "{text}": invalid syntax') from None
