"""An environment (which variables there are) compiles expressions; a program runs them on values.

What would take too much is not run at all (`limits`, `bounds`); the turns of loops are counted by the library.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel

from corral.cluster.apiserver.cel import bounds, limits, literals, tree
from corral.cluster.apiserver.cel.balancing import balance
from corral.cluster.apiserver.cel.errors import CompileError, EvaluationError, WrongType
from corral.cluster.apiserver.cel.functions import declarations
from corral.cluster.apiserver.cel.rewriting import rewrite

Types = Mapping[str, Any]
DYN: Final = cel.Type.DYN
BOOL: Final = cel.Type.BOOL
STRING: Final = cel.Type.STRING
OBJECT: Final = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_EXTENSIONS: Final = (
    *("two-var-comprehensions", "lists", "sets", "strings", "optional", "math", "encoders", "bindings"),
)
_CONFIG: Final = "name: kubernetes\nextensions:\n" + "".join(f"  - name: {one}\n" for one in _EXTENSIONS)
_CODE: Final = re.compile(r"^[A-Z_]+: ")
_TAIL: Final = re.compile(r" \[[A-Z_]+\]$")
_MISSING: Final = re.compile(r'Key not found in map : "?(.*?)"?$')
_INDEX: Final = re.compile(r"Index error: index=(-?\d+) size=\d+")
# Numbers of different types can be compared; the library knows that, but its check of types does not.
_NUMBERS: Final = re.compile(
    r"no matching overload for '_[<>]=?_' applied to '\((?:int|uint|double), (?:int|uint|double)\)'"
)
_QUALIFIED: Final = re.compile(
    r"^(ERROR: <input>:\d+:)(\d+)(: undeclared reference to ')(\w+)((?:\.\w+)+)('.*\n \| .*\n \| )\.*\^", re.M
)
# What can be called with a literal that is none, or be a list of several types.
_LITERAL: Final = re.compile(r"\b(?:duration|timestamp|matches|find|findAll)\s*\(|\[")
OPTIONAL: Final = "optional_type"  # what the name of its type begins with
_DEEP: Final = re.compile(r"recursion (?:depth|limit)")
DEEP: Final = (
    "ERROR: <input>:1:1: expression recursion limit exceeded: 32 levels of brackets, operators in a row or fields "
    "(elsewhere 250); variables, or several rules, make it flatter"
)
MOST_RESULT: Final = 400_000  # values, and tens of characters
_PLAIN: Final = ("BOOL", "BYTES", "DOUBLE", "DURATION", "INT", "NULL", "STRING", "TIMESTAMP", "UINT")


class OptionalResult(EvaluationError):
    """An optional value has no JSON form."""

    def __init__(self) -> None:
        super().__init__("the result has a type without a JSON form: it is optional; end it with .orValue(…)")


class Program:
    """One compiled expression. `returns`: the name of the type of what it gives, DYN when only running it tells."""

    __slots__ = ("_compiled", "_endless", "_tree", "expression", "returns")

    def __init__(self, expression: str, compiled: Any) -> None:
        self.expression, self._compiled = expression, compiled
        self._endless = limits.endless(expression)
        self._tree: tree.Tree | None = None
        self.returns: str = compiled.return_type().name()

    @property
    def serialized(self) -> bytes:
        """As `tree` reads it."""
        found: bytes = self._compiled.serialize()
        return found

    def run(self, values: Mapping[str, Any]) -> Any:
        """The result as plain JSON (times as text). Raises EvaluationError."""
        if self._endless or self._too_dear(values):
            raise EvaluationError(limits.EXCEEDED)
        if self.returns.startswith(OPTIONAL):
            raise OptionalResult
        try:
            found = self._compiled.eval(data=dict(values))
            if found.type() == cel.Type.ERROR:
                raise EvaluationError(_translated(_cause_of(found)))
            return _Plain().of(found)
        except (RuntimeError, TypeError, ValueError, MemoryError) as error:
            text = str(error)
            raise EvaluationError(limits.EXCEEDED if "budget exceeded" in text else _translated(text)) from None

    def _too_dear(self, values: Mapping[str, Any]) -> bool:
        if not limits.looks_dear(self.expression, list(values.values())):
            return False
        if self._tree is None:
            self._tree = tree.read(self.serialized)
        return bounds.bound(self._tree, values) > limits.MOST_STEPS


def _cause_of(failed: Any) -> str:
    """The library has an optional value for an error, too, but one that cannot be read."""
    try:
        return str(failed.value())
    except TypeError:
        raise OptionalResult from None


class _Plain:
    """A result as plain JSON, step by step: the library's own way fails on what has no counterpart.

    It has a limit: a list of references to one large list is small until it is written out.
    """

    def __init__(self, most: int = MOST_RESULT) -> None:
        self._left = most

    def of(self, value: Any) -> Any:
        name = value.type().name()
        self._left -= 1
        if self._left < 0:
            raise EvaluationError(limits.EXCEEDED)
        if name.startswith("LIST"):
            return [self.of(one) for one in value.value()]
        if name.startswith("MAP"):
            return {key: self.of(one) for key, one in value.value().items()}
        if name not in _PLAIN:
            raise EvaluationError(f"the result has a type without a JSON form: {name.lower()}")
        found = value.value()
        if isinstance(found, datetime):
            return found.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(found, timedelta):
            return f"{found.total_seconds():g}s"
        if isinstance(found, str | bytes | bytearray):
            self._left -= len(found) // 10
        return bytes(found) if isinstance(found, bytearray) else found


def _translated(text: str) -> str:
    """Pure: the library's words in those that users know.

    >>> _translated('NOT_FOUND: Key not found in map : "a"'), _translated("INVALID_ARGUMENT: divide by zero")
    ('no such key: a', 'division by zero')
    """
    text = _CODE.sub("", _TAIL.sub("", text.strip()))
    if found := _MISSING.match(text):
        return f"no such key: {found[1]}"
    if found := _INDEX.match(text):
        return f"index out of bounds: {found[1]}"
    if text.startswith(("No matching overloads", "Applying SELECT to non-message", "no such overload")):
        return "no such overload"
    return {"divide by zero": "division by zero"}.get(text, text)


class Environment:
    """`types`: the variables of its expressions, which are kept once compiled. `pool`: protobuf's, for types in it."""

    def __init__(self, types: Types, pool: Any = None) -> None:
        config = cel.NewEnvConfigFromYaml(_CONFIG)
        self._env = cel.NewEnv(descriptor_pool=pool, variables=dict(types), config=config, functions=declarations())
        self._compile = lru_cache(maxsize=1024)(self._compiled)

    def compile(self, expression: str, returns: str = "") -> Program:
        """`returns`: the type it must have, such as BOOL, or STRING|NULL. Raises CompileError."""
        found = self._compile(expression)
        wanted = returns.split("|")
        if returns and found.returns not in (*wanted, "DYN"):
            raise WrongType(returns, found.returns)
        return found

    def _compiled(self, expression: str) -> Program:
        if len(expression) > limits.LONGEST:
            raise CompileError(f"compilation failed: the expression is longer than {limits.LONGEST} characters")
        try:
            found = Program(expression, self._checked(_shaped(expression)))
        except (RuntimeError, TypeError, ValueError) as error:
            raise CompileError(f"compilation failed: {self._cause(expression, error)}") from None
        if _LITERAL.search(expression):
            self._check_literals(expression, found)
        return found

    def _check_literals(self, expression: str, found: Program) -> None:
        """Times and patterns that are written out must be such, lists of one type. Raises CompileError."""
        read = tree.read(found.serialized)
        if cause := literals.problem(read, _shaped(expression), expression):
            raise CompileError(f"compilation failed: {cause}")
        if cause := literals.pattern_problem(read):
            raise CompileError(f"program instantiation failed: {cause}")

    def _checked(self, expression: str) -> Any:
        try:
            return self._env.compile(expression)
        except (RuntimeError, TypeError, ValueError) as error:
            text = str(error)
            if text.count("ERROR:") == len(_NUMBERS.findall(text)) > 0:
                return self._env.compile(expression, disable_check=True)
            raise

    def _cause(self, expression: str, error: Exception) -> str:
        """Places are those of the expression as it was written, where that fails, too."""
        text = str(error)
        if _DEEP.search(text):
            return DEEP
        if _shaped(expression) != expression:
            try:
                self._env.compile(expression)
            except (RuntimeError, TypeError, ValueError) as own:
                text = str(own)
        return _shorter(_CODE.sub("", _TAIL.sub("", text)))


def _shaped(expression: str) -> str:
    return balance(rewrite(expression))


def _shorter(text: str) -> str:
    """Pure: of `a.b` it is `a` that nobody knows, and it stands where it begins.

    >>> print(_shorter("ERROR: <input>:1:2: undeclared reference to 'a.b' (in container '')\\n | a.b\\n | .^"))
    ERROR: <input>:1:1: undeclared reference to 'a' (in container '')
     | a.b
     | ^
    """

    def change(found: re.Match[str]) -> str:
        before = len(found[4] + found[5].rpartition(".")[0])
        place = int(found[2]) - before
        if place < 1:
            return found[0]
        return f"{found[1]}{place}{found[3]}{found[4]}{found[6]}{'.' * (place - 1)}^"

    return _QUALIFIED.sub(change, text)


@lru_cache(maxsize=256)
def environment(*names: str) -> Environment:
    """One whose variables may be anything."""
    return Environment(dict.fromkeys(names, DYN))


@lru_cache(maxsize=64)
def _of_types(named: tuple[tuple[str, str], ...]) -> Environment:
    return Environment({name: cel.Type(kind) for name, kind in named})


def typed(variables: tuple[tuple[str, Any], ...]) -> Environment:
    """One whose variables have types."""
    return _of_types(tuple((name, _signature(kind)) for name, kind in variables))


def _signature(kind: Any) -> str:
    return str(kind.name()).lower()


def named(name: str) -> Any:
    """A type by its name in expressions."""
    return cel.Type(name)


def list_of(item: Any) -> Any:
    return cel.Type.List(item)
