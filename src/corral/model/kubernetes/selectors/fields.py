"""Field selectors: `spec.nodeName=a,status.phase!=Running`. Follows k8s.io/apimachinery/pkg/fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from corral.model.kubernetes.selectors.requirements import BadSelector


class FieldTerm(NamedTuple):
    """One condition: the field has the value, or (not `equal`) has not."""

    field: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        escaped = re.sub(r"([\\\\,=])", r"\\\1", self.value)
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms must hold; without any, it selects everything."""

    terms: tuple[FieldTerm, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.terms

    def matches(self, value_of: Mapping[str, str] | Callable[[str], str]) -> bool:
        """`value_of`: the fields' values, or what gives the value of a field; a missing one is ""."""
        get = value_of if callable(value_of) else _getter(value_of)
        return all((get(term.field) == term.value) == term.equal for term in self.terms)

    def required_value(self, field: str) -> str | None:
        """The one value that a field must have; None when there is no such one."""
        return next((term.value for term in self.terms if term.field == field and term.equal), None)

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


def parse(text: str) -> FieldSelector:
    """Pure: the selector that a text stands for, terms in alphabetical order; raises BadSelector.

    >>> selector = parse("status.phase!=Running,spec.nodeName==a")
    >>> str(selector), selector.matches({"spec.nodeName": "a"}), selector.required_value("spec.nodeName")
    ('spec.nodeName=a,status.phase!=Running', True, 'a')
    """
    found = []
    for part in sorted(re.findall(r"(?:[^\\,]|\\.|\\$)+", text, re.DOTALL)):
        split = re.search("!=|==|=", part)
        if split is None:
            raise BadSelector(f"invalid selector: '{text}'; can't understand '{part}'")
        value = _unescaped(part[split.end() :])
        found.append(FieldTerm(part[: split.start()], value, split[0] != "!="))
    return FieldSelector(tuple(found))


def _getter(values: Mapping[str, str]) -> Callable[[str], str]:
    return lambda name: values.get(name, "")


def _unescaped(text: str) -> str:
    """
    >>> _unescaped(r"a\\,b\\\\")
    'a,b\\\\'
    """
    found = ""
    for piece in re.findall(r"\\.|\\|[^\\]", text, re.DOTALL):
        if piece[0] == "\\" and piece[1:] not in ("\\", ",", "="):
            raise BadSelector(f"invalid field selector: invalid escape sequence: {piece}")
        if piece in (",", "="):
            raise BadSelector(f"invalid field selector: unescaped character in value: {ord(piece)}")
        found += piece[-1]
    return found
