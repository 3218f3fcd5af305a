"""x-kubernetes-validations: the rules in the schema of a CustomResourceDefinition.

`problems_of_schema` compiles them when the definition is written; `problems` runs them on an object. Follows
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel. A transition rule (it mentions `oldSelf`) is run only where
there is an old value to compare with.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from corral.cluster.apiserver.cel import environment as cel
from corral.cluster.apiserver.cel.limits import bare
from corral.model.kubernetes import problems as p
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.schema.crd import INT_OR_STRING, LIST_MAP_KEYS, LIST_TYPE, PRESERVE

Raw = Mapping[str, Any]
RULES: Final = "x-kubernetes-validations"
SECONDS: Final = 1.0  # for all rules of one object
REASONS: Final = (p.REQUIRED, p.FORBIDDEN, p.INVALID, p.DUPLICATE)
_OLD: Final = re.compile(r"(?<![\w.])oldSelf\b")
_CHAIN: Final = re.compile(r"(?<![\w.])(?:self|oldSelf)((?:\.[A-Za-z_]\w*)+)(?!\s*\()(?![\w.])")
_WORDS: Final = frozenset(
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while".split()
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_OPTIONAL: Final = "cel.bind(oldSelf, hasOldSelf ? optional.of(oldSelfValue) : optional.none(), {})"


def escape(name: str) -> str:
    """Pure: a field's name as expressions write it.

    >>> escape("foo-bar"), escape("namespace"), escape("plain")
    ('foo__dash__bar', '__namespace__', 'plain')
    """
    if name in _WORDS:
        return f"__{name}__"
    for found, shown in _ESCAPES:
        name = name.replace(found, shown)
    return name


def uses_old(rule: str) -> bool:
    """
    >>> uses_old("self.a >= oldSelf.a"), uses_old("self.oldSelf == 'oldSelf'")
    (True, False)
    """
    return _OLD.search(bare(rule)) is not None


def shown(value: Any, raw: Raw, *, root: bool = False) -> Any:
    """Pure: a value as expressions see it: fields under their escaped names, unknown ones not at all, and whole numbers
    of a `number` as fractions.

    >>> shown({"a-b": 1, "x": 2}, {"properties": {"a-b": {"type": "number"}}})
    {'a__dash__b': 1.0}
    """
    if isinstance(value, dict):
        properties, more = raw.get("properties") or {}, raw.get("additionalProperties")
        if isinstance(more, Mapping):
            return {key: shown(one, more) for key, one in value.items()}
        if not properties and (raw.get(PRESERVE) or more):
            return value
        found = {escape(key): shown(one, properties[key]) for key, one in value.items() if key in properties}
        if root:
            metadata = value.get("metadata") or {}
            known = {key: metadata[key] for key in ("name", "generateName") if key in metadata}
            found |= {"apiVersion": value.get("apiVersion", ""), "kind": value.get("kind", ""), "metadata": known}
        return found
    if isinstance(value, list) and isinstance(raw.get("items"), Mapping):
        return [shown(one, raw["items"]) for one in value]
    if raw.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


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


# When the definition is written


def problems_of_schema(raw: Raw, path: str, *, root: bool = True) -> Iterator[Problem]:
    """Rules that are none, or that speak of fields that are not there."""
    for index, rule in enumerate(raw.get(RULES) or ()):
        yield from _problems_of_rule(rule, raw, f"{path}.{RULES}[{index}]", root)
    for below, where in _children(raw, path):
        yield from problems_of_schema(below, where, root=False)


def _children(raw: Raw, path: str) -> Iterator[tuple[Raw, str]]:
    for key, one in (raw.get("properties") or {}).items():
        if isinstance(one, Mapping):
            yield one, f"{path}.properties[{key}]"
    for word in ("items", "additionalProperties"):
        if isinstance(raw.get(word), Mapping):
            yield raw[word], f"{path}.{word}"


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
    if rule.get("fieldPath") and _find_field(rule["fieldPath"], raw) is None:
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
        _program(text, rule, raw, returns)
    except cel.CompileError as error:
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


def _program(text: str, rule: Mapping[str, Any], raw: Raw, returns: str) -> cel.Program:
    if rule.get("optionalOldSelf"):
        return _optional_environment().compile(_OPTIONAL.format(f"({text})"), returns)
    return _environment(raw).compile(text, returns)


def _find_field(path: str, raw: Raw) -> str | None:
    """What a fieldPath is below the path of its rule; None if it leads nowhere."""
    at: Any = raw
    out = ""
    for name, quoted in re.findall(r"\.([^.\[\]]+)|\['((?:\\.|[^'\\])*)'\]", path):
        key = name or re.sub(r"\\(.)", r"\1", quoted)
        if not isinstance(at, Mapping):
            return None
        if key in (at.get("properties") or {}):
            at, out = at["properties"][key], f"{out}.{key}"
        elif isinstance(at.get("additionalProperties"), Mapping):
            at, out = at["additionalProperties"], f"{out}[{key}]"
        else:
            return None
    return out or None


# When an object is written


def has_rules(raw: Raw) -> bool:
    return bool(raw.get(RULES)) or any(has_rules(one) for one, _ in _children(raw, ""))


def problems(value: Any, old: Any, raw: Raw, clock: Callable[[], float] = time.monotonic) -> list[Problem]:
    """What the rules say of an object; `old` None: it is new.

    >>> schema = {"type": "object", "properties": {"a": {"type": "integer"}}, RULES: [{"rule": "self.a > 1"}]}
    >>> [str(one) for one in problems({"a": 1}, None, schema)]
    [': Invalid value: "object": failed rule: self.a > 1']
    """
    walk = _Walk(clock() + SECONDS, clock)
    walk.value(value, old, raw, "", root=True)
    return walk.found


@dataclass(slots=True)
class _Walk:
    until: float
    clock: Callable[[], float]
    found: list[Problem] = field(default_factory=list)
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
            if old is not None and old == value and not transition:
                continue  # what has not changed is not refused
            if self.clock() > self.until:
                text = "validation failed due to running out of cost budget, no further validation rules will be run"
                self.found.append(p.invalid(path, _kind(raw), text))
                self.over = True
                return
            given = _optional(values) if optional else values
            self._run(rule, given, raw, path)

    def _run(self, rule: Mapping[str, Any], values: dict[str, Any], raw: Raw, path: str) -> None:
        named = str(rule.get("message") or rule["rule"]).strip()
        kind = _kind(raw)
        try:
            if _program(rule["rule"], rule, raw, "BOOL").run(values) is True:
                return
        except (cel.CompileError, cel.EvaluationError) as error:
            self.found.append(p.invalid(path, kind, _failed(error.message, named)))
            return
        where = path + (_find_field(rule["fieldPath"], raw) or "" if rule.get("fieldPath") else "")
        where = where.lstrip(".") if not path else where
        message = self._message(rule, values, raw) or str(rule.get("message") or "").strip() or f"failed rule: {named}"
        self.found.append(_problem(str(rule.get("reason") or ""), where, kind, message))

    @staticmethod
    def _message(rule: Mapping[str, Any], values: dict[str, Any], raw: Raw) -> str:
        """What the messageExpression says; "" where it fails, or says nothing that can be shown."""
        if not rule.get("messageExpression"):
            return ""
        try:
            found = _program(str(rule["messageExpression"]), rule, raw, "STRING").run(values)
        except (cel.CompileError, cel.EvaluationError):
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
