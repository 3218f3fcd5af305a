"""Reviews, which are questions: created, answered, and never stored. Pure. Groups authentication and authorization."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.checks import Problems, listed
from corral.model.kubernetes.kinds.fields import has, number, part, text, texts
from corral.model.kubernetes.kinds.statuses import clear_status
from corral.model.kubernetes.problems import invalid, required

_ONE = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


def _attributes(obj: Object) -> Problems:
    """
    >>> [str(one) for one in _attributes({"spec": {}})][0][:60]
    'spec.resourceAttributes: Invalid value: null: exactly one of'
    """
    spec = part(obj, "spec")
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        yield invalid("spec.nonResourceAttributes", path, "cannot be specified in combination with resourceAttributes")
    if resource is None and path is None:
        yield invalid("spec.resourceAttributes", resource, _ONE)


def _access(obj: Object) -> Problems:
    yield from _attributes(obj)
    spec = part(obj, "spec")
    if not text(spec, "user") and not texts(spec, "groups"):
        yield invalid("spec.user", text(spec, "user"), "at least one of user or group must be specified")


def _local_access(obj: Object) -> Problems:
    yield from _access(obj)
    spec, space = part(obj, "spec"), text(part(obj, "metadata"), "namespace")
    found = part(spec, "resourceAttributes")
    if has(spec, "resourceAttributes") and text(found, "namespace") != space:
        detail = "must match metadata.namespace"
        yield invalid("spec.resourceAttributes.namespace", text(found, "namespace"), detail)
    if has(spec, "nonResourceAttributes"):
        detail = "disallowed on this kind of request"
        yield invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"], detail)


def _token_request(obj: Object) -> Problems:
    """What a service account's subresource token is asked for."""
    spec = part(obj, "spec")
    seconds = number(spec, "expirationSeconds") if has(spec, "expirationSeconds") else 3600
    if seconds < 600:
        yield invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > 2**32:
        yield invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")


def _default_token(obj: Object) -> None:
    spec = part(obj, "spec")
    if spec.get("expirationSeconds") is None:
        obj["spec"] = {**spec, "expirationSeconds": 3600}


def _rules(obj: Object) -> Problems:
    if not text(part(obj, "spec"), "namespace"):
        yield required("spec.namespace", "no namespace on request")


ACCESS_REVIEW = Kind(prepare_create=clear_status, validate=listed(_access), has_generation=False)
LOCAL_ACCESS_REVIEW = Kind(prepare_create=clear_status, validate=listed(_local_access), has_generation=False)
SELF_ACCESS_REVIEW = Kind(prepare_create=clear_status, validate=listed(_attributes), has_generation=False)
SELF_RULES_REVIEW = Kind(prepare_create=clear_status, validate=listed(_rules), has_generation=False)
SELF_SUBJECT_REVIEW = Kind(prepare_create=clear_status, has_generation=False)
TOKEN_REVIEW = Kind(prepare_create=clear_status, has_generation=False)
TOKEN_REQUEST = Kind(
    default=_default_token, prepare_create=clear_status, validate=listed(_token_request), has_generation=False
)
