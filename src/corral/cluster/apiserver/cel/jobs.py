"""What the evaluator does with a job. Pure, but for `deciding`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

from corral.cluster.apiserver.cel import messages as m
from corral.cluster.apiserver.cel.compiling import problems_of_schema
from corral.cluster.apiserver.cel.construct import as_maps
from corral.cluster.apiserver.cel.environment import Environment, OptionalResult, Program, environment
from corral.cluster.apiserver.cel.errors import CompileError, EvaluationError, WrongType
from corral.cluster.apiserver.cel.limits import bare
from corral.cluster.apiserver.cel.rewriting import MENTION, VARIABLE
from corral.cluster.apiserver.cel.rules import problems
from corral.errors import CorralError

MOST_SCHEMAS: Final = 512
LONGEST_MESSAGE: Final = 5 * 1024
# A field of what has no type; of all else here, upstream knows the type.
_UNTYPED: Final = re.compile(r"(object|oldObject|params)(\.[A-Za-z_]\w*|\[\d+\]|\['[^'\\]*'\]|\[\"[^\"\\]*\"\])*")
_maps: Final = lru_cache(maxsize=1024)(as_maps)


class Evaluator:
    """Answers jobs. Schemas are kept by their keys."""

    def __init__(self) -> None:
        self._schemas: dict[str, Any] = {}

    def answer(self, job: m.Job) -> m.Done | m.Unknown:
        """
        >>> Evaluator().answer(m.Evaluate(["a"], {"a": 1}, [m.Part([m.Item("a + 1")])])).result[0].found[0].value
        2
        """
        match job:
            case m.Compile():
                return m.Done([compile_problem(one, job.names, returns) for one, returns in job.expressions])
            case m.Evaluate():
                return m.Done([evaluate(job.names, job.values, part) for part in job.parts])
            case m.CheckSchemas():
                found = [one for path, raw in job.schemas for one in problems_of_schema(raw, path)]
                return m.Done([m.of_problem(one) for one in found])
            case m.CheckTypes():
                from corral.cluster.apiserver.cel import typed  # protobuf is loaded for the first policy

                return m.Done(typed.check(job))
            case m.Judge():
                return self._judge(job)

    def _judge(self, job: m.Judge) -> m.Done | m.Unknown:
        if job.raw is not None:
            if len(self._schemas) >= MOST_SCHEMAS:
                self._schemas.pop(next(iter(self._schemas)))
            self._schemas[job.key] = job.raw
        elif job.key not in self._schemas:
            return m.Unknown()
        both = problems(job.new, None if job.fresh else job.old, self._schemas[job.key])
        return m.Done([[m.of_problem(one) for one in found] for found in both])


def compile_problem(expression: str, names: list[str], returns: str = "") -> str:
    """Why an expression cannot be used; "" if it can, or is not there (which is said elsewhere).

    >>> compile_problem("a == 'b'", ["a"], "BOOL"), compile_problem("1", [], "BOOL")
    ('', 'must evaluate to bool but got int')
    >>> compile_problem("object.spec.on", ["object"], "BOOL"), compile_problem("request.dryRun", ["request"], "BOOL")
    ('must evaluate to bool but got dyn', '')
    """
    if not expression.strip():
        return ""
    try:
        found = environment(*names).compile(_maps(expression), returns)
    except CompileError as error:
        return error.message
    if returns and found.returns == "DYN" and _UNTYPED.fullmatch(expression.strip()):
        return WrongType(returns, "DYN").message
    return ""


def evaluate(names: list[str], values: Mapping[str, Any], part: m.Part) -> m.Evaluated:
    """
    >>> part = m.Part([m.Item("variables.b > 2", "'b is ' + string(variables.b)")], [("c", "a > 0")], {"b": "a + 1"})
    >>> evaluate(["a", "variables"], {"a": 1}, part)
    Evaluated(holds=True, error='', found=[Found(value=False, error='', message='b is 2')])
    >>> evaluate(["a", "variables"], {"a": 0}, part)
    Evaluated(holds=False, error='', found=[])
    """
    run = _Run(environment(*names), {**values, **part.values}, part.variables)
    holds, error = run.conditions(part.conditions)
    if not holds or error:
        return m.Evaluated(holds, error)
    return m.Evaluated(True, "", [run.item(one) for one in part.items])


def with_options(expression: str, names: Collection[str]) -> str:
    """Pure: an optional value travels as a list of it, or of nothing: these variables are such.

    >>> with_options("variables.a.hasValue() && variables.ab == 'variables.a'", {"a"})
    "variables.a[?0].hasValue() && variables.ab == 'variables.a'"
    """
    return MENTION.sub(lambda one: f"{one[0]}[?0]" if one[2] in names else one[0], expression) if names else expression


class _Run:
    """One part. A variable is computed when it is needed, and once."""

    def __init__(self, where: Environment, values: Mapping[str, Any], variables: dict[str, str]) -> None:
        self._where, self._values, self._variables = where, values, variables
        self._known: dict[str, Any] = {}
        self._optional: set[str] = set()

    def conditions(self, conditions: list[tuple[str, str]]) -> tuple[bool, str]:
        """All must hold. One that is false decides, whatever others fail with."""
        errors: dict[str, None] = {}
        for _, expression in conditions:
            try:
                program = self._where.compile(_maps(expression), "BOOL")
                if program.run({**self._values, "variables": {}}) is not True:
                    return False, ""
            except (CompileError, EvaluationError) as failure:
                errors[f"expression '{expression}' resulted in error: {failure.message}"] = None
        return True, next(iter(errors), "") if len(errors) < 2 else f"[{', '.join(errors)}]"

    def item(self, item: m.Item) -> m.Found:
        found = m.Found()
        try:
            found.value = self._value(item.expression)
        except CorralError as error:
            found.error = error.message
        if item.message and not found.error and found.value is not True:
            found.message = self._message(item.message)
        return found

    def _message(self, expression: str) -> str:
        """What is said; "" where that fails, or cannot be shown."""
        try:
            found = self._value(expression)
        except CorralError:
            return ""
        text = found.strip() if isinstance(found, str) else ""
        return "" if "\n" in text or len(text) > LONGEST_MESSAGE else text

    def _value(self, expression: str) -> Any:
        """Raises CompileError, EvaluationError."""
        return self._of(expression, self._needed(expression, 0))

    def _of(self, expression: str, variables: Mapping[str, Any]) -> Any:
        return self._program(expression).run({**self._values, "variables": variables})

    def _program(self, expression: str) -> Program:
        return self._where.compile(_maps(with_options(expression, self._optional)))

    def _variable(self, name: str, depth: int) -> Any:
        """Raises CompileError, EvaluationError."""
        inner = self._variables[name]
        variables = self._needed(inner, depth + 1)
        try:
            return self._of(inner, variables)
        except OptionalResult:
            pass
        found = self._of(f"({inner}).hasValue() ? [({inner}).value()] : []", variables)
        self._optional.add(name)
        return found

    def _needed(self, expression: str, depth: int) -> Mapping[str, Any]:
        """The variables that an expression mentions."""
        found = {}
        for name in dict.fromkeys(VARIABLE.findall(bare(expression))):
            if name not in self._variables or depth > len(self._variables):
                continue
            if name not in self._known:
                try:
                    self._known[name] = self._variable(name, depth)
                except CorralError as error:
                    text = f"composited variable {name!r} fails to evaluate: {error.message}"
                    raise EvaluationError(text.replace("'", '"')) from None
            found[name] = self._known[name]
        return found
