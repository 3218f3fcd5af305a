"""What functions and operators cost. Pure.

Follows cel-go (checker/cost.go) and k8s.io/apiserver/pkg/cel/library/cost.go. Where it is not known which of its
namesakes a function is, it costs as little as they can.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from corral.cluster.apiserver.cel.amounts import REGEX, TRAVERSAL, Cost, Size, times, union
from corral.cluster.apiserver.cel.tree import Call, Literal, Loop, Node

Arguments = list[Cost]
_FOLDS: Final = {"kubernetesSum": "sum", "kubernetesMin": "min", "kubernetesMax": "max"}
_PAIRS: Final = ("kubernetesPairs", "kubernetesEntries")
_UNWRAPPED: Final = ("validate", "format.named")
_ORDERS: Final = ("less", "less_equals", "greater", "greater_equals")
_OF_TEXTS: Final = frozenset(f"{name}_{kind}" for name in _ORDERS for kind in ("string", "bytes"))
_NETWORK: Final = 16  # bytes of the longest address
_NAME_PATTERN: Final = 128  # characters of the longest pattern of a named format


def cost(call: Call, of: Callable[[Node], Cost], functions: tuple[str, ...]) -> Cost:
    """`of`: costs its arguments; `functions`: which of its namesakes it may be."""
    call = _as_written(call)
    if call.function in _PAIRS:  # a loop of ours, dearer than the one that it stands for
        return Cost(0)
    if call.function == "dyn":
        found = of(call.arguments[0])
        return replace(found, cost=found.cost + 1, shape=None)
    arguments = [of(one) for one in call.arguments]
    target = of(call.target) if call.target else None
    before = sum(one.cost for one in arguments) + (target.cost if target else 0)
    known = _operator(call, arguments, functions)
    if known is None and target:
        known = _member(call, target, arguments)
    if known is None and arguments:
        known = _function(call.function, arguments)
    known = known or Cost(1)
    return replace(known, cost=known.cost + before)


def _as_written(call: Call) -> Call:
    """Without what `rewriting` put around it."""
    if call.function in ("_[_]", "_[?_]") and call.arguments:
        inner: Node = call.arguments[0]
        if isinstance(inner, Loop) and inner.variable == "kubernetesOne":
            inner = inner.over
        if isinstance(inner, Call) and inner.function in (*_UNWRAPPED, *_FOLDS):
            return replace(inner, function=_FOLDS.get(inner.function, inner.function))
    name = {"kubernetesIndexOf": "indexOf", "kubernetesLastIndexOf": "lastIndexOf"}.get(call.function)
    return replace(call, function=name) if name else call


def _operator(call: Call, arguments: Arguments, functions: tuple[str, ...]) -> Cost | None:
    """Those that the language itself has; None: it is none of them."""
    match call.function, arguments:
        case "_&&_" | "_||_", _:
            return Cost(0)
        case "_?_:_", [_, one, other]:
            return Cost(-min(one.cost, other.cost), union(one.known, other.known), within=_both(one, other))
        case "_==_" | "_!=_", [one, other]:
            return Cost(times(min(one.known[1], other.known[1]), TRAVERSAL))
        case "_<_" | "_<=_" | "_>_" | "_>=_", [one, other] if functions and _OF_TEXTS.issuperset(functions):
            return Cost(times(min(one.known[1], other.known[1]), TRAVERSAL))
        case "_+_", [one, other] if functions in (("add_string",), ("add_bytes",), ("add_list",)):
            size = _sum(one.known, other.known)
            dear = 1 if functions == ("add_list",) else times(size[1], TRAVERSAL)
            return Cost(dear, size, within=_both(one, other))
        case "@in", [_, over] if functions == ("in_list",):
            return Cost(over.known[1])
        case "_[_]", [over, _]:
            return Cost(1, over.within, over.shape.item if over.shape else None)
        case (("bytes" | "string"), [one]) if functions in (("string_to_bytes",), ("bytes_to_string",)):
            least, most = one.known
            size = (least, most * 4) if functions == ("string_to_bytes",) else (least // 4, most)
            return Cost(times(one.known[1], TRAVERSAL), size)
    return None


def _member(call: Call, target: Cost, arguments: Arguments) -> Cost | None:
    """Functions that are called on something."""
    size = target.known
    match call.function, arguments:
        case "matches", [pattern]:
            return Cost(_searched(size, pattern))
        case "find" | "findAll", [pattern, *_]:
            return Cost(_searched(size, pattern), (0, size[1]))
        case "contains", [part]:
            return Cost(times(size[1], TRAVERSAL) * times(part.known[1], TRAVERSAL))
        case "startsWith" | "endsWith", [part]:
            return Cost(times(part.known[1], TRAVERSAL))
        case "format", [_]:
            return Cost(times(size[1], TRAVERSAL))
        case "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes", _:
            return _compared(target)
        case "lowerAscii" | "upperAscii" | "substring" | "trim", _:
            return Cost(times(size[1], TRAVERSAL), size)
        case "replace", [part, by, *_]:
            return Cost(times(size[1], 2 * TRAVERSAL), _replaced(size, part.known, by.known))
        case "split", _:
            return Cost(times(size[1], 2 * TRAVERSAL), (0, _parts(call, size[1])))
        case "join", _:
            joined = _joined(target, arguments)
            return Cost(times(joined[1], TRAVERSAL), joined)
        case "ip", _:
            return Cost(1)
        case "containsIP", [one]:
            return Cost(times(2 * _NETWORK, TRAVERSAL) + _read(one))
        case "containsCIDR", [one]:
            return Cost(times(2 * _NETWORK, TRAVERSAL) + times(_NETWORK, TRAVERSAL) + 1 + _read(one))
        case "validate", [one]:
            return Cost(times(times(one.known[1], TRAVERSAL), _NAME_PATTERN * REGEX))
    return None


def _function(name: str, arguments: Arguments) -> Cost | None:
    size = arguments[0].known
    match name:
        case "url" | "jsonpatch.escapeKey":
            return Cost(times(size[1], TRAVERSAL), size)
        case "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver":
            return Cost(times(size[1], TRAVERSAL))
        case "ip.isCanonical":
            return Cost(times(size[1], 2 * TRAVERSAL))
        case "strings.quote":
            return Cost(times(size[1], TRAVERSAL), (size[0] + 2, size[1] * 2 + 2))
        case "sets.contains" | "sets.intersects" | "sets.equivalent" if len(arguments) == 2:
            product = size[1] * arguments[1].known[1]
            return Cost(1 + product * (2 if name == "sets.equivalent" else 1))
    return None


def _both(one: Cost, other: Cost) -> Size | None:
    return union(one.within, other.within) if one.within and other.within else None


def _sum(one: Size, other: Size) -> Size:
    return one[0] + other[0], one[1] + other[1]


def _searched(text: Size, pattern: Cost) -> int:
    return times(text[1] + 1, TRAVERSAL) * times(pattern.known[1], REGEX)


def _compared(target: Cost) -> Cost:
    """Each item once; texts by their length."""
    item = target.shape.item if target.shape else None
    if target.kind == "list" or item:
        return Cost(target.known[1] * (1 + (times(item.most, TRAVERSAL) if item and item.text else 0)))
    return Cost(times(target.known[1], TRAVERSAL))


def _replaced(text: Size, part: Size, by: Size) -> Size:
    """How long a text can be when something in it is replaced."""
    if not part[0]:
        most = (text[1] + 1) * by[1] + text[1]
    elif by[1] <= part[0]:
        most = text[1]
    else:
        most = math.ceil(text[1] / part[0]) * by[1]
    if not part[1]:
        return (text[0] + 1) * by[0] + text[0], most
    return text[0] if part[1] <= by[0] else math.ceil(text[0] / part[1]) * by[0], most


def _parts(call: Call, most: int) -> int:
    match call.arguments[1:2]:
        case [Literal(value=int(limit))] if limit >= 0:
            return limit
    return most


def _joined(target: Cost, arguments: Arguments) -> Size:
    item: Size = (0, target.shape.item.most) if target.shape and target.shape.item else (0, 1)
    count = target.known
    between = arguments[0].known if arguments else (0, 0)
    gaps = max(count[0] - 1, 0), max(count[1] - 1, 0)
    return count[0] * item[0] + gaps[0] * between[0], count[1] * item[1] + gaps[1] * between[1]


def _read(one: Cost) -> int:
    return times(one.known[1], TRAVERSAL) if one.kind == "string" else 0
