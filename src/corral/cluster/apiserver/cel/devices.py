"""Expressions about devices: the selectors of device classes and of claims. Follows dynamic-resource-allocation/cel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from corral.cluster.apiserver.cel import messages as m
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.cel.things import to_quantity
from corral.cluster.apiserver.cel.versions import to_semver

Object = dict[str, Any]

BATCH: Final = 64  # that are asked about in one job
NAMES: Final = ["device"]
# Any domain may be looked up: one that the device does not have is empty.
_DOMAIN: Final = re.compile(r"\b(attributes|capacity)\s*\[\s*(?:\"([^\"\\]*)\"|'([^'\\]*)')\s*\]")


def plan_device(device: Object, expression: str) -> Object:
    """Pure: a device as an expression sees it: names without a domain are in the driver's.

    >>> seen = {"driver": "d", "attributes": {"model": {"string": "x"}, "e/cores": {"int": 4}}}
    >>> plan_device(seen, 'device.attributes["f"].size() == 0')["attributes"]
    {'d': {'model': 'x'}, 'e': {'cores': 4}, 'f': {}}
    """
    driver = device["driver"]
    found: Object = {"driver": driver, "allowMultipleAllocations": bool(device.get("allowMultipleAllocations"))}
    attributes = {name: _attribute(one) for name, one in (device.get("attributes") or {}).items()}
    capacity = {name: to_quantity(str(one["value"])) for name, one in (device.get("capacity") or {}).items()}
    found["attributes"], found["capacity"] = _by_domain(attributes, driver), _by_domain(capacity, driver)
    for kind, quoted, other in _DOMAIN.findall(expression):
        found[kind].setdefault(quoted or other, {})
    return found


def _attribute(one: Object) -> Any:
    if "version" in one:
        return to_semver(one["version"])
    return next((one[key] for key in ("string", "int", "bool", "strings", "ints", "bools") if key in one), None)


def _by_domain(named: Object, driver: str) -> Object:
    found: Object = {driver: {}}
    for name, value in named.items():
        domain, _, short = name.rpartition("/")
        found.setdefault(domain or driver, {})[short] = value
    return found


async def judge(expressions: Expressions, asked: Sequence[tuple[str, Object]]) -> list[bool | str]:
    """For each expression and device whether it selects the device, or why that is not known."""
    found: list[bool | str] = []
    for start in range(0, len(asked), BATCH):
        found += await _batch(expressions, asked[start : start + BATCH])
    return found


async def _batch(expressions: Expressions, asked: Sequence[tuple[str, Object]]) -> list[bool | str]:
    try:
        parts = [_part(expression, device) for expression, device in asked]
        answers = await expressions.evaluate(NAMES, {}, parts)
    except (EvaluationError, ValueError) as error:
        if len(asked) > 1:  # one of them took too long: the others need not suffer
            return [one for each in asked for one in await _batch(expressions, [each])]
        text = error.message if isinstance(error, EvaluationError) else str(error)
        return [f"CEL runtime error: {text}"]
    return [_answer(one.found[0]) for one in answers]


def _part(expression: str, device: Object) -> m.Part:
    return m.Part([m.Item(expression)], values={"device": plan_device(device, expression)})


def _answer(found: m.Found) -> bool | str:
    if found.error.startswith("compilation failed"):
        return f"CEL compile error: {found.error}"
    if found.error:
        return f"CEL runtime error: {found.error}"
    if not isinstance(found.value, bool):
        return f"CEL compile error: must evaluate to bool or the unknown type, not {type(found.value).__name__}"
    return found.value
