"""x-kubernetes-validations: the rules in the schema of a CustomResourceDefinition, run on an object.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel. A transition rule (it mentions `oldSelf`) is run only
where there is an old value to compare with. Of a value that was there before, a broken rule is tolerated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from corral.cluster.apiserver.cel.compiling import program
from corral.cluster.apiserver.cel.errors import CompileError, EvaluationError
from corral.cluster.apiserver.cel.schemas import RULES, Raw, find_field, uses_old
from corral.cluster.apiserver.cel.shown import shown
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.schema.crd import LIST_MAP_KEYS, LIST_TYPE

SECONDS: Final = 1.0  # of the processor, for all rules of one object


def problems(
    value: Any, old: Any, raw: Raw, clock: Callable[[], float] = time.process_time
) -> tuple[list[Problem], list[Problem]]:
    """What the rules say of an object, and what of that is tolerated; `old` None: it is new.

    >>> schema = {"type": "object", "properties": {"a": {"type": "integer"}}, RULES: [{"rule": "self.a > 1"}]}
    >>> [str(one) for one in problems({"a": 1}, None, schema)[0]]
    ['<nil>: Invalid value: "object": failed rule: self.a > 1']
    >>> len(problems({"a": 1}, {"a": 1}, schema)[0]), len(problems({"a": 1}, {"a": 1}, schema)[1])
    (0, 1)
    """
    walk = _Walk(clock() + SECONDS, clock)
    walk.value(value, old, raw, "", root=True)
    return walk.found, walk.tolerated


@dataclass(slots=True)
class _Walk:
    until: float
    clock: Callable[[], float]
    found: list[Problem] = field(default_factory=list)
    tolerated: list[Problem] = field(default_factory=list)
    over: bool = False

    def value(self, value: Any, old: Any, raw: Raw, path: str, *, root: bool = False) -> None:
        if self.over or (value is None and not raw.get("nullable")):
            return
        if raw.get(RULES):
            self._rules(value, old, raw, path, root)
        if isinstance(value, dict):
            self._object(value, old if isinstance(old, dict) else None, raw, path)
        elif isinstance(value, list) and isinstance(raw.get("items"), Mapping):
            match = _matching(old if isinstance(old, list) else [], raw)
            for index, one in enumerate(value):
                self.value(one, match(one), raw["items"], f"{path}[{index}]")

    def _object(self, value: dict[str, Any], old: dict[str, Any] | None, raw: Raw, path: str) -> None:
        properties, more, before = raw.get("properties") or {}, raw.get("additionalProperties"), old or {}
        for key, one in value.items():
            if key in properties:
                self.value(one, before.get(key), properties[key], f"{path}.{key}" if path else key)
            elif isinstance(more, Mapping):
                self.value(one, before.get(key), more, f"{path}[{key}]")

    def _rules(self, value: Any, old: Any, raw: Raw, path: str, root: bool) -> None:
        values: dict[str, Any] = {"self": shown(value, raw, root=root)}
        if old is not None:
            values["oldSelf"] = shown(old, raw, root=root)
        for rule in raw[RULES]:
            text = str(rule.get("rule", ""))
            optional, transition = bool(rule.get("optionalOldSelf")), uses_old(text)
            if transition and not optional and old is None:
                continue
            if self.clock() > self.until:
                text = "validation failed due to running out of cost budget, no further validation rules will be run"
                self.found.append(p.invalid(path or p.NOWHERE, _kind(raw), text))
                self.over = True
                return
            given = _optional(values) if optional else values
            unchanged = old is not None and old == value and not transition
            self._run(rule, given, raw, path, self.tolerated if unchanged else self.found)

    def _run(self, rule: Mapping[str, Any], values: dict[str, Any], raw: Raw, path: str, found: list[Problem]) -> None:
        named = str(rule.get("message") or rule["rule"]).strip()
        kind = _kind(raw)
        try:
            if program(rule["rule"], rule, raw, "BOOL").run(values) is True:
                return
        except (CompileError, EvaluationError) as error:
            found.append(p.invalid(path or p.NOWHERE, kind, _failed(error.message, named)))
            return
        where = path + (find_field(rule["fieldPath"], raw) or "" if rule.get("fieldPath") else "")
        where = where.lstrip(".") if not path else where
        message = self._message(rule, values, raw) or str(rule.get("message") or "").strip() or f"failed rule: {named}"
        found.append(_problem(str(rule.get("reason") or ""), where or p.NOWHERE, kind, message))

    @staticmethod
    def _message(rule: Mapping[str, Any], values: dict[str, Any], raw: Raw) -> str:
        """What the messageExpression says; "" where it fails, or says nothing that can be shown."""
        if not rule.get("messageExpression"):
            return ""
        try:
            found = program(str(rule["messageExpression"]), rule, raw, "STRING").run(values)
        except (CompileError, EvaluationError):
            return ""
        text = found.strip() if isinstance(found, str) else ""
        return "" if "\n" in text or len(text) > 5 * 1024 else text


def _optional(values: dict[str, Any]) -> dict[str, Any]:
    has = "oldSelf" in values
    return {"self": values["self"], "hasOldSelf": has, "oldSelfValue": values.get("oldSelf")}


def _failed(cause: str, rule: str) -> str:
    if cause.startswith("no such overload"):
        what = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{cause}': {what}: {rule}"
    if cause.startswith("operation cancelled"):
        return f"'{cause}': no further validation rules will be run due to call cost exceeds limit for rule: {rule}"
    return f"{cause} evaluating rule: {rule}"


def _kind(raw: Raw) -> str:
    return str(raw.get("type") or "")


def _problem(reason: str, path: str, kind: str, message: str) -> Problem:
    if reason == p.FORBIDDEN:
        return p.forbidden(path, message)
    if reason == p.REQUIRED:
        return p.required(path, message)
    return p.duplicate(path, kind) if reason == p.DUPLICATE else p.invalid(path, kind, message)


def _matching(old: list[Any], raw: Raw) -> Callable[[Any], Any]:
    """Which item of the old list an item was: only lists that are maps can tell."""
    keys = tuple(raw.get(LIST_MAP_KEYS) or ())
    if raw.get(LIST_TYPE) != "map" or not keys:
        return lambda item: None

    def key(item: Any) -> tuple[str, ...]:
        return tuple(repr(item.get(one)) for one in keys) if isinstance(item, dict) else ()

    known = {key(one): one for one in old}
    return lambda item: known.get(key(item))
