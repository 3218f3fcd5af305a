"""What type a rule's `self` has by its schema, as `cel/shapes` writes types. Pure; the library is not needed for it.

Follows SchemaDeclType of k8s.io/apiserver/pkg/cel/common: what has no type is not shown at all, and of an object that
keeps unknown fields only those are that the schema names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from corral.cluster.apiserver.cel.schemas import Raw, escape
from corral.cluster.apiserver.cel.shapes import DYN, FORMATS, PLAIN, WORD, Shapes
from corral.model.kubernetes.schema.crd import EMBEDDED, INT_OR_STRING

SELF: Final = "selfType"
_TEXT: Final = {"type": "string"}
_METADATA: Final = {"type": "object", "properties": {"name": _TEXT, "generateName": _TEXT}}
_ROOT: Final = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA}


def declared(raw: Raw, into: Shapes, name: str = SELF, *, root: bool = False) -> str:
    """The type of a schema, "" where it is not shown; the shapes that it needs are added to `into`.

    >>> found: Shapes = {}
    >>> schema = {"type": "object", "properties": {"a-b": {"type": "integer"}, "any": {}, "o": {"type": "object"}}}
    >>> declared(schema, found)
    'object selfType'
    >>> found
    {'selfType': {'a__dash__b': 'int', 'o': 'object selfType.o'}, 'selfType.o': {}}
    """
    if raw.get(INT_OR_STRING):
        return DYN
    root = root or bool(raw.get(EMBEDDED))
    kind, more, items = raw.get("type"), raw.get("additionalProperties"), raw.get("items")
    if kind == "object" or root:
        if isinstance(more, Mapping) and not root:
            value = declared(more, into, f"{name}.value")
            return f"map {value}" if value else ""
        properties = raw.get("properties") or {}
        _object(with_metadata(properties) if root else properties, into, name)
        return f"object {name}"
    if kind == "array":
        item = declared(items, into, f"{name}.item") if isinstance(items, Mapping) else ""
        return f"list {item}" if item else ""
    if kind == "string":
        return FORMATS.get(raw.get("format") or "", "string")
    return PLAIN.get(kind or "", "")


def with_metadata(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What a whole object shows besides what its schema names."""
    return {**properties, **_ROOT}


def _object(properties: Mapping[str, Any], into: Shapes, name: str) -> None:
    fields = into[name] = {}
    for key, below in properties.items():
        field = escape(key)
        if WORD.fullmatch(field) and (found := declared(below, into, f"{name}.{field}")):
            fields[field] = found
