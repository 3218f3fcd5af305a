"""What an expression may cost at the most, in CEL's units, by how large what it speaks of can be. Pure.

Follows cel-go (checker/cost.go), so that rules are refused here that are refused elsewhere; what the functions cost is
in `calls`. Where a size is not known, upstream takes it for endless; here it counts as one, since upstream may know
more of the types: a rule that is taken there must not be refused here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from corral.cluster.apiserver.cel.amounts import LARGEST, ONE, Cost, Size, union_of
from corral.cluster.apiserver.cel.calls import cost
from corral.cluster.apiserver.cel.sizes import KEY, Sized
from corral.cluster.apiserver.cel.tree import Call, Ident, Items, Literal, Loop, Made, Node, Select, Tree

_LIST, _MAP, _MESSAGE = 10, 30, 40
_SCALARS: Final = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))


def estimate(tree: Tree, root: Sized) -> int:
    """`root`: what self is, and oldSelf.

    >>> from corral.cluster.apiserver.cel.environment import environment
    >>> from corral.cluster.apiserver.cel.sizes import sized
    >>> from corral.cluster.apiserver.cel.tree import read
    >>> shape = sized({"type": "array", "maxItems": 10, "items": {"type": "integer"}})
    >>> tree = read(environment("self").compile("self.all(x, self.all(y, x > y))").serialized)
    >>> estimate(tree, shape)
    652
    """
    return Estimate(tree, root).of(tree.root).cost


class Estimate:
    """One walk over an expression."""

    def __init__(self, tree: Tree, root: Sized) -> None:
        self._tree = tree
        self._names = {"self": [Cost(0, shape=root)], "oldSelf": [Cost(0, shape=root)]}

    def of(self, node: Node) -> Cost:
        kind = self._tree.types.get(node.id, "dyn")
        found = self._of(node)
        size = found.size
        if size is None and found.shape:
            size = (0, found.shape.most)
        elif size is None and kind in _SCALARS:
            size = ONE
        elif size:
            size = min(size[0], LARGEST), min(size[1], LARGEST)
        return replace(found, kind=kind, size=size, cost=min(found.cost, LARGEST))

    def _of(self, node: Node) -> Cost:
        match node:
            case Literal():
                return Cost(0, _length(node.value))
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Items():
                return self._items(node)
            case Made():
                return self._made(node)
            case Loop():
                return self._bind(node) if _is_bind(node) else self._loop(node)
            case Call():
                return cost(node, self.of, self._tree.functions.get(node.id, ()))
        return Cost(0)

    def _ident(self, node: Ident) -> Cost:
        known = self._names.get(node.name)
        if not known:
            return Cost(1 if self._tree.types else 0)
        found = known[-1]
        scalar = self._tree.types.get(node.id) in _SCALARS
        return replace(found, cost=1, size=None if found.shape or scalar else found.size)

    def _select(self, node: Select) -> Cost:
        operand = self.of(node.operand)
        if node.test:
            return Cost(operand.cost)
        holds = operand.shape.holds if operand.shape else operand.kind in ("map", "message")
        field = operand.shape.fields.get(node.field) if operand.shape else None
        return Cost(operand.cost + holds, shape=field)

    def _items(self, node: Items) -> Cost:
        costs = [self.of(one) for one in node.items]
        within = union_of(one.known for one in costs)
        return Cost(sum(one.cost for one in costs) + _LIST, (len(costs), len(costs)), within=within)

    def _made(self, node: Made) -> Cost:
        total = sum(self.of(one).cost for entry in node.entries for one in entry if one)
        if node.name:
            return Cost(total + _MESSAGE)
        return Cost(total + _MAP, (len(node.entries), len(node.entries)))

    def _bind(self, node: Loop) -> Cost:
        start = self.of(node.start)
        result = self._with({node.result_variable: start}, node.result)
        return replace(result, cost=result.cost + start.cost + _LIST, shape=None)

    def _loop(self, node: Loop) -> Cost:
        over, start = self.of(node.over), self.of(node.start)
        value = Cost(0, over.within, over.shape.item if over.shape else None)
        first = value
        if over.kind == "map" or (over.shape and over.shape.holds):
            first = Cost(0, shape=KEY if over.shape else None)
        names = {node.variable: first, node.result_variable: start}
        if node.second:
            names |= {node.variable: first if first is not value else Cost(0, ONE), node.second: value}
        condition, step = self._with(names, node.condition), self._with(names, node.step)
        result = self._with({node.result_variable: start}, node.result)
        turns = over.known
        total = over.cost + start.cost + result.cost + turns[1] * (condition.cost + step.cost)
        if isinstance(node.start, Literal):
            return Cost(total, start.size)
        return Cost(total, turns if isinstance(node.start, Items | Made) else None, within=step.within)

    def _with(self, names: dict[str, Cost], node: Node) -> Cost:
        for name, known in names.items():
            self._names.setdefault(name, []).append(known)
        try:
            return self.of(node)
        finally:
            for name in names:
                self._names[name].pop()


def _length(value: object) -> Size:
    count = len(value) if isinstance(value, str | bytes) else 1
    return count, count


def _is_bind(node: Loop) -> bool:
    """cel.bind() is a loop without turns."""
    never = isinstance(node.condition, Literal) and node.condition.value is False
    return never and isinstance(node.over, Items) and not node.over.items
