"""Schemas as OpenAPI writes them, each type under its name, with the types that it mentions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from corral.model.kubernetes.resources import GroupVersionKind, Resource
from corral.model.kubernetes.schema.stable import EVERYWHERE, builtin
from corral.model.kubernetes.schema.types import MISSING, Schema

Describe = Callable[[str, str], str]
Schemas = Callable[[GroupVersionKind], Schema | None]

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_ANY_KIND, _ANY_LIST = "io.k8s.api.core.v1.ConfigMap", "io.k8s.api.core.v1.ConfigMapList"
_V2: dict[str, dict[str, Any]] = {"quantity": {"type": "string"}}
_V2["int-or-string"] = {"type": "string", "format": "int-or-string"}
_V3: dict[str, dict[str, Any]] = {"quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]}}
_V3["int-or-string"] = {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}
_PACKAGES = (
    "io.k8s.apiextensions-apiserver.pkg.apis.",
    "io.k8s.kube-aggregator.pkg.apis.",
    "io.k8s.metrics.pkg.apis.",
)
# What OpenAPI v2 cannot say of a schema of a CustomResourceDefinition; upstream leaves the same out.
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_ONLY_V3 = ("oneOf", "anyOf", "allOf", "not", "nullable", "default", "x-kubernetes-validations", "$schema")

# What is said of the fields that every object has where no other text is at hand.
_COMMON = {
    "apiVersion": "The group and version of the API in whose terms this object is written, as GROUP/VERSION.",
    "kind": "The type of this object, in CamelCase. With apiVersion it says which resource the object belongs to.",
    "metadata": "What objects of all kinds have: name, namespace, labels, annotations, owners, and their life so far.",
}
_LIST_METADATA = "What is true of the list as a whole: as of which version it is, and where its next part begins."


def undescribed(name: str, field: str) -> str:
    """No descriptions: types and fields speak for themselves."""
    return ""


class Definitions:
    """Collects the definitions that a document mentions; `made` is complete whenever `mention` has returned.

    `prefix` is that of references; `v3` says which dialect; `describe` gives the text for a type (its long name and
    "") or one of its fields.
    """

    def __init__(
        self, prefix: str, *, v3: bool, schemas: Schemas, versions: Iterable[tuple[str, str]], describe: Describe
    ):
        self.made: dict[str, dict[str, Any]] = {}
        self._prefix, self._v3, self._schemas, self._describe = prefix, v3, schemas, describe
        self._versions = tuple(versions)
        self._kinds = {name: gvk for gvk, name in builtin().data.kinds.items()}

    def mention(self, gvk: GroupVersionKind) -> dict[str, Any]:
        """A reference to a kind; what is no object's kind (Patch) included."""
        if gvk.kind == "Patch":
            self.made[_META + "Patch"] = {"type": "object"}
            return {"$ref": f"{self._prefix}{_META}Patch"}
        schema = self._schemas(gvk)
        if schema is not None and schema.name:
            return self._reference(schema)
        name = custom_name(gvk)
        if name not in self.made:
            self.made[name] = {}
            self.made[name] = self._custom(gvk, schema)
        return {"$ref": self._prefix + name}

    def _reference(self, schema: Schema) -> dict[str, Any]:
        name = schema.name
        if name not in self.made:
            self.made[name] = {}  # types mention themselves
            self.made[name] = self._definition(schema)
        return {"$ref": self._prefix + name}

    def _definition(self, schema: Schema) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if text := self._describe(schema.name, ""):
            found["description"] = text
        if schema.format.startswith("schema-or-") or (schema.preserve_unknown and not schema.type):
            return found  # any JSON
        special = (_V3 if self._v3 else _V2).get(schema.format)
        found |= special or {key: value for key, value in (("type", schema.type), ("format", schema.format)) if value}
        if schema.type == "object":
            found |= self._fields(schema)
        if gvks := self._gvks(schema.name):
            found["x-kubernetes-group-version-kind"] = gvks
        if schema.map_type == "atomic":
            found["x-kubernetes-map-type"] = "atomic"
        return found

    def _fields(self, schema: Schema) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if schema.properties:
            found["properties"] = {key: self._property(one, schema.name, key) for key, one in schema.properties.items()}
        if schema.required:
            found["required"] = list(schema.required)
        return found

    def _gvks(self, name: str) -> list[dict[str, str]]:
        short = name.removeprefix("io.k8s.apimachinery.pkg.apis.").removeprefix("io.k8s.api.")
        for prefix in _PACKAGES:
            short = short.removeprefix(prefix)
        if short in EVERYWHERE.values():
            kind = short.rpartition(".")[2]
            return [{"group": group, "kind": kind, "version": version} for group, version in self._versions]
        gvk = self._kinds.get(short)
        return [_gvk(gvk)] if gvk else []

    def _property(self, schema: Schema, owner: str, key: str) -> dict[str, Any]:
        found = self._inner(schema)
        more = _extensions(schema)
        if schema.default is not MISSING and self._v3:
            more["default"] = schema.default
        if text := self._describe(owner, key) or self._common(owner, key):
            more["description"] = text
        if more and "$ref" in found and self._v3:
            return {"allOf": [found], **more}
        return {**found, **more}

    def _common(self, owner: str, key: str) -> str:
        return common(key, listing=owner.endswith("List")) if key in _COMMON and self._gvks(owner) else ""

    def _inner(self, schema: Schema) -> dict[str, Any]:
        if schema.name:
            return self._reference(schema)
        if schema.type == "array" and schema.items:
            return {"type": "array", "items": self._inner(schema.items)}
        if schema.values:
            return {"type": "object", "additionalProperties": self._inner(schema.values)}
        return {key: value for key, value in (("type", schema.type), ("format", schema.format)) if value}

    def _with_text(self, field: dict[str, Any], key: str, *, listing: bool) -> dict[str, Any]:
        """A field that all kinds have, with what is said of it elsewhere."""
        text = self._describe(_ANY_LIST if listing else _ANY_KIND, key) or common(key, listing=listing)
        if "$ref" in field and self._v3:
            return {"allOf": [field], "description": text}
        return {**field, "description": text}

    def _custom(self, gvk: GroupVersionKind, schema: Schema | None) -> dict[str, Any]:
        """The definition of a custom kind, or of the list of it."""
        meta = "ListMeta" if schema is None else "ObjectMeta"
        metadata = self._reference(builtin().type(f"meta.v1.{meta}"))
        standard = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata}
        standard = {key: self._with_text(one, key, listing=schema is None) for key, one in standard.items()}
        if schema is None:
            item = self.mention(gvk._replace(kind=gvk.kind.removesuffix("List")))
            body: dict[str, Any] = {"type": "object", "required": ["items"]}
            body["properties"] = {**standard, "items": {"type": "array", "items": item}}
        elif not self._v3 and schema.raw.get(_PRESERVE):
            body = {"type": "object"}  # with properties, old clients would refuse all others
        else:
            raw = _embedding(dict(schema.raw) if self._v3 else _plain(schema.raw), standard, v3=self._v3)
            body = {"type": "object", **raw, "properties": {**raw.get("properties", {}), **standard}}
        return {**body, "x-kubernetes-group-version-kind": [_gvk(gvk)]}


def common(key: str, *, listing: bool) -> str:
    """Pure: what is said of a field that every object or list has.

    >>> common("kind", listing=True) == common("kind", listing=False)
    True
    >>> common("metadata", listing=True) == common("metadata", listing=False)
    False
    """
    return _LIST_METADATA if listing and key == "metadata" else _COMMON[key]


def custom_name(gvk: GroupVersionKind) -> str:
    """Pure: what the definition of a custom kind is called.

    >>> custom_name(GroupVersionKind("stable.example.com", "v1", "CronTab"))
    'com.example.stable.v1.CronTab'
    """
    return ".".join([*reversed(gvk.group.split(".")), gvk.version, gvk.kind])


def versions_of(resources: Iterable[Resource]) -> tuple[tuple[str, str], ...]:
    """Pure: the groups and versions of the resources, each once."""
    return tuple(dict.fromkeys((one.group, one.version) for one in resources))


def _gvk(gvk: GroupVersionKind) -> dict[str, str]:
    return {"group": gvk.group, "kind": gvk.kind, "version": gvk.version}


def _extensions(schema: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if schema.type == "array":
        found["x-kubernetes-list-type"] = schema.list_type
    if schema.list_map_keys:
        found["x-kubernetes-list-map-keys"] = list(schema.list_map_keys)
    if schema.map_type == "atomic" and not schema.name:
        found["x-kubernetes-map-type"] = "atomic"
    if schema.patch_strategy:
        found["x-kubernetes-patch-strategy"] = ",".join(schema.patch_strategy)
    if schema.patch_merge_key:
        found["x-kubernetes-patch-merge-key"] = schema.patch_merge_key
    return found


def _plain(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A custom schema as OpenAPI v2 can say it."""
    found = {key: value for key, value in raw.items() if key not in _ONLY_V3}
    if raw.get("nullable") or raw.get(_PRESERVE) or raw.get("x-kubernetes-int-or-string"):
        # What may be null or anything has no type in v2, or old clients would refuse it.
        for key in ("type", "properties", "items", "required"):
            found.pop(key, None)
    if isinstance(found.get("items"), dict):
        found["items"] = _plain(found["items"])
    if isinstance(found.get("additionalProperties"), dict):
        found["additionalProperties"] = _plain(found["additionalProperties"])
    if "properties" in found:
        found["properties"] = {key: _plain(one) for key, one in found["properties"].items()}
    return found


def _embedding(raw: Mapping[str, Any], standard: Mapping[str, Any], *, v3: bool) -> dict[str, Any]:
    """A custom schema in which whole objects within it have the fields of objects, too.

    >>> found = _embedding({"properties": {"a": {"x-kubernetes-embedded-resource": True}}}, {"kind": {}}, v3=True)
    >>> found["properties"]["a"]["properties"], found["properties"]["a"]["required"]
    ({'kind': {}}, ['kind', 'apiVersion'])
    """
    found = dict(raw)
    if isinstance(found.get("properties"), dict):
        found["properties"] = {key: _embedding(one, standard, v3=v3) for key, one in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _embedding(found[key], standard, v3=v3)
    if found.get(_EMBEDDED) and (v3 or not found.get(_PRESERVE)):
        found["properties"] = {**found.get("properties", {}), **standard}
        required = list(found.get("required") or ())
        found["required"] = required + [key for key in ("kind", "apiVersion") if key not in required]
    return found
