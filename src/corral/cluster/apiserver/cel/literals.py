"""Times and patterns that stand in an expression and are none, and lists of several types: said when it is compiled.

Pure. Follows the validators of cel-go (cel/validator.go) and its programs, which make the patterns before they run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from corral.cluster.apiserver.cel.rewriting import TEXT
from corral.cluster.apiserver.cel.tree import Call, Items, Literal, Node, Tree, below, walk
from corral.kit.clock import parse_duration
from corral.model.kubernetes.schema import pattern

_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?(?:Z|[+-](\d\d):(\d\d))", re.ASCII
)  # as Go reads it
_TOKEN: Final = re.compile(rf"{TEXT.pattern}|[\w.]+", re.S)
_MOST: Final = (23, 59, 59, 24, 59)
_EARLIEST, _LATEST = -62135596800, 253402300799  # seconds; the years from 1 to 9999
_KNOWN: Final = frozenset(
    ("bool", "int", "uint", "double", "string", "bytes", "null", "list", "map", "message", "timestamp", "duration")
)
_MIXING: Final = ("format",)  # the calls whose arguments may be lists of several types
_PATTERNS: Final = ("matches", "find", "findAll")  # all of them take it second, counted with what they are called on


def problem(tree: Tree, compiled: str, written: str) -> str:
    """What is wrong with the literals of an expression, in cel-go's form; "" if nothing is. `compiled`: what the tree
    is of; `written`: what that was made of.

    >>> from corral.cluster.apiserver.cel.environment import environment
    >>> environment("a").compile("a.matches('[')")
    Traceback (most recent call last):
    corral.cluster.apiserver.cel.errors.CompileError: compilation failed: ERROR: <input>:1:11: invalid matches argument
     | a.matches('[')
     | ..........^
    """
    found = [(literal.id, f"invalid {name} argument") for name, literal in _wrong(tree.root)]
    placed = sorted((tree.places.get(one, 0), cause) for one, cause in [*found, *_mixed(tree)])
    return "\n".join(_shown(written, _place(compiled, place, written), cause) for place, cause in placed)


def pattern_problem(tree: Tree) -> str:
    """Why a pattern is none that only its program is made of; "" if all are.

    >>> from corral.cluster.apiserver.cel.environment import environment
    >>> environment("a").compile("a.find('[') == ''")
    Traceback (most recent call last):
    corral.cluster.apiserver.cel.errors.CompileError: program instantiation failed: error parsing regexp: missing closing ]: `[`
    """  # noqa: E501
    for call in walk(tree.root):
        if isinstance(call, Call) and call.function in _PATTERNS:
            match [*([call.target] if call.target else []), *call.arguments][1:2]:
                case [Literal(value=str(value))] if cause := pattern.problem(value):
                    return cause
    return ""


def _wrong(root: Node) -> Iterator[tuple[str, Literal]]:
    for call in walk(root):
        if isinstance(call, Call) and (check := _CHECKS.get(call.function)) and call.arguments:
            literal = call.arguments[0]
            if isinstance(literal, Literal) and not check(literal.value):
                yield call.function, literal


def _mixed(tree: Tree) -> Iterator[tuple[int, str]]:
    """The first item of each list whose type is not that of the first one. Items whose types only values tell are let
    be: what has a type in cel-go may have none here.

    >>> from corral.cluster.apiserver.cel.environment import environment
    >>> environment("a").compile("a in ['x', 1]")
    Traceback (most recent call last):
    corral.cluster.apiserver.cel.errors.CompileError: compilation failed: ERROR: <input>:1:12: expected type 'string' but found 'int'
     | a in ['x', 1]
     | ...........^
    """  # noqa: E501
    todo = [tree.root]
    while todo:
        node = todo.pop()
        if isinstance(node, Call) and node.function in _MIXING:
            continue
        todo += below(node)
        if isinstance(node, Items):
            kinds = [(one.id, tree.types.get(one.id, "")) for one in node.items]
            known = [one for one in kinds if one[1] in _KNOWN]
            yield from [
                (place, f"expected type '{known[0][1]}' but found '{kind}'")
                for place, kind in known
                if kind != known[0][1]
            ][:1]


def _place(compiled: str, place: int, written: str) -> int:
    """Where the literal is that came to stand at `place`.

    >>> _place("f(  'a', 'a')", 9, "f('a','a')")
    6
    """
    token = _TOKEN.match(compiled, place)
    if compiled == written or not token:
        return place
    before = compiled[:place].count(token[0])
    places = [one.start() for one in re.finditer(re.escape(token[0]), written)]
    return places[before] if before < len(places) else 0


def _shown(text: str, place: int, cause: str) -> str:
    before = text[:place]
    line, column = before.count("\n") + 1, place - (before.rfind("\n") + 1)
    shown = (text.splitlines() or [""])[line - 1 : line]
    return f"ERROR: <input>:{line}:{column + 1}: {cause}\n | {''.join(shown)}\n | {'.' * column}^"


def is_duration(value: object) -> bool:
    """
    >>> is_duration("1h30m"), is_duration("1d"), is_duration(3)
    (True, False, True)
    """
    if not isinstance(value, str):
        return True
    try:
        parse_duration(value.replace("μs", "µs"))  # both letters mean it
    except ValueError:
        return False
    return True


def is_timestamp(value: object) -> bool:
    """
    >>> is_timestamp("2024-02-29T10:00:00.5+01:00"), is_timestamp("2023-02-29T10:00:00Z"), is_timestamp("2024-02-29")
    (True, False, False)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _EARLIEST <= value <= _LATEST
    if not isinstance(value, str):
        return True
    found = _TIME.fullmatch(value)
    if not found or any(int(one or 0) > most for one, most in zip(found.groups()[1:], _MOST, strict=True)):
        return False
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return False
    return True


def _is_pattern(value: object) -> bool:
    return not isinstance(value, str) or not pattern.problem(value)


_CHECKS: Final[dict[str, Callable[[object], bool]]] = {
    "duration": is_duration,
    "timestamp": is_timestamp,
    "matches": _is_pattern,
}
