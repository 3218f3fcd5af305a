"""What running an expression on some data may take at the most, by the data's own shape. Pure.

`limits` guesses from the text of an expression, and what it lets pass runs. What it does not is looked at more closely
here: a loop's turns are those of what it goes over, and each turn touches what its body speaks of, not the whole data.
Of what a list or map holds it is the average that counts, since a loop goes over all of it. The unit is one step, or
ten characters that are compared or copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, Final, Protocol

from corral.cluster.apiserver.cel.tree import Call, Ident, Items, Literal, Loop, Made, Node, Select, Tree

MOST_TURNS: Final = 10_000  # of all loops of an expression together; the library ends it there
_CHARACTERS: Final = 10  # of one step
_LOGIC: Final = frozenset(("_&&_", "_||_", "!_", "@not_strictly_false", "dyn", "type", "size"))
_INDEX: Final = frozenset(("_[_]", "_[?_]", "_?._"))
_SAME: Final = frozenset(("_==_", "_!=_"))
_CHOICE: Final = frozenset(("_?_:_", "or", "orValue"))
_SCALARS: Final = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))


def measure(value: Any) -> tuple[int, int]:
    """Pure: (characters, about; the length of the longest list or map) of a JSON value.

    >>> measure({"a": [1, 2, 3], "b": "xyz"})
    (37, 3)
    """
    size, longest, todo = 0, 0, [value]
    while todo:
        one = todo.pop()
        size += 4
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(one, list):
            longest = max(longest, len(one))
            todo += one
        elif isinstance(one, dict):
            longest = max(longest, len(one))
            size += sum(map(len, one)) + 4 * len(one)
            todo += one.values()
    return size, longest


class Extent(Protocol):
    """Of a value. `weight`: characters, of all that is in it; `length`: characters, items or entries; `key` and `item`:
    what a loop goes over, on average; None where that is not known."""

    @property
    def weight(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def item(self) -> Extent | None: ...
    @property
    def key(self) -> Extent | None: ...
    def below(self, field: str) -> Extent: ...


@dataclass(frozen=True, slots=True)
class Guessed:
    """Of what an expression makes."""

    weight: int
    length: int = 1
    item: Extent | None = None
    key: Extent | None = None

    def below(self, field: str) -> Extent:
        """A value of unknown shape may be all in one field."""
        return self.item or Guessed(self.weight, self.weight)


SCALAR: Final = Guessed(4)


class Known:
    """Of what is in the data: one of `values`. Only what is asked for is looked at.

    >>> found = Known([[{"a": "xxxx"}, {"a": "xx", "b": 1}]])
    >>> found.length, found.item.below("a").length, found.item.below("b").weight, found.item.below("c").weight
    (2, 3, 4, 4)
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values

    @cached_property
    def weight(self) -> int:
        return _share(measure(self._values)[0] - 4, len(self._values))

    @cached_property
    def length(self) -> int:
        return _share(sum(len(one) if isinstance(one, Sized) else 1 for one in self._values), len(self._values))

    @cached_property
    def item(self) -> Extent | None:
        lists = [one for value in self._values if isinstance(value, list | tuple) for one in value]
        found = lists + [one for value in self._values if isinstance(value, Mapping) for one in value.values()]
        return Known(found) if found else None

    @cached_property
    def key(self) -> Extent | None:
        found = [str(key) for value in self._values if isinstance(value, Mapping) for key in value]
        return Known(found) if found else None

    def below(self, field: str) -> Extent:
        found = [value[field] for value in self._values if isinstance(value, Mapping) and field in value]
        return Known(found) if found else SCALAR


def _share(whole: int, count: int) -> int:
    return -(-whole // count) if count else 0


def _average(extents: list[Extent]) -> Extent | None:
    """What one of several is like; None of none."""
    if len(extents) < 2:
        return extents[0] if extents else None
    items = [one.item for one in extents if one.item]
    weight, length = sum(one.weight for one in extents), sum(one.length for one in extents)
    return Guessed(_share(weight, len(extents)), _share(length, len(extents)), _average(items))


def _either(one: Extent, other: Extent) -> Extent:
    """The larger in each respect."""
    item = _either(one.item, other.item) if one.item and other.item else one.item or other.item
    key = _either(one.key, other.key) if one.key and other.key else one.key or other.key
    return Guessed(max(one.weight, other.weight), max(one.length, other.length), item, key)


def bound(tree: Tree, values: Mapping[str, Any]) -> int:
    """Steps.

    >>> from corral.cluster.apiserver.cel.environment import environment
    >>> from corral.cluster.apiserver.cel.tree import read
    >>> tree = read(environment("self").compile("self.l.all(k, k != 'x') && self.m.exists(k, k == 'y')").serialized)
    >>> bound(tree, {"self": {"l": ["a"] * 500, "m": {"a": 1}, "large": "x" * 1_000_000}}) < 10_000
    True
    >>> tree = read(environment("self").compile("self.l.all(k, self.large + k != 'x')").serialized)
    >>> bound(tree, {"self": {"l": ["a"] * 500, "m": {"a": 1}, "large": "x" * 1_000_000}}) > 50_000_000
    True
    """
    return _Walk(tree, values).of(tree.root, 1)[0]


class _Walk:
    def __init__(self, tree: Tree, values: Mapping[str, Any]) -> None:
        self._types, self._values = tree.types, values
        self._names: dict[str, Extent] = {name: Known([value]) for name, value in values.items()}

    def of(self, node: Node, turns: int) -> tuple[int, Extent]:
        """(Steps, what comes of it) of one turn of `turns`, which loops around it take."""
        steps, found = self._of(node, turns)
        return steps, SCALAR if self._types.get(node.id) in _SCALARS else found

    def _whole(self) -> Extent:
        """For what nobody knows: it may be all of the data."""
        weight = sum(self._names[name].weight for name in self._values)
        return Guessed(weight, weight)

    def _of(self, node: Node, turns: int) -> tuple[int, Extent]:
        match node:
            case Literal():
                return 0, Known([node.value])
            case Ident():
                return 1, self._names[node.name] if node.name in self._names else self._whole()
            case Select():
                steps, operand = self.of(node.operand, turns)
                return steps + 1, SCALAR if node.test else operand.below(node.field)
            case Items():
                return self._made(node.items, turns)
            case Made():
                return self._made([one for entry in node.entries for one in entry if one], turns)
            case Loop():
                return self._loop(node, turns)
            case Call():
                return self._call(node, turns)
        return 1, self._whole()

    def _made(self, nodes: tuple[Node, ...] | list[Node], turns: int) -> tuple[int, Extent]:
        both = [self.of(one, turns) for one in nodes]
        items = [one for _, one in both]
        weight = 4 + sum(one.weight for one in items)
        return len(both) + sum(steps for steps, _ in both), Guessed(weight, len(items), _average(items))

    def _loop(self, node: Loop, turns: int) -> tuple[int, Extent]:
        over_steps, over = self.of(node.over, turns)
        steps, start = self.of(node.start, turns)
        item, key = over.item or _one_of(over), over.key
        names = {node.variable: key or item, node.result_variable: start}
        if node.second:
            names |= {node.variable: key or SCALAR, node.second: item}
        around = min(over.length, max(MOST_TURNS // max(turns, 1), 1))
        with_turns = turns * max(around, 1)
        condition, _ = self._with(names, node.condition, with_turns)
        step, made = self._with(names, node.step, with_turns)
        gathered = start
        if around and start.item is None and not isinstance(node.start, Literal):
            weight = start.weight + around * made.weight
            gathered = Guessed(weight, max(around, start.length), made.item or made, made.key)
        result, found = self._with({node.result_variable: gathered}, node.result, turns)
        return over_steps + steps + around * (condition + step) + result, found

    def _with(self, names: dict[str, Extent], node: Node, turns: int) -> tuple[int, Extent]:
        before = {name: self._names.get(name) for name in names}
        self._names |= names
        try:
            return self.of(node, turns)
        finally:
            for name, one in before.items():
                if one is None:
                    del self._names[name]
                else:
                    self._names[name] = one

    def _call(self, node: Call, turns: int) -> tuple[int, Extent]:
        nodes = [*([node.target] if node.target else []), *node.arguments]
        both = [self.of(one, turns) for one in nodes]
        parts = [one for _, one in both]
        steps = 1 + sum(one for one, _ in both)
        touched, found = _called(node, parts)
        return steps + touched // _CHARACTERS, found


def _called(node: Call, parts: list[Extent]) -> tuple[int, Extent]:
    """(Characters that are touched, what comes of it)."""
    name = node.function
    if name in _LOGIC or not parts:
        return 0, parts[0] if name == "dyn" else SCALAR
    if name in _INDEX and len(parts) == 2:
        index = node.arguments[-1]
        key = index.value if isinstance(index, Literal) and isinstance(index.value, str) else None
        return parts[1].weight, _one_of(parts[0]) if key is None else parts[0].below(key)
    if name in _SAME and len(parts) == 2:
        return _compared(node.arguments, parts), SCALAR
    if name == "@in" and len(parts) == 2 and parts[1].key:
        return parts[0].weight, SCALAR
    if name in _CHOICE:
        return 0, reduce(_either, parts)
    whole = sum(one.weight for one in parts)
    if name == "@in":
        return whole, SCALAR
    if name == "replace" and len(parts) > 2:
        shortest = len(part) if isinstance(part := getattr(node.arguments[0], "value", None), str) else 0
        grown = parts[0].weight + parts[0].length * parts[2].length // max(shortest, 1)
        return whole + grown, Guessed(grown, grown)
    if name == "join":
        grown = parts[0].weight + parts[0].length * (parts[1].length if len(parts) > 1 else 0)
        return whole + grown, Guessed(grown, grown)
    if name == "split":
        return 8 * whole, Guessed(8 * whole, parts[0].length, SCALAR)
    if name == "_+_":
        items = [one.item for one in parts if one.item]
        item = reduce(_either, items) if items else None
        return whole, Guessed(whole, sum(one.length for one in parts), item)
    # Any other: it may look at all that it is given, and give back as much (as base64 and quotes, twice).
    return 2 * whole, Guessed(2 * whole, max(2 * one.length for one in parts), _one_of(parts[0]))


def _compared(nodes: Sequence[Node], parts: list[Extent]) -> int:
    """As much as the smaller has; what it is compared with need not be looked at where it is written out."""
    written = [one.weight for node, one in zip(nodes, parts, strict=True) if isinstance(node, Literal)]
    return min(written or [one.weight for one in parts])


def _one_of(one: Extent) -> Extent:
    """What is in it; a value of unknown shape may be all in one."""
    return one.item or Guessed(one.weight, one.weight)
