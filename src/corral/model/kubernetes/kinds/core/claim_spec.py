"""The spec of a PersistentVolumeClaim, which ephemeral volumes and StatefulSets have templates of. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, dns_label, dns_subdomain, each, label_selector, optional_of
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.fields import has, part, same, text, texts
from corral.model.kubernetes.problems import forbidden, invalid, not_supported, required

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def check(spec: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in check({"accessModes": ["ReadWriteOnce"]}, "spec")]
    ['spec.resources[storage]: Required value']
    """
    modes = texts(spec, "accessModes")
    if not modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    yield from label_selector(spec, "selector", f"{path}.selector")
    yield from check_access_modes(modes, f"{path}.accessModes")
    yield from _size(spec, f"{path}.resources[storage]")
    for key in ("storageClassName", "volumeAttributesClassName"):
        if value := text(spec, key):
            yield from each(f"{path}.{key}", value, dns_subdomain(value))
    yield from optional_of(spec, "volumeMode", path, VOLUME_MODES)
    for key in ("dataSource", "dataSourceRef"):
        if isinstance(spec.get(key), dict):
            yield from _data_source(spec[key], f"{path}.{key}")
    yield from _both_sources(spec, path)


def check_access_modes(modes: Sequence[str], path: str) -> Problems:
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield not_supported(path, mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and any(one in ACCESS_MODES and one != "ReadWriteOncePod" for one in modes):
        yield forbidden(path, "may not use ReadWriteOncePod with other access modes")


def _size(spec: Object, path: str) -> Problems:
    amount = resources.read(part(spec, "resources", "requests").get("storage"))
    if "storage" not in part(spec, "resources", "requests") or amount is None:
        yield required(path)
    else:
        yield from resources.positive_amount(amount, path)


def _data_source(found: Object, path: str) -> Problems:
    group, kind, namespace = text(found, "apiGroup"), text(found, "kind"), text(found, "namespace")
    for key in ("name", "kind"):
        if not text(found, key):
            yield required(f"{path}.{key}")
    if not group and kind != "PersistentVolumeClaim":
        yield invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    if group:
        yield from each(f"{path}.apiGroup", group, dns_subdomain(group))
    if namespace:
        yield from each(f"{path}.namespace", namespace, dns_label(namespace))


def _both_sources(spec: Object, path: str) -> Problems:
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    if not isinstance(source, dict) or not isinstance(ref, dict):
        return
    at = f"{path}.dataSource"
    if text(ref, "namespace"):
        yield invalid(path, at, "may not be specified when dataSourceRef.namespace is specified")
    elif not all(same(source.get(key), ref.get(key), key) for key in ("apiGroup", "kind", "name")):
        yield invalid(path, at, "must match dataSourceRef")


def default_sources(spec: Object) -> None:
    """In place: the old and the new field for a source say the same, unless the new one names another namespace."""
    source, ref = spec.get("dataSource"), spec.get("dataSourceRef")
    if isinstance(source, dict) and not has(spec, "dataSourceRef"):
        spec["dataSourceRef"] = dict(source)
    elif isinstance(ref, dict) and not has(spec, "dataSource") and not text(ref, "namespace"):
        spec["dataSource"] = {key: value for key, value in ref.items() if key != "namespace"}
