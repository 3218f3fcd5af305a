"""How large what a rule speaks of can be, by its schema and by the largest request. Pure.

Follows SchemaDeclType of k8s.io/apiserver/pkg/cel/common, as `declared` does for the types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from corral.cluster.apiserver.cel.declared import with_metadata
from corral.cluster.apiserver.cel.schemas import Raw, escape
from corral.model.kubernetes.schema.crd import EMBEDDED, INT_OR_STRING

REQUEST: Final = 3 * 1024 * 1024  # bytes of the largest request
_FORMATS: Final = {"duration": (32, 3), "date": (12, 12), "date-time": (32, 21)}  # (longest, shortest) as JSON
_PLAIN: Final = {"boolean": 4, "number": 1, "integer": 1}  # the shortest as JSON


@dataclass(frozen=True, slots=True)
class Sized:
    """What one schema allows. `most`: items, entries or bytes, 0 where there is nothing to count; `least`: bytes of
    its shortest JSON. `item`: of a list or a map; `holds`: it has fields or keys."""

    most: int
    least: int
    fields: Mapping[str, Sized] = field(default_factory=dict)
    item: Sized | None = None
    text: bool = False
    holds: bool = False


KEY: Final = Sized(0, 2, text=True)  # of a map: upstream counts nothing for it


def sized(raw: Raw, *, root: bool = False) -> Sized | None:
    """None for what is not shown to rules.

    >>> found = sized({"type": "array", "items": {"type": "string", "maxLength": 10}})
    >>> found.most, found.item.most
    (1048575, 40)
    """
    if raw.get(INT_OR_STRING):
        return Sized(_longest(raw), 1)
    root = root or bool(raw.get(EMBEDDED))
    kind, more, items = raw.get("type"), raw.get("additionalProperties"), raw.get("items")
    if kind == "object" or root:
        if isinstance(more, Mapping) and not root:
            value = sized(more)
            return value and Sized(_limit(raw, "maxProperties", value.least + 6), 2, item=value, holds=True)
        return _object(raw, with_metadata(raw.get("properties") or {}) if root else raw.get("properties") or {})
    if kind == "array":
        item = sized(items) if isinstance(items, Mapping) else None
        return item and Sized(_limit(raw, "maxItems", item.least + 1), 2, item=item)
    if kind == "string":
        return _string(raw)
    return Sized(0, _PLAIN[kind]) if kind in _PLAIN else None


def cardinality(shape: Sized) -> int:
    """How often there can be one of it in a request."""
    return REQUEST // (shape.least + 1)


def _object(raw: Raw, properties: Mapping[str, Any]) -> Sized:
    found = {key: one for key, below in properties.items() if (one := sized(below))}
    needed = [key for key in raw.get("required") or () if key in found and properties[key].get("default") is None]
    least = 2 + sum(len(key) + found[key].least + 4 for key in needed)
    return Sized(0, least, {escape(key): one for key, one in found.items()}, holds=True)


def _string(raw: Raw) -> Sized:
    kind = raw.get("format") or ""
    if kind in _FORMATS:
        return Sized(*_FORMATS[kind])
    if kind == "byte":
        return Sized(_limit(raw, "maxLength", 1), 2, text=True)
    if raw.get("enum") and raw.get("maxLength") is None:
        texts = [one for one in raw["enum"] if isinstance(one, str)]
        return Sized(max((len(one.encode("utf-8", "surrogatepass")) for one in texts), default=0), 2, text=True)
    return Sized(_longest(raw), 2, text=True)


def _longest(raw: Raw) -> int:
    """In bytes; a character may have four of them."""
    most = raw.get("maxLength")
    return REQUEST - 2 if most is None else max(most, 0) * 4


def _limit(raw: Raw, name: str, least: int) -> int:
    most = raw.get(name)
    return (REQUEST - 2) // least if most is None else max(most, 0)
