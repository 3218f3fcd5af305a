"""The volumes of a pod. Pure."""

from __future__ import annotations

from collections.abc import Callable

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_label,
    dns_subdomain,
    each,
    label_selector,
    local_free_path,
    need,
)
from corral.model.kubernetes.kinds.core import claim_spec
from corral.model.kubernetes.kinds.core.pod_spec import sources
from corral.model.kubernetes.kinds.core.pod_spec.environment import VOLUME_FIELDS, field_ref, resource_field_ref
from corral.model.kubernetes.kinds.core.resources import read
from corral.model.kubernetes.kinds.fields import has, indexed, number, part, text
from corral.model.kubernetes.kinds.metadata import check_template
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

_ONE_TYPE = "may not specify more than 1 volume type"
_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_KEY_TYPES = ("ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096")


def check_volumes(spec: Object, path: str, pod_name: str = "") -> tuple[dict[str, Object], Problems]:
    """The volumes that are well, by name (mounts refer to them), and the problems of the others."""
    found = {text(one, "name"): one for _, one in indexed(spec, "volumes", path)}
    broken: set[str] = set()
    problems = list(_check(spec, path, pod_name, broken))
    return {name: one for name, one in found.items() if name not in broken}, iter(problems)


def _check(spec: Object, path: str, pod_name: str, broken: set[str]) -> Problems:
    seen: set[str] = set()
    created = {f"{pod_name}-{text(one, 'name')}" for _, one in indexed(spec, "volumes", path) if has(one, "ephemeral")}
    for at, volume in indexed(spec, "volumes", path):
        name = text(volume, "name")
        problems = [*_source(volume, at, pod_name), *_name(name, f"{at}.name")]
        if name in seen:
            problems.append(duplicate(f"{at}.name", name))
        elif problems:
            broken.add(name)
        else:
            seen.add(name)
        yield from problems
        claim = text(part(volume, "persistentVolumeClaim"), "claimName")
        if pod_name and claim in created:
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            yield invalid(f"{at}.persistentVolumeClaim.claimName", claim, detail)


def _name(name: str, path: str) -> Problems:
    if not name:
        yield required(path)
    else:
        yield from each(path, name, dns_label(name))


def _source(volume: Object, path: str, pod_name: str) -> Problems:
    """
    >>> [str(one) for one in _source({"name": "a", "emptyDir": {}, "secret": {"secretName": "s"}}, "v", "")]
    ['v.secret: Forbidden: may not specify more than 1 volume type']
    """
    kinds = 0
    for key, check in _CHECKS.items():
        if not isinstance(volume.get(key), dict):
            continue
        if kinds:
            yield forbidden(f"{path}.{key}", _ONE_TYPE)
        else:
            yield from check(volume[key], f"{path}.{sources.SHOWN.get(key, key)}")
        kinds += 1
    if not kinds:
        yield required(path, "must specify a volume type")
    name = f"{pod_name}-{text(volume, 'name')}"
    if has(volume, "ephemeral") and pod_name and text(volume, "name"):
        for detail in dns_subdomain(name):
            yield invalid(f"{path}.name", text(volume, "name"), f'PVC name "{name}": {detail}')


def _mode(found: Object, key: str, path: str) -> Problems:
    value = found.get(key)
    if isinstance(value, int) and not 0 <= value <= 0o777:
        yield invalid(f"{path}.{key}", value, _MODE)


def _empty_dir(found: Object, path: str) -> Problems:
    size = read(found.get("sizeLimit"))
    if size is not None and size.nanos < 0:
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _keys(found: Object, path: str) -> Problems:
    """Keys of a ConfigMap or Secret, and the files that they become."""
    for at, item in indexed(found, "items", f"{path}.items"):
        yield from need(item, at, "key", "path")
        yield from local_free_path(text(item, "path"), f"{at}.path")
        yield from _mode(item, "mode", at)


def _secret(found: Object, path: str) -> Problems:
    yield from need(found, path, "secretName")
    yield from _mode(found, "defaultMode", path)
    yield from _keys(found, path)


def _config_map(found: Object, path: str) -> Problems:
    yield from need(found, path, "name")
    yield from _mode(found, "defaultMode", path)
    yield from _keys(found, path)


def _claim(found: Object, path: str) -> Problems:
    return need(found, path, "claimName")


def _downward(found: Object, path: str) -> Problems:
    yield from _mode(found, "defaultMode", path)
    for _, item in indexed(found, "items", path):
        yield from _downward_file(item, path)


def _downward_file(item: Object, path: str) -> Problems:
    yield from need(item, path, "path")
    yield from local_free_path(text(item, "path"), f"{path}.path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if isinstance(field, dict):
        yield from field_ref(field, f"{path}.fieldRef", VOLUME_FIELDS)
        if isinstance(resource, dict):
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif isinstance(resource, dict):
        yield from resource_field_ref(resource, f"{path}.resourceFieldRef", in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(item, "mode", path)


def _projected(found: Object, path: str) -> Problems:
    yield from _mode(found, "defaultMode", path)
    taken: set[str] = set()
    for at, source in indexed(found, "sources", f"{path}.sources"):
        kinds = [key for key in _PROJECTIONS if isinstance(source.get(key), dict)]
        for key in kinds:
            yield from _PROJECTIONS[key](source[key], f"{at}.{key}", path)
            yield from _taken(source[key], key, path, taken)
        if len(kinds) > 1:
            yield forbidden(at, "may not specify more than 1 volume type per source")


def _taken(source: Object, kind: str, path: str, taken: set[str]) -> Problems:
    """No two sources may write the same file."""
    for place in _places(source, kind):
        if place and place in taken:
            value = text(source, "name") if kind in ("secret", "configMap") else place
            yield invalid(path, value, "conflicting duplicate paths")
        taken.add(place)


def _places(source: Object, kind: str) -> list[str]:
    if kind in ("secret", "configMap", "downwardAPI"):
        return [text(item, "path") for _, item in indexed(source, "items", "")]
    if kind == "clusterTrustBundle":
        return [text(source, "path")]
    return [text(source, key) for key in ("credentialBundlePath", "keyPath", "certificateChainPath")]


def _projected_keys(source: Object, at: str, path: str) -> Problems:
    yield from need(source, at, "name")
    yield from _keys(source, at)


def _projected_downward(source: Object, at: str, path: str) -> Problems:
    for _, item in indexed(source, "items", at):
        yield from _downward_file(item, at)


def _projected_token(source: Object, at: str, path: str) -> Problems:
    seconds = number(source, "expirationSeconds")
    if seconds < 600:
        yield invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > 2**32:
        yield invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    if not (where := text(source, "path")):
        yield required(f"{path}.path")
    else:
        yield from local_free_path(where, f"{path}.path")


def _projected_bundle(source: Object, at: str, path: str) -> Problems:
    named, signed = has(source, "name"), has(source, "signerName")
    if named and signed:
        yield invalid(at, source, "only one of name and signerName may be used")
    elif named:
        yield from need(source, at, "name")
        if has(source, "labelSelector"):
            detail = "labelSelector must be unset if name is specified"
            yield invalid(f"{at}.labelSelector", source["labelSelector"], detail)
    elif signed:
        yield from need(source, at, "signerName")
        yield from label_selector(source, "labelSelector", f"{at}.labelSelector")
    else:
        yield required(at, "either name or signerName must be specified")
    yield from need(source, at, "path")
    yield from local_free_path(text(source, "path"), f"{at}.path")


def _projected_certificate(source: Object, at: str, path: str) -> Problems:
    yield from need(source, at, "signerName")
    if text(source, "keyType") not in _KEY_TYPES:
        yield not_supported(f"{at}.keyType", text(source, "keyType"), _KEY_TYPES)
    if has(source, "maxExpirationSeconds") and number(source, "maxExpirationSeconds") < 3600:
        detail = "if provided, maxExpirationSeconds must be >= 3600"
        yield invalid(f"{at}.maxExpirationSeconds", number(source, "maxExpirationSeconds"), detail)
    paths = [key for key in ("credentialBundlePath", "keyPath", "certificateChainPath") if text(source, key)]
    for key in paths:
        yield from local_free_path(text(source, key), f"{at}.{key}")
    if not paths:
        yield required(at, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")


_PROJECTIONS: dict[str, Callable[[Object, str, str], Problems]] = {
    "secret": _projected_keys,
    "configMap": _projected_keys,
    "downwardAPI": _projected_downward,
    "serviceAccountToken": _projected_token,
    "clusterTrustBundle": _projected_bundle,
    "podCertificate": _projected_certificate,
}


def _ephemeral(found: Object, path: str) -> Problems:
    template = found.get("volumeClaimTemplate")
    if not isinstance(template, dict):
        yield required(f"{path}.volumeClaimTemplate")
        return
    at = f"{path}.volumeClaimTemplate"
    yield from check_template(part(template, "metadata"), f"{at}.metadata")
    yield from claim_spec.check(part(template, "spec"), f"{at}.spec")


def _image(found: Object, path: str) -> Problems:
    yield from need(found, path, "reference")
    if text(found, "pullPolicy") not in ("Always", "IfNotPresent", "Never"):
        yield not_supported(f"{path}.pullPolicy", text(found, "pullPolicy"), ("Always", "IfNotPresent", "Never"))


_CHECKS: dict[str, sources.Check] = {
    "emptyDir": _empty_dir,
    "gitRepo": sources.git_repo,
    "secret": _secret,
    "persistentVolumeClaim": _claim,
    "downwardAPI": _downward,
    "configMap": _config_map,
    **sources.SHARED,
    "projected": _projected,
    "csi": sources.csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
