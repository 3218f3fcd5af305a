"""Schema: one type of the API, built in or of a CustomResourceDefinition, as patches and checks need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


@dataclass(slots=True, eq=False)
class Schema:
    """One type. Types may contain themselves, so these are compared by identity and never copied deep.

    type              object, array, string, integer, number, boolean, or "" (anything)
    format            int32, int64, double, byte, date-time, quantity, int-or-string, …: what the text or number means
    name              of built-in types the definition's name, such as io.k8s.api.core.v1.PodSpec
    properties        of an object with known fields
    values            of a map: the type of all its values
    items             of an array: the type of its items
    list_type         atomic (replaced whole), set, or map (items are told apart by `list_map_keys`)
    map_type          granular (each key has an owner of its own) or atomic
    patch_strategy    of strategic merge patch: merge, replace, retainKeys; empty is replace
    patch_merge_key   the field that tells items apart in a strategic merge patch (which may differ from list_map_keys)
    preserve_unknown  fields that no property names are kept
    embedded          an object with apiVersion, kind and metadata of its own (x-kubernetes-embedded-resource)
    omit_empty        Go leaves the field out when it is zero or empty (its type is no pointer)
    default           what a missing field becomes; MISSING: nothing
    raw               the schema as it was written in a CustomResourceDefinition, rules and all; empty if built in
    """

    type: str = ""
    format: str = ""
    name: str = ""
    properties: Mapping[str, Schema] = field(default_factory=dict)
    values: Schema | None = None
    items: Schema | None = None
    required: tuple[str, ...] = ()
    list_type: str = "atomic"
    list_map_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    patch_strategy: tuple[str, ...] = ()
    patch_merge_key: str = ""
    preserve_unknown: bool = False
    embedded: bool = False
    nullable: bool = False
    omit_empty: bool = False
    default: Any = MISSING
    raw: Mapping[str, Any] = field(default_factory=dict)
