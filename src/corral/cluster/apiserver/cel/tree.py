"""Checked expressions as trees. Pure; read from the form in which the library writes them down (cel.expr.CheckedExpr).

What is no call, field, list or loop is a Literal, an Ident or a Made (a map, or a message).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from corral.model.kubernetes.protobuf import wire

Parts = dict[int, list[int | bytes]]


@dataclass(frozen=True, slots=True)
class Node:
    """`id`: what types, functions and places are kept by."""

    id: int


@dataclass(frozen=True, slots=True)
class Literal(Node):
    value: object


@dataclass(frozen=True, slots=True)
class Ident(Node):
    name: str


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`test`: it is has()."""

    operand: Node
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call(Node):
    target: Node | None
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list that is written out."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Made(Node):
    """A map that is written out, or a message of that name; the keys of a message are none."""

    name: str
    entries: tuple[tuple[Node | None, Node], ...]


@dataclass(frozen=True, slots=True)
class Loop(Node):
    """What all(), map(), cel.bind() and the like become. `second`: the other variable of those that have two."""

    variable: str
    second: str
    over: Node
    result_variable: str
    start: Node
    condition: Node
    step: Node
    result: Node


@dataclass(frozen=True, slots=True)
class Tree:
    """`functions`: which of its namesakes a call may mean; `types`: the kind of a value; `places`: in characters."""

    root: Node
    functions: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    types: Mapping[int, str] = field(default_factory=dict)
    places: Mapping[int, int] = field(default_factory=dict)


_PRIMITIVES: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_KINDS: Final = {1: "dyn", 2: "null", 6: "list", 7: "map", 9: "message", 14: "abstract"}
_WELL_KNOWN: Final = {1: "any", 2: "timestamp", 3: "duration"}


def read(data: bytes) -> Tree:
    """Raises WireError.

    >>> from corral.cluster.apiserver.cel.environment import environment
    >>> tree = read(environment("a").compile("a.b > 1").serialized)
    >>> tree.root.function, tree.root.arguments[0].field, tree.root.arguments[1].value, tree.places[tree.root.id]
    ('_>_', 'b', 1, 4)
    """
    whole = _parts(data)
    if not _text(whole, 1).endswith("CheckedExpr"):  # one whose types were not checked
        parsed = _parts(_bytes(whole, 2))
        return Tree(_node(_bytes(parsed, 2)), places=_places(_bytes(parsed, 3)))
    checked = _parts(_bytes(whole, 2))
    functions = {key: _texts(_parts(value), 3) for key, value in _map(checked, 2)}
    types = {key: _kind(value) for key, value in _map(checked, 3)}
    return Tree(_node(_bytes(checked, 4)), functions, types, _places(_bytes(checked, 5)))


def walk(node: Node) -> Iterator[Node]:
    """A node, and all below it."""
    todo = [node]
    while todo:
        one = todo.pop()
        yield one
        todo += reversed(below(one))


def below(node: Node) -> list[Node]:
    match node:
        case Select():
            return [node.operand]
        case Call():
            return [*([node.target] if node.target else []), *node.arguments]
        case Items():
            return [*node.items]
        case Made():
            return [one for entry in node.entries for one in entry if one]
        case Loop():
            return [node.over, node.start, node.condition, node.step, node.result]
    return []


def _node(data: bytes) -> Node:
    parts = _parts(data)
    number = _number(parts, 2)
    if 4 in parts:
        return Ident(number, _text(_parts(_bytes(parts, 4)), 1))
    if 5 in parts:
        chosen = _parts(_bytes(parts, 5))
        return Select(number, _node(_bytes(chosen, 1)), _text(chosen, 2), bool(_number(chosen, 3)))
    if 6 in parts:
        call = _parts(_bytes(parts, 6))
        target = _node(_bytes(call, 1)) if 1 in call else None
        return Call(number, target, _text(call, 2), tuple(_node(one) for one in _all(call, 3)))
    if 7 in parts:
        return Items(number, tuple(_node(one) for one in _all(_parts(_bytes(parts, 7)), 1)))
    if 8 in parts:
        made = _parts(_bytes(parts, 8))
        entries = [_parts(one) for one in _all(made, 2)]
        both = tuple((_node(_bytes(one, 3)) if 3 in one else None, _node(_bytes(one, 4))) for one in entries)
        return Made(number, _text(made, 1), both)
    return _loop(number, _parts(_bytes(parts, 9))) if 9 in parts else Literal(number, _literal(parts))


def _loop(number: int, loop: Parts) -> Loop:
    over, start, condition, step, result = (_node(_bytes(loop, one)) for one in (2, 4, 5, 6, 7))
    return Loop(number, _text(loop, 1), _text(loop, 8), over, _text(loop, 3), start, condition, step, result)


def _literal(parts: Parts) -> object:
    for number, found in _parts(_bytes(parts, 3)).items():
        match found[-1], number:
            case int(value), 2:
                return bool(value)
            case int(value), 3:
                return wire.signed(value)
            case int(value), 4:
                return value
            case bytes(value), 5:
                return wire.double(value)
            case bytes(value), 6:
                return value.decode(errors="replace")
            case bytes(value), 7:
                return value
    return None


def _kind(data: bytes) -> str:
    for number, (value, *_) in _parts(data).items():
        if number in (3, 4) and isinstance(value, int):
            return _PRIMITIVES.get(value, "dyn")
        if number == 5 and isinstance(value, int):
            return _WELL_KNOWN.get(value, "dyn")
        return _KINDS.get(number, "dyn")
    return "dyn"


def _places(data: bytes) -> dict[int, int]:
    return {_number(one, 1): _number(one, 2) for one in map(_parts, _all(_parts(data), 4))}


def _map(parts: Parts, number: int) -> Iterator[tuple[int, bytes]]:
    for one in map(_parts, _all(parts, number)):
        yield _number(one, 1), _bytes(one, 2)


def _parts(data: bytes) -> Parts:
    found: Parts = {}
    for item in wire.items(data):
        found.setdefault(item.number, []).append(item.value)
    return found


def _all(parts: Parts, number: int) -> list[bytes]:
    return [one for one in parts.get(number, ()) if isinstance(one, bytes)]


def _bytes(parts: Parts, number: int) -> bytes:
    return (_all(parts, number) or [b""])[-1]


def _text(parts: Parts, number: int) -> str:
    return _bytes(parts, number).decode(errors="replace")


def _texts(parts: Parts, number: int) -> tuple[str, ...]:
    return tuple(one.decode(errors="replace") for one in _all(parts, number))


def _number(parts: Parts, number: int) -> int:
    found = (parts.get(number) or [0])[-1]
    return found if isinstance(found, int) else 0
