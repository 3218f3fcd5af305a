"""The LabelSelector objects of specs, and what is wrong with them. Follows metav1.LabelSelector and its validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corral.model.kubernetes import names, problems
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.selectors.requirements import (
    EQUALS,
    EXISTS,
    IN,
    NOT_EXISTS,
    NOT_IN,
    NOTHING,
    BadSelector,
    Selector,
    requirement,
)

_OPERATORS = {"In": IN, "NotIn": NOT_IN, "Exists": EXISTS, "DoesNotExist": NOT_EXISTS}


def of_object(selector: Mapping[str, Any] | None) -> Selector:
    """Pure: the selector that a LabelSelector stands for: of None nothing, of {} everything. Raises BadSelector.

    >>> one = of_object({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]})
    >>> str(one), of_object(None).matches({}), of_object({}).matches({})
    ('a=b,c', False, True)
    """
    if selector is None:
        return NOTHING
    found = [requirement(key, EQUALS, [value]) for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or ():
        operator = one.get("operator", "")
        if operator not in _OPERATORS:
            raise BadSelector(f'"{operator}" is not a valid label selector operator')
        found.append(requirement(one.get("key", ""), _OPERATORS[operator], one.get("values") or ()))
    return Selector(tuple(sorted(found, key=lambda one: one.key)))


def problems_of_object(selector: Mapping[str, Any] | None, path: str, *, any_value: bool = False) -> list[Problem]:
    """Pure: what is wrong with a LabelSelector. `any_value`: an old object had invalid values, so they stay allowed."""
    if selector is None:
        return []
    found = problems_of_labels(selector.get("matchLabels"), f"{path}.matchLabels")
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        found += _expression_problems(one, f"{path}.matchExpressions[{index}]", any_value)
    return found


def problems_of_labels(labels: Mapping[str, str] | None, path: str) -> list[Problem]:
    """Pure: what is wrong with an object's labels."""
    found = []
    for key, value in (labels or {}).items():
        found += [problems.invalid(path, key, text) for text in names.qualified_name(key)]
        found += [problems.invalid(path, value, text) for text in names.label_value(value)]
    return found


def _expression_problems(one: Mapping[str, Any], path: str, any_value: bool) -> list[Problem]:
    operator, values, found = one.get("operator", ""), one.get("values") or (), []
    if operator in ("In", "NotIn") and not values:
        text = "must be specified when `operator` is 'In' or 'NotIn'"
        found.append(problems.required(f"{path}.values", text))
    elif operator in ("Exists", "DoesNotExist") and values:
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(problems.forbidden(f"{path}.values", text))
    elif operator not in _OPERATORS:
        found.append(problems.invalid(f"{path}.operator", operator, "not a valid selector operator"))
    key = one.get("key", "")
    found += [problems.invalid(f"{path}.key", key, text) for text in names.qualified_name(key)]
    for index, value in enumerate(() if any_value else values):
        found += [problems.invalid(f"{path}.values[{index}]", value, text) for text in names.label_value(value)]
    return found
