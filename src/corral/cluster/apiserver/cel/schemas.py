"""What rules see of values by their schema, and which rules there are. Pure; the library is not needed for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from corral.cluster.apiserver.cel.limits import bare
from corral.model.kubernetes.schema.crd import PRESERVE

Raw = Mapping[str, Any]
RULES: Final = "x-kubernetes-validations"
_OLD: Final = re.compile(r"(?<![\w.])oldSelf\b")
_WORDS: Final = frozenset(
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while".split()
)
_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))


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


def has_rules(raw: Raw) -> bool:
    """Whether there is a rule in the schema, or below."""
    return bool(raw.get(RULES)) or any(has_rules(one) for one, _ in children(raw, ""))


def children(raw: Raw, path: str) -> Iterator[tuple[Raw, str]]:
    """The schemas below one, with their paths."""
    for key, one in (raw.get("properties") or {}).items():
        if isinstance(one, Mapping):
            yield one, f"{path}.properties[{key}]"
    for word in ("items", "additionalProperties"):
        if isinstance(raw.get(word), Mapping):
            yield raw[word], f"{path}.{word}"


def find_field(path: str, raw: Raw) -> str | None:
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
