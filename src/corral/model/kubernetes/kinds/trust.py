"""ClusterTrustBundle and PodCertificateRequest, of the group certificates.k8s.io; StorageVersionMigration. Pure."""

from __future__ import annotations

import re

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import NONE, at, column
from corral.model.kubernetes.kinds.certificates import signer_name
from corral.model.kubernetes.kinds.checks import Problems, dns_subdomain, each, immutable, listed
from corral.model.kubernetes.kinds.fields import ensure, fill, metadata, number, objects, part, text
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import invalid, required
from corral.model.kubernetes.status import qualified

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)
_LONGEST = 91 * 24 * 3600
_LONGEST_OWN = 24 * 3600
_OWN = "kubernetes.io/"


def _bundle(obj: Object) -> Problems:
    """A bundle of a signer is called after it, with colons for slashes."""
    spec, name = part(obj, "spec"), text(metadata(obj), "name")
    signer = text(spec, "signerName")
    if signer:
        yield from signer_name(signer, "spec.signerName")
        prefix = signer.replace("/", ":") + ":"
        if not name.startswith(prefix):
            detail = f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"
            yield invalid("metadata.name", name, detail)
    elif ":" in name:
        yield invalid("metadata.name", name, 'ClusterTrustBundle without signer name must not have ":" in its name')
    else:
        yield from each("metadata.name", name, dns_subdomain(name))
    if not _CERTIFICATE.search(text(spec, "trustBundle")):
        yield invalid("spec.trustBundle", "<value omitted>", "at least one trust anchor must be provided")


CLUSTER_TRUST_BUNDLE = Kind(
    validate=listed(_bundle),
    validate_update=listed(lambda new, old: immutable(part(new, "spec"), part(old, "spec"), "spec", "signerName")),
    validate_name=names.path_segment,
    has_generation=False,
    columns=(column("SignerName", lambda obj: text(part(obj, "spec"), "signerName") or NONE),),
    fields={"spec.signerName": lambda obj: text(part(obj, "spec"), "signerName")},
    allow_unconditional_update=False,
)


def _default_request(obj: Object) -> None:
    fill(ensure(obj, "spec"), "maxExpirationSeconds", _LONGEST_OWN)
    ensure_status(obj)


def _request(obj: Object) -> Problems:
    """
    >>> spec = {"signerName": "example.com/a", "maxExpirationSeconds": 60}
    >>> [str(one) for one in _request({"spec": spec})][-1]
    'spec.maxExpirationSeconds: Invalid value: 60: must be in the range [3600, 7862400]'
    """
    spec = part(obj, "spec")
    yield from signer_name(text(spec, "signerName"), "spec.signerName")
    for key in ("podName", "serviceAccountName", "nodeName"):
        yield from each(f"spec.{key}", text(spec, key), dns_subdomain(text(spec, key)))
    for key in ("podUID", "serviceAccountUID", "nodeUID"):
        if not text(spec, key):
            yield required(f"spec.{key}", "must not be empty")
        elif len(text(spec, key)) > 128:
            yield invalid(f"spec.{key}", text(spec, key), "must be no more than 128 characters")
    seconds = number(spec, "maxExpirationSeconds")
    most = _LONGEST_OWN if text(spec, "signerName").startswith(_OWN) else _LONGEST
    if not 3600 <= seconds <= most:
        yield invalid("spec.maxExpirationSeconds", seconds, f"must be in the range [3600, {most}]")


def _state(obj: Object) -> str:
    found = [text(one, "type") for one in objects(part(obj, "status"), "conditions")]
    return next((one for one in reversed(found) if one in ("Issued", "Denied", "Failed")), "Pending")


POD_CERTIFICATE_REQUEST = Kind(
    default=_default_request,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_request),
    validate_update=listed(lambda new, old: immutable(new, old, "", "spec")),
    has_status=True,
    has_generation=False,
    columns=(
        column("PodName", at("spec", "podName")),
        column("ServiceAccountName", at("spec", "serviceAccountName")),
        column("NodeName", at("spec", "nodeName")),
        column("SignerName", at("spec", "signerName")),
        column("State", _state),
    ),
    fields={
        "spec.signerName": lambda obj: text(part(obj, "spec"), "signerName"),
        "spec.podName": lambda obj: text(part(obj, "spec"), "podName"),
        "spec.nodeName": lambda obj: text(part(obj, "spec"), "nodeName"),
    },
    allow_unconditional_update=False,
)


def _migration(obj: Object) -> Problems:
    resource = part(obj, "spec", "resource")
    if not (name := text(resource, "resource")):
        yield required("spec.resource.resource", "resource is required")
    else:
        yield from each("spec.resource.resource", name, names.path_segment(name))
    if group := text(resource, "group"):
        yield from each("spec.resource.group", group, dns_subdomain(group))


def _migrated(obj: Object) -> str:
    resource = part(obj, "spec", "resource")
    return qualified(text(resource, "resource"), text(resource, "group"))


STORAGE_VERSION_MIGRATION = Kind(
    default=ensure_status,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_migration),
    validate_update=listed(lambda new, old: immutable(new, old, "", "spec")),
    has_status=True,
    columns=(column("Resource", _migrated),),
    allow_unconditional_update=False,
)
