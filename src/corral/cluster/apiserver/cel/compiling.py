"""The rules of a schema, compiled: their programs, and what is wrong with them when the definition is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from corral.cluster.apiserver.cel import environment as cel
from corral.cluster.apiserver.cel.budget import Budget, below
from corral.cluster.apiserver.cel.cost import estimate
from corral.cluster.apiserver.cel.declared import declared
from corral.cluster.apiserver.cel.errors import CompileError, WrongType
from corral.cluster.apiserver.cel.schemas import RULES, Raw, children, find_field, uses_old
from corral.cluster.apiserver.cel.shapes import FORMATS, Shapes
from corral.cluster.apiserver.cel.sizes import Sized, cardinality, sized
from corral.cluster.apiserver.cel.typed import Rules
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.schema.crd import INT_OR_STRING

REASONS: Final = (p.REQUIRED, p.FORBIDDEN, p.INVALID, p.DUPLICATE)
_WRONG: Final = {
    "BOOL": "cel expression must evaluate to a bool",
    "STRING": "messageExpression must evaluate to a string",
}
_OPTIONAL: Final = "cel.bind(oldSelf, hasOldSelf ? optional.of(oldSelfValue) : optional.none(), {})"


def problems_of_schema(raw: Raw, path: str) -> Iterator[Problem]:
    """Rules that are none, that do not fit the types of what they speak of, or that may cost too much."""
    budget = Budget()
    yield from _problems_below(raw, path, Checked(raw, True, 1, budget))
    yield from budget.problems(path)


def _problems_below(raw: Raw, path: str, checked: Checked) -> Iterator[Problem]:
    for index, rule in enumerate(raw.get(RULES) or ()):
        yield from _problems_of_rule(rule, raw, f"{path}.{RULES}[{index}]", checked)
    count = below(checked.count, raw)
    for one, where in children(raw, path):
        yield from _problems_below(one, where, Checked(one, False, count, checked.budget))


def _problems_of_rule(rule: Mapping[str, Any], raw: Raw, path: str, checked: Checked) -> Iterator[Problem]:
    text = str(rule.get("rule") or "")
    if not text.strip():
        yield p.required(f"{path}.rule", "rule is not specified")
        return
    message = str(rule.get("message") or "")
    if "message" in rule and rule["message"] and not message.strip():
        yield p.invalid(f"{path}.message", message, "message must be non-empty if specified")
    elif "\n" in message.strip():
        yield p.invalid(f"{path}.message", message, "message must not contain line breaks")
    elif "\n" in text.strip() and not message:
        yield p.required(f"{path}.message", "message must be specified if rule contains line breaks")
    if rule.get("reason") and rule["reason"] not in REASONS:
        yield p.not_supported(f"{path}.reason", rule["reason"], REASONS)
    if rule.get("fieldPath") and find_field(rule["fieldPath"], raw) is None:
        detail = "fieldPath must be a valid path: does not refer to a valid field"
        yield p.invalid(f"{path}.fieldPath", rule["fieldPath"], detail)
    if rule.get("optionalOldSelf") and not uses_old(text):
        yield p.invalid(f"{path}.optionalOldSelf", True, "may not be set to true if oldSelf is not used in rule")
    yield from _compiled(text, "BOOL", rule, raw, f"{path}.rule", checked)
    if rule.get("messageExpression"):
        shown = str(rule["messageExpression"])
        yield from _compiled(shown, "STRING", rule, raw, f"{path}.messageExpression", checked)


class Checked:
    """The types and sizes of one schema, for all of its rules: made with the first of them. `count`: how often there
    can be one of it, None for no limit."""

    def __init__(self, raw: Raw, root: bool, count: int | None, budget: Budget) -> None:
        self._raw, self._root = raw, root
        self.count, self.budget = count, budget
        self._made: dict[bool, Rules] = {}
        self._sized: Sized | None = None

    def check(self, text: str, returns: str, *, optional: bool) -> int:
        """What it may cost whenever it is run. Raises CompileError."""
        if optional not in self._made:
            shapes: Shapes = {}
            if not (word := declared(self._raw, shapes, root=self._root)):
                return 0
            self._made[optional] = Rules(word, shapes, optional=optional)
        tree = self._made[optional].check(text, returns)
        self._sized = self._sized or sized(self._raw, root=self._root)
        return estimate(tree, self._sized) if self._sized else 0

    @property
    def times(self) -> int:
        """How often a rule of it may be run for one object."""
        if self.count is not None:
            return self.count
        return cardinality(self._sized) if self._sized else 0


def _compiled(
    text: str, returns: str, rule: Mapping[str, Any], raw: Raw, path: str, checked: Checked
) -> Iterator[Problem]:
    try:
        cost = checked.check(text, returns, optional=bool(rule.get("optionalOldSelf")))
        program(text, rule, raw, returns)
    except WrongType:
        yield p.invalid(path, text, _WRONG[returns])
    except CompileError as error:
        yield p.invalid(path, text, f"{'messageExpression ' if returns == 'STRING' else ''}{error.message}")
    else:
        if returns == "BOOL":
            yield from checked.budget.spend(cost * checked.times, path)
        else:
            yield from checked.budget.spend(cost, path, "messageExpression")


def program(text: str, rule: Mapping[str, Any], raw: Raw, returns: str) -> cel.Program:
    """A rule, or its messageExpression. Raises CompileError."""
    if rule.get("optionalOldSelf"):
        return _optional_environment().compile(_OPTIONAL.format(f"({text})"), returns)
    return _environment(raw).compile(text, returns)


def _type(raw: Raw) -> Any:
    if raw.get("nullable") or raw.get(INT_OR_STRING):
        return cel.DYN
    plain = {"integer": "int", "number": "double", "boolean": "bool"}
    kind = raw.get("type", "")
    if kind == "string":
        return cel.named(FORMATS.get(raw.get("format") or "", "string"))
    if kind == "array":
        return cel.list_of(_type(raw.get("items") or {}))
    return cel.named(plain[kind]) if kind in plain else cel.OBJECT if kind == "object" else cel.DYN


def _environment(raw: Raw) -> cel.Environment:
    return cel.typed((("self", _type(raw)), ("oldSelf", _type(raw))))


def _optional_environment() -> cel.Environment:
    return cel.environment("self", "oldSelfValue", "hasOldSelf")
