"""The columns that a CustomResourceDefinition asks for. Pure. Follows apiextensions-apiserver's tableconvertor."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from corral.model.kubernetes import jsonpath
from corral.model.kubernetes.kind import Column, Object
from corral.model.kubernetes.kinds.ages import parse_time, since
from corral.model.kubernetes.kinds.cells import AGE
from corral.model.kubernetes.kinds.fields import number, text


def columns_of(raw: Sequence[Object]) -> tuple[Column, ...]:
    """Pure: `additionalPrinterColumns` as columns; without any, there is the age.

    >>> found = columns_of([{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}])
    >>> found[0].name, found[0].cell({"spec": {"size": 3}}, datetime(2026, 1, 1)), found[0].cell({}, datetime.min)
    ('Size', 3, None)
    """
    if not raw:
        return (AGE,)
    return tuple(
        Column(
            text(one, "name"),
            _cell(text(one, "jsonPath"), text(one, "type")),
            text(one, "type"),
            text(one, "format"),
            text(one, "description")
            or f"Custom resource definition column (in JSONPath format): {text(one, 'jsonPath')}",
            number(one, "priority"),
        )
        for one in raw
    )


def _cell(path: str, kind: str) -> Callable[[Object, datetime], Any]:
    try:
        steps = jsonpath.compile(path)
    except jsonpath.BadPath:
        return lambda obj, now: None

    def cell(obj: Object, now: datetime) -> Any:
        found = jsonpath.evaluate(steps, obj)
        return _shown(found[0], kind, now) if found else None

    return cell


def _shown(value: Any, kind: str, now: datetime) -> Any:
    """A value as its column's type has it; None where it does not fit."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        return int(value) if plain else None
    if kind == "number":
        return value if plain else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date":
        if not isinstance(value, str):
            return None
        return since(value, now) if parse_time(value) is not None else "<invalid>"
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
