"""A CustomResourceDefinition as resources that the registry serves, one for each version. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.apiserver.cel.schemas import has_rules
from corral.cluster.apiserver.extensions.columns import columns_of
from corral.cluster.apiserver.extensions.versions import has_defaults
from corral.cluster.apiserver.registry import Convert, Judge, ScalePaths, Served
from corral.model.kubernetes.discovery import version_order
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.apiextensions.definition import has_condition, storage_version
from corral.model.kubernetes.kinds.fields import flag, is_new, objects, part, text, texts
from corral.model.kubernetes.problems import Problem
from corral.model.kubernetes.resources import VERBS, GroupVersionKind, Resource, Subresource
from corral.model.kubernetes.schema import Schema
from corral.model.kubernetes.schema.crd import from_structural, with_defaults
from corral.model.kubernetes.schema.values import validate

SCALE: Final = GroupVersionKind("autoscaling", "v1", "Scale")
_SUB_VERBS: Final = ("get", "patch", "update")
_ENDING: Final = ("delete", "deletecollection", "get", "list", "patch", "update", "watch")


class Converter(Protocol):
    """Between the versions of a definition that differ in more than their name. Objects get the defaults of theirs."""

    def convert(self, obj: Object, wanted: str) -> Object:
        """The object in the version of this apiVersion."""
        ...

    def bare(self, obj: Object, wanted: str) -> Object:
        """The same without defaults."""
        ...

    async def warm(self, objects: Iterable[Object], wanted: str) -> None:
        """Makes sure that these can be converted without waiting."""
        ...


def is_served(definition: Object) -> bool:
    return has_condition(definition, "Established")


def served_of(
    definition: Object, converter: Converter | None = None, expressions: Expressions | None = None
) -> list[Served]:
    """Pure but for what is given: what is served of a definition; nothing before its names are accepted.

    `converter`: None when versions differ in their name alone. `expressions` runs rules; None: there are none to run.
    """
    if not is_served(definition):
        return []
    versions = objects(part(definition, "spec"), "versions")
    return [_served(definition, one, converter, expressions) for one in versions if flag(one, "served")]


def _served(
    definition: Object, version: Object, converter: Converter | None, expressions: Expressions | None
) -> Served:
    spec = part(definition, "spec")
    group, name = text(spec, "group"), text(version, "name")
    resource = _resource(definition, version)
    raw = part(version, "schema", "openAPIV3Schema")
    schema = from_structural(raw)
    stored = GroupVersionKind(group, storage_version(spec), resource.kind)
    to_stored, from_stored = _conversions(converter, resource.api_version, stored.api_version, schema)
    own = from_stored if converter and name != stored.version else None
    # Bytes are kept with objects under this key: another definition must not find those of the last.
    key = f"{resource.api_version} {definition['metadata'].get('resourceVersion', '')}"
    made = Served(
        resource,
        _kind(version, raw, schema, own, from_stored, deprecation(spec, version)),
        schema,
        stored,
        to_stored=to_stored,
        from_stored=from_stored,
        custom=True,
        scale=_scale(version),
        to_current=(lambda obj: converter.convert(obj, stored.api_version)) if converter is not None else None,
        bare=converter.bare if converter is not None else None,
        warm=converter.warm if converter is not None else None,
        judge=_judge(f"{resource.plural}.{key}", raw, own, expressions) if expressions and has_rules(raw) else None,
    )
    made.plain.key = key
    return made


def _judge(key: str, raw: Object, own: Convert | None, expressions: Expressions) -> Judge:
    """Rules see objects in the version that is asked for, whichever is stored."""

    async def judge(new: Object, old: Object | None) -> tuple[Sequence[Problem], Sequence[Problem]]:
        shown = own(new) if own is not None else new
        before = own(old) if own is not None and old is not None else old
        return await expressions.judge(key, raw, shown, before)

    return judge


def _resource(definition: Object, version: Object) -> Resource:
    spec, names = part(definition, "spec"), part(definition, "status", "acceptedNames")
    group, kind = text(spec, "group"), text(names, "kind")
    own = GroupVersionKind(group, text(version, "name"), kind)
    subresources = []
    if isinstance(part(version, "subresources").get("status"), dict):
        subresources.append(Subresource("status", own, _SUB_VERBS))
    if isinstance(part(version, "subresources").get("scale"), dict):
        subresources.append(Subresource("scale", SCALE, _SUB_VERBS))
    ending = bool(definition["metadata"].get("deletionTimestamp"))
    return Resource(
        group,
        text(version, "name"),
        text(names, "plural"),
        text(names, "singular") or kind.lower(),
        kind,
        text(names, "listKind") or f"{kind}List",
        text(spec, "scope") == "Namespaced",
        verbs=_ENDING if ending else VERBS,
        short_names=tuple(texts(names, "shortNames")),
        categories=tuple(texts(names, "categories")),
        subresources=tuple(subresources),
    )


def _scale(version: Object) -> ScalePaths | None:
    found = part(version, "subresources").get("scale")
    if not isinstance(found, dict):
        return None
    paths = (text(found, key) for key in ("specReplicasPath", "statusReplicasPath", "labelSelectorPath"))
    return ScalePaths(*(one.lstrip(".") for one in paths))


def _conversions(
    converter: Converter | None, own: str, stored: str, schema: Schema
) -> tuple[Convert | None, Convert | None]:
    """Both ways. What is read back gets the defaults that came into the schema after it was written."""
    if converter is None:
        return None, _defaulter(schema)
    given: Converter = converter
    return lambda obj: given.convert({**obj, "apiVersion": own}, stored), lambda obj: given.convert(obj, own)


def _defaulter(schema: Schema) -> Convert | None:
    if not has_defaults(schema):
        return None

    def fill(obj: Object) -> Object:
        found: Object = with_defaults(obj, schema)
        return found

    return fill


def _kind(
    version: Object,
    raw: Object,
    schema: Schema,
    own: Convert | None,
    from_stored: Convert | None,
    deprecated: str,
) -> Kind:
    """Rules are those of the version that is asked for, whichever is stored: `own` converts to it (None: it is stored).

    Fields are looked at in objects that may be stored in any version.
    """

    def shown(obj: Object) -> Object:
        return own(obj) if own is not None else obj

    def default(obj: Object) -> None:
        if own is None:
            found = with_defaults(obj, schema)
            obj.update((key, value) for key, value in found.items() if key != "metadata")

    def check(obj: Object) -> Sequence[Problem]:
        """New objects; changes are checked with what was there before."""
        return problems_of(shown(obj), None, raw) if is_new(obj) else ()

    def check_change(new: Object, old: Object) -> Sequence[Problem]:
        return problems_of(shown(new), shown(old), raw)

    has_status = isinstance(part(version, "subresources").get("status"), dict)
    return Kind(
        default=default,
        validate=check,
        validate_update=check_change,
        validate_status=check_change,
        deprecated=deprecated,
        has_status=has_status,
        columns=columns_of(objects(version, "additionalPrinterColumns")),
        fields={one.lstrip("."): _field(one, from_stored) for one in _selectable(version)},
        allow_unconditional_update=False,
    )


def deprecation(spec: Object, version: Object) -> str:
    """Pure: what who uses this version is warned of, if anything.

    >>> old, new = {"name": "v1beta1", "served": True, "deprecated": True}, {"name": "v1", "served": True}
    >>> spec = {"group": "a.b", "names": {"kind": "Cow"}, "versions": [old, new]}
    >>> deprecation(spec, old), deprecation(spec, new)
    ('a.b/v1beta1 Cow is deprecated; use a.b/v1 Cow', '')
    >>> deprecation(spec, {**old, "deprecationWarning": "cows are out"})
    'cows are out'
    """
    if not flag(version, "deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return text(version, "deprecationWarning")
    group, kind, name = text(spec, "group"), text(part(spec, "names"), "kind"), text(version, "name")
    fine = [one for one in objects(spec, "versions") if flag(one, "served") and not flag(one, "deprecated")]
    better = [one for one in (text(each, "name") for each in fine) if version_order(one) < version_order(name)]
    says = f"{group}/{name} {kind} is deprecated"
    return f"{says}; use {group}/{min(better, key=version_order)} {kind}" if better else says


def problems_of(new: Object, old: Object | None, raw: Object) -> list[Problem]:
    """Pure: what is wrong with an object, but for what was wrong already and has not changed.

    >>> raw = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 3}, "b": {"type": "string"}}}
    >>> [one.field for one in problems_of({"a": 5}, None, raw)]
    ['a']
    >>> problems_of({"a": 5, "b": "x"}, {"a": 5}, raw)
    []
    """
    found = validate(new, raw)
    if found and old is not None:
        known = {str(one) for one in validate(old, raw)}
        found = [one for one in found if str(one) not in known]
    return found


def _selectable(version: Object) -> list[str]:
    return [text(one, "jsonPath") for one in objects(version, "selectableFields")]


def _field(path: str, convert: Convert | None) -> Callable[[Object], str]:
    keys = path.lstrip(".").split(".")

    def get(obj: Object) -> str:
        found: Any = convert(obj) if convert is not None else obj
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return ("true" if found else "false") if isinstance(found, bool) else "" if found is None else str(found)

    return get
