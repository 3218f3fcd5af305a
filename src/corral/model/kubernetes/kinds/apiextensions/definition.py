"""CustomResourceDefinition: its defaults and rules. Pure. Follows k8s.io/apiextensions-apiserver.

What depends on other definitions (are the names taken?) and on a compiler (are the rules in the schema well?) is
decided in the API server.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from corral.model.kubernetes import jsonpath, names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.admission.webhooks import webhook_service, webhook_url
from corral.model.kubernetes.kinds.cells import CREATED_AT
from corral.model.kubernetes.kinds.checks import Problems, each, immutable, listed
from corral.model.kubernetes.kinds.fields import (
    annotations_of,
    ensure,
    fill,
    fill_empty,
    flag,
    indexed,
    metadata,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.kinds.statuses import keep_spec, keep_status
from corral.model.kubernetes.problems import OMITTED, forbidden, invalid, not_supported, required
from corral.model.kubernetes.schema import structural

FINALIZER: Final = "customresourcecleanup.apiextensions.k8s.io"
APPROVAL: Final = "api-approved.kubernetes.io"
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
# What upstream keeps once when all versions agree on it.
_SHARED: Final = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")


def storage_version(spec: Object) -> str:
    """
    >>> storage_version({"versions": [{"name": "v1"}, {"name": "v2", "storage": True}]})
    'v2'
    """
    return next((text(one, "name") for one in objects(spec, "versions") if flag(one, "storage")), "")


def has_condition(obj: Object, name: str) -> bool:
    found = objects(part(obj, "status"), "conditions")
    return any(text(one, "type") == name and text(one, "status") == "True" for one in found)


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    found = ensure(spec, "names")
    kind = text(found, "kind")
    fill_empty(found, "singular", kind.lower())
    if kind:
        fill_empty(found, "listKind", f"{kind}List")
    fill_empty(ensure(spec, "conversion"), "strategy", "None")
    service = part(spec, "conversion", "webhook", "clientConfig").get("service")
    if isinstance(service, dict):
        fill(service, "port", 443)


def _prepare_create(obj: Object) -> None:
    """A new definition has no names yet, and is not gone before its objects are."""
    spec = part(obj, "spec")
    obj["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
    if stored := storage_version(spec):
        obj["status"]["storedVersions"] = [stored]
    finalizers = obj.setdefault("metadata", {}).setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def _prepare_update(new: Object, old: Object) -> None:
    keep_status(new, old)
    stored = storage_version(part(new, "spec"))
    status = new.get("status")
    if stored and isinstance(status, dict) and stored not in texts(status, "storedVersions"):
        new["status"] = {**status, "storedVersions": [*texts(status, "storedVersions"), stored]}


def _validate(obj: Object) -> Problems:
    spec = part(obj, "spec")
    plural, group = text(part(spec, "names"), "plural"), text(spec, "group")
    name = text(metadata(obj), "name")
    if name != f"{plural}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _approval(obj, group)
    if not group:
        yield required("spec.group")
    else:
        yield from each("spec.group", group, names.dns_subdomain(group))
        if "." not in group:
            yield invalid("spec.group", group, "should be a domain with at least one dot")
    scope = text(spec, "scope")
    if not scope:
        yield required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    yield from _versions(spec)
    yield from _names(part(spec, "names"), "spec.names")
    yield from _conversion(spec)
    if flag(spec, "preserveUnknownFields"):
        detail = "must be false in order to use defaults in the schema" if _has_default(spec) else "must be false"
        yield invalid("spec.preserveUnknownFields", True, detail)
    yield from _stored_versions(obj)


def _has_default(spec: Object) -> bool:
    return any('"default"' in str(one) or "'default'" in str(one) for one in objects(spec, "versions"))


def _approval(obj: Object, group: str) -> Problems:
    """Groups of Kubernetes itself are for what has been approved."""
    if not group.endswith((".k8s.io", ".kubernetes.io")):
        return
    value = text(annotations_of(obj), APPROVAL)
    where = f"metadata.annotations[{APPROVAL}]"
    if not value:
        see = "https://github.com/kubernetes/enhancements/pull/1111"
        yield required(where, f'protected groups must have approval annotation "{APPROVAL}", see {see}')
    elif not value.startswith(("https://", "http://", "unapproved")):
        detail = (
            f'protected groups must have approval annotation "{APPROVAL}" with either a URL or a reason starting '
            'with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111'
        )
        yield invalid(where, value, detail)


def _versions(spec: Object) -> Problems:
    versions = objects(spec, "versions")
    if not versions:
        yield required("spec.versions", "must have at least one version")
        return
    seen: set[str] = set()
    shared = {key for key in _SHARED if is_shared(versions, key)}
    for path, one in indexed(spec, "versions", "spec.versions"):
        name = text(one, "name")
        if name in seen:
            yield invalid("spec.versions", OMITTED, "must contain unique version names")
        seen.add(name)
        yield from each(f"{path}.name", name, names.dns_1035_label(name))
        schema = part(one, "schema").get("openAPIV3Schema")
        if not isinstance(schema, dict):
            yield required(f"{path}.schema.openAPIV3Schema", "schemas are required")
        if text(one, "deprecationWarning") and not flag(one, "deprecated"):
            detail = "can only be set for deprecated versions"
            yield invalid(f"{path}.deprecationWarning", one["deprecationWarning"], detail)
        yield from _about(one, f"{path}.", set(_SHARED) - shared)
    yield from _about(versions[0], "spec.", shared)
    if sum(flag(one, "storage") for one in versions) != 1:
        yield invalid("spec.versions", OMITTED, "must have exactly one version marked as storage version")


def is_shared(versions: Sequence[Object], key: str) -> bool:
    """Pure: whether all versions say the same of it. Then what is wrong with it is said once, of the whole.

    >>> is_shared([{"name": "v1", "schema": {"a": 1}}, {"name": "v2", "schema": {"a": 1}}], "schema")
    True
    """
    return all(one.get(key) == versions[0].get(key) for one in versions)


def schema_path(versions: Sequence[Object], index: int) -> str:
    """Pure: where the schema of a version is, as problems name it.

    >>> schema_path([{"schema": {"a": 1}}, {"schema": {"a": 2}}], 1), schema_path([{"schema": {"a": 1}}], 0)
    ('spec.versions[1].schema.openAPIV3Schema', 'spec.validation.openAPIV3Schema')
    """
    return f"{'spec.validation' if is_shared(versions, 'schema') else f'spec.versions[{index}].schema'}.openAPIV3Schema"


def _about(version: Object, prefix: str, keys: Collection[str]) -> Problems:
    """What is wrong with these of the things that versions may share."""
    schema = part(version, "schema").get("openAPIV3Schema")
    if "schema" in keys and isinstance(schema, dict):
        whole = "validation" if prefix == "spec." else "schema"
        yield from structural.problems(schema, f"{prefix}{whole}.openAPIV3Schema")
    scale = part(version, "subresources").get("scale")
    if "subresources" in keys and isinstance(scale, dict):
        yield from _scale(scale, f"{prefix}subresources.scale")
    if "additionalPrinterColumns" in keys:
        for at, column in indexed(version, "additionalPrinterColumns", f"{prefix}additionalPrinterColumns"):
            yield from _column(column, at)
    if "selectableFields" in keys:
        for at, field in indexed(version, "selectableFields", f"{prefix}selectableFields"):
            yield from _selectable(field, schema if isinstance(schema, dict) else {}, at)


def _scale(scale: Object, path: str) -> Problems:
    for key, starts, must in (
        ("specReplicasPath", (".spec.",), True),
        ("statusReplicasPath", (".status.",), True),
        ("labelSelectorPath", (".status.", ".spec."), False),
    ):
        value = text(scale, key)
        if not value:
            if must:
                yield required(f"{path}.{key}")
        elif not value.startswith(starts):
            shown = starts[0] if must else "either .status or .spec"
            detail = f"should be a json path under {shown.rstrip('.')}"
            yield invalid(f"{path}.{key}", value, detail)
        elif "[" in value:
            yield invalid(f"{path}.{key}", value, "cannot have arrays in the path")


def _column(column: Object, path: str) -> Problems:
    if not text(column, "name"):
        yield required(f"{path}.name")
    kind, form = text(column, "type"), text(column, "format")
    if not kind:
        yield required(f"{path}.type", f"must be one of {','.join(_COLUMN_TYPES)}")
    elif kind not in _COLUMN_TYPES:
        yield invalid(f"{path}.type", kind, f"must be one of {','.join(_COLUMN_TYPES)}")
    if form and form not in _COLUMN_FORMATS:
        yield invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}")
    where = text(column, "jsonPath")
    if not where:
        yield required(f"{path}.jsonPath")
        return
    if problem := path_problem(where):
        yield invalid(f"{path}.jsonPath", where, problem)


def path_problem(where: str) -> str:
    """Pure: why a text is no path of a column; "" if it is one.

    >>> path_problem(".spec.size"), path_problem("spec")
    ('', "is an invalid path: unrecognized character in action: 'spec'")
    """
    try:
        jsonpath.compile(where)
    except jsonpath.BadPath as error:
        return f"is an invalid path: {error.message}"
    return ""


def _selectable(field: Object, schema: Object, path: str) -> Problems:
    where = text(field, "jsonPath")
    if not where:
        yield required(f"{path}.jsonPath")
        return
    found: Any = schema
    for key in where.lstrip(".").split("."):
        found = part(found, "properties").get(key) if isinstance(found, dict) else None
    if not where.startswith(".") or "[" in where:
        yield invalid(f"{path}.jsonPath", where, "is an invalid path: only simple paths of fields are allowed")
    elif not isinstance(found, dict):
        yield invalid(f"{path}.jsonPath", where, "is an invalid path: does not refer to a valid field")
    elif where.startswith(".metadata."):
        yield invalid(f"{path}.jsonPath", where, "must not point to fields in metadata")
    elif found.get("type") not in ("string", "integer", "boolean"):
        detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats"
        yield invalid(f"{path}.jsonPath", where, f"{detail} are allowed.")


def _names(found: Object, path: str) -> Problems:
    plural, singular, kind, list_kind = (text(found, key) for key in ("plural", "singular", "kind", "listKind"))
    yield from each(f"{path}.plural", plural, names.dns_1035_label(plural))
    if singular:
        yield from each(f"{path}.singular", singular, names.dns_1035_label(singular))
    for key, value in (("kind", kind), ("listKind", list_kind)):
        if not value:
            yield required(f"{path}.{key}")
        else:
            for detail in names.dns_1035_label(value.lower()):
                yield invalid(f"{path}.{key}", value, f"may have mixed case, but should otherwise match: {detail}")
    if kind and kind == list_kind:
        yield invalid(f"{path}.listKind", list_kind, "kind and listKind may not be the same")
    for key in ("shortNames", "categories"):
        for index, value in enumerate(texts(found, key)):
            yield from each(f"{path}.{key}[{index}]", value, names.dns_1035_label(value))


def _conversion(spec: Object) -> Problems:
    conversion, path = part(spec, "conversion"), "spec.conversion"
    strategy, webhook = text(conversion, "strategy"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        yield not_supported(f"{path}.strategy", strategy, ("None", "Webhook"))
    elif strategy == "None":
        if webhook is not None:
            yield forbidden(f"{path}.webhook", "should not be set when strategy is not set to Webhook")
    elif not isinstance(webhook, dict):
        detail = "required when strategy is set to Webhook"
        yield required(f"{path}.webhook.clientConfig", detail)
    else:
        yield from _webhook(webhook, f"{path}.webhook")


def _webhook(webhook: Object, path: str) -> Problems:
    config = webhook.get("clientConfig")
    if not isinstance(config, dict):
        yield required(f"{path}.clientConfig", "required when strategy is set to Webhook")
    elif (config.get("url") is None) == (config.get("service") is None):
        yield required(f"{path}.clientConfig", "exactly one of url or service is required")
    elif isinstance(config.get("url"), str):
        yield from webhook_url(config["url"], f"{path}.clientConfig.url")
    else:
        yield from webhook_service(part(config, "service"), f"{path}.clientConfig.service")
    versions = texts(webhook, "conversionReviewVersions")
    where = f"{path}.conversionReviewVersions"
    if not versions:
        yield required(where)
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(f"{where}[{index}]", version, "duplicate version")
        yield from each(f"{where}[{index}]", version, names.dns_1035_label(version))
    if versions and not {"v1", "v1beta1"} & set(versions):
        yield invalid(where, versions, "must include at least one of v1, v1beta1")


def _stored_versions(obj: Object) -> Problems:
    """What the store may still hold must stay a version."""
    status = obj.get("status")
    if not isinstance(status, dict):
        return
    spec, stored = part(obj, "spec"), texts(status, "storedVersions")
    known = [text(one, "name") for one in objects(spec, "versions")]
    for index, version in enumerate(stored):
        if version not in known:
            missing = f"missing from spec.versions; {version} was previously a storage version, and must remain in"
            detail = f"{missing} spec.versions until a storage migration ensures no data remains persisted in {version}"
            yield invalid(
                f"status.storedVersions[{index}]", version, f"{detail} and removes {version} from status.storedVersions"
            )
    if stored and (wanted := storage_version(spec)) and wanted not in stored:
        yield invalid("status.storedVersions", stored, f"must have the storage version {wanted}")


def _validate_update(new: Object, old: Object) -> Problems:
    yield from immutable(part(new, "spec"), part(old, "spec"), "spec", "group")
    yield from immutable(part(new, "spec", "names"), part(old, "spec", "names"), "spec.names", "plural")
    if has_condition(old, "Established"):
        yield from immutable(part(new, "spec"), part(old, "spec"), "spec", "scope")
        yield from immutable(part(new, "spec", "names"), part(old, "spec", "names"), "spec.names", "kind")


def _validate_status(new: Object, old: Object) -> Problems:
    yield from _stored_versions(new)


CUSTOM_RESOURCE_DEFINITION = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    has_status=True,
    columns=(CREATED_AT,),
    allow_unconditional_update=False,
)
