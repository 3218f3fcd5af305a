"""The rules of a schema, compiled: their programs, and what is wrong with them when the definition is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from corral.cluster.apiserver.cel import environment as cel
from corral.cluster.apiserver.cel.errors import CompileError, WrongType
from corral.cluster.apiserver.cel.limits import bare
from corral.cluster.apiserver.cel.schemas import RULES, Raw, children, escape, find_field, uses_old
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.schema.crd import INT_OR_STRING

REASONS: Final = (p.REQUIRED, p.FORBIDDEN, p.INVALID, p.DUPLICATE)
_CHAIN: Final = re.compile(r"(?<![\w.])(?:self|oldSelf)((?:\.[A-Za-z_]\w*)+)(?!\s*\()(?![\w.])")
_WRONG: Final = {
    "BOOL": "cel expression must evaluate to a bool",
    "STRING": "messageExpression must evaluate to a string",
}
_OPTIONAL: Final = "cel.bind(oldSelf, hasOldSelf ? optional.of(oldSelfValue) : optional.none(), {})"


def problems_of_schema(raw: Raw, path: str, *, root: bool = True) -> Iterator[Problem]:
    """Rules that are none, or that speak of fields that are not there."""
    for index, rule in enumerate(raw.get(RULES) or ()):
        yield from _problems_of_rule(rule, raw, f"{path}.{RULES}[{index}]", root)
    for below, where in children(raw, path):
        yield from problems_of_schema(below, where, root=False)


def _problems_of_rule(rule: Mapping[str, Any], raw: Raw, path: str, root: bool) -> Iterator[Problem]:
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
        yield p.invalid(
            f"{path}.fieldPath", rule["fieldPath"], "fieldPath must be a valid path: does not refer to a valid field"
        )
    if rule.get("optionalOldSelf") and not uses_old(text):
        yield p.invalid(f"{path}.optionalOldSelf", True, "may not be set to true if oldSelf is not used in rule")
    yield from _compiled(text, "BOOL", rule, raw, f"{path}.rule", root)
    if rule.get("messageExpression"):
        yield from _compiled(str(rule["messageExpression"]), "STRING", rule, raw, f"{path}.messageExpression", root)


def _compiled(text: str, returns: str, rule: Mapping[str, Any], raw: Raw, path: str, root: bool) -> Iterator[Problem]:
    try:
        program(text, rule, raw, returns)
    except WrongType:
        yield p.invalid(path, text, _WRONG[returns])
        return
    except CompileError as error:
        yield p.invalid(path, text, error.message)
        return
    for found in _CHAIN.finditer(bare(text)):
        if missing := _unknown(found[1].lstrip(".").split("."), raw, root):
            place = found.start() + found[0].index(missing) if missing in found[0] else found.start()
            marks = "." * max(place - 1, 0)
            detail = (
                f"compilation failed: ERROR: <input>:1:{place}: undefined field '{missing}'\n | {text}\n | {marks}^"
            )
            yield p.invalid(path, text, detail)
            return


def _unknown(keys: list[str], raw: Raw, root: bool) -> str:
    """The first of nested fields that the schema has not; "" where all are there, or anything may be."""
    at: Raw = raw
    for depth, key in enumerate(keys):
        if not depth and root and key in ("apiVersion", "kind", "metadata"):
            return ""
        properties = at.get("properties")
        if not properties or at.get("additionalProperties"):
            return ""
        below = next((one for name, one in properties.items() if escape(name) == key), None)
        if below is None:
            return key
        at = below
    return ""


def program(text: str, rule: Mapping[str, Any], raw: Raw, returns: str) -> cel.Program:
    """A rule, or its messageExpression. Raises CompileError."""
    if rule.get("optionalOldSelf"):
        return _optional_environment().compile(_OPTIONAL.format(f"({text})"), returns)
    return _environment(raw).compile(text, returns)


def _type(raw: Raw) -> Any:
    if raw.get("nullable") or raw.get(INT_OR_STRING):
        return cel.DYN
    plain = {"integer": "int", "number": "double", "string": "string", "boolean": "bool"}
    kind = raw.get("type", "")
    if kind == "array":
        return cel.list_of(_type(raw.get("items") or {}))
    return cel.named(plain[kind]) if kind in plain else cel.OBJECT if kind == "object" else cel.DYN


def _environment(raw: Raw) -> cel.Environment:
    return cel.typed((("self", _type(raw)), ("oldSelf", _type(raw))))


def _optional_environment() -> cel.Environment:
    return cel.environment("self", "oldSelfValue", "hasOldSelf")
