"""Requirements of labels, and selectors made of them: the rules and texts of k8s.io/apimachinery/pkg/labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.errors import CorralError
from corral.model.kubernetes import names, problems
from corral.model.kubernetes.problems import Problem

IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS = "in", "notin", "=", "==", "!="
GREATER, LESS, EXISTS, NOT_EXISTS = "gt", "lt", "exists", "!"

BINARY = (IN, NOT_IN, EQUALS, DOUBLE_EQUALS, NOT_EQUALS, GREATER, LESS)
_SYMBOLS = {IN: " in ", NOT_IN: " notin ", GREATER: ">", LESS: "<"}


class BadSelector(CorralError):
    """A selector that cannot be read; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition. `values` are sorted and without duplicates when they were read from a text."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, Any]) -> bool:
        """
        >>> Requirement("a", NOT_IN, ("1",)).matches({}), Requirement("a", GREATER, ("9",)).matches({"a": "10"})
        (True, True)
        """
        value = labels.get(self.key)
        if self.operator in (IN, EQUALS, DOUBLE_EQUALS):
            return value is not None and value in self.values
        if self.operator in (NOT_IN, NOT_EQUALS):
            return value is None or value not in self.values
        if self.operator in (EXISTS, NOT_EXISTS):
            return (value is not None) == (self.operator == EXISTS)
        number, bound = _integer(value), _integer(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator == GREATER else number < bound

    def __str__(self) -> str:
        if self.operator in (EXISTS, NOT_EXISTS):
            return ("!" if self.operator == NOT_EXISTS else "") + self.key
        joined = ",".join(sorted(self.values))
        listed = f"({joined})" if self.operator in (IN, NOT_IN) else joined
        return f"{self.key}{_SYMBOLS.get(self.operator, self.operator)}{listed}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must be met. Without any, it selects everything, unless `nothing`."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    _exact: tuple[tuple[str, str], ...] = field(default=(), init=False, repr=False, compare=False)
    _others: tuple[Requirement, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        equal = [one for one in self.requirements if one.operator in (EQUALS, DOUBLE_EQUALS)]
        object.__setattr__(self, "_exact", tuple((one.key, one.values[0]) for one in equal))
        object.__setattr__(self, "_others", tuple(one for one in self.requirements if one not in equal))

    @property
    def empty(self) -> bool:
        """Whether it selects everything."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, Any] | None) -> bool:
        if self.nothing:
            return False
        found = labels or {}
        for key, value in self._exact:
            if found.get(key) != value:
                return False
        return all(one.matches(found) for one in self._others)

    def required_value(self, key: str) -> str | None:
        """The one value that a label must have; None when there is no such one."""
        first = next((one for one in self.requirements if one.key == key), None)
        if first and first.operator in (EQUALS, DOUBLE_EQUALS, IN) and len(first.values) == 1:
            return first.values[0]
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def requirement(key: str, operator: str, values: Sequence[str], path: str = "") -> Requirement:
    """Pure: a checked requirement; raises BadSelector."""
    under = f"{path}." if path else ""
    found = _key_problems(f"{under}key", key) + _value_problems(f"{under}values", key, operator, values)
    if found:
        texts = list(dict.fromkeys(map(str, found)))
        raise BadSelector(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    return Requirement(key, operator, tuple(values))


def of_labels(labels: Mapping[str, str] | None) -> Selector:
    """Pure: what selects objects with all these labels (the selector of a Service, say)."""
    return Selector(tuple(Requirement(key, EQUALS, (value,)) for key, value in sorted((labels or {}).items())))


def _key_problems(path: str, key: str) -> list[Problem]:
    found = names.qualified_name(key)
    return [problems.invalid(path, key, "; ".join(found))] if found else []


def _value_problems(path: str, key: str, operator: str, values: Sequence[str]) -> list[Problem]:
    found = [problems.invalid(path, list(values), text) for text in _count_texts(operator, len(values))]
    for index, value in enumerate(values):
        if operator in (GREATER, LESS) and _integer(value) is None:
            text = "for 'Gt', 'Lt' operators, the value must be an integer"
            found.append(problems.invalid(f"{path}[{index}]", value, text))
    for index, value in enumerate(values):
        if texts := names.label_value(value):
            found.append(problems.invalid(f"{path}[{index}][{key}]", value, "; ".join(texts)))
    return found


def _count_texts(operator: str, count: int) -> list[str]:
    if operator in (IN, NOT_IN):
        return [] if count else ["for 'in', 'notin' operators, values set can't be empty"]
    if operator in (EXISTS, NOT_EXISTS):
        return ["values set must be empty for exists and does not exist"] if count else []
    if operator in (GREATER, LESS):
        return [] if count == 1 else ["for 'Gt', 'Lt' operators, exactly one value is required"]
    return [] if count == 1 else ["exact-match compatibility requires one single value"]


def _integer(value: Any) -> int | None:
    if not isinstance(value, str) or not re.fullmatch(r"[+-]?[0-9]{1,4000}", value):
        return None
    number = int(value)
    return number if -(2**63) <= number < 2**63 else None
