"""Which fields a request cannot change, and whose owner it therefore is not.

A write of the main resource leaves status as it was, one of the status subresource leaves the rest: what such a request
says of these fields is nothing that anybody owns. Follows the GetResetFields of k8s.io/kubernetes/pkg/registry.
"""

from __future__ import annotations

from dataclasses import dataclass

from corral.cluster.apiserver.apply import fieldset
from corral.cluster.apiserver.apply.elements import SELF
from corral.cluster.apiserver.apply.fieldset import EMPTY, FieldSet

ANY = "*"


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """What a request may own: nothing in `excluded`, and, if `only` is set, nothing that is not below one of its paths.

    In `only`, "*" is any element.
    """

    excluded: FieldSet
    only: tuple[tuple[str, ...], ...] = ()

    def of(self, fields: FieldSet) -> FieldSet:
        """
        >>> Filter(fieldset.of_paths(("status",))).of(fieldset.of_paths(("spec", "a"), ("status", "b")))
        {'f:spec': {'f:a': {'.': {}}}}
        >>> Filter({}, (("f:spec", "*", "f:b"),)).of(fieldset.of_paths(("spec", "a", "b"), ("spec", "a", "c")))
        {'f:spec': {'f:a': {'f:b': {'.': {}}}}}
        """
        found = fieldset.without(fields, self.excluded) if self.excluded else fields
        return _below(found, self.only) if self.only else found


def _below(fields: FieldSet, paths: tuple[tuple[str, ...], ...]) -> FieldSet:
    found: FieldSet = {}
    for key, below in fields.items():
        rests = tuple(path[1:] for path in paths if path[0] in (key, ANY)) if key != SELF else ()
        kept = below if () in rests else _below(below, rests) if rests else EMPTY
        if kept:
            found[key] = kept
    return found


NOTHING = Filter(EMPTY)
_STATUS = Filter(fieldset.of_paths(("status",)))
_SPEC = Filter(fieldset.of_paths(("spec",)))
_SPEC_AND_METADATA = Filter(fieldset.of_paths(("spec",), ("metadata",)))
_CUSTOM_STATUS = Filter(fieldset.of_paths(("apiVersion",), ("kind",), ("metadata",), ("spec",)))
_CONTAINERS = [("f:spec", one, ANY) for one in ("f:containers", "f:initContainers")]

_SPECIAL = {
    ("", "Pod", "status"): Filter(
        fieldset.of_paths(("spec",), ("metadata", "deletionTimestamp"), ("metadata", "ownerReferences"))
    ),
    ("", "Pod", "ephemeralcontainers"): Filter(EMPTY, (("f:spec", "f:ephemeralContainers"),)),
    ("", "Pod", "resize"): Filter(
        EMPTY, tuple((*path, field) for path in _CONTAINERS for field in ("f:resources", "f:resizePolicy"))
    ),
    ("apps", "Deployment", "status"): Filter(fieldset.of_paths(("spec",), ("metadata", "labels"))),
    ("certificates.k8s.io", "CertificateSigningRequest", ""): Filter(fieldset.of_paths(("spec",), ("status",))),
    ("certificates.k8s.io", "CertificateSigningRequest", "status"): Filter(
        fieldset.of_paths(("spec",), ("status", "conditions"))
    ),
    ("certificates.k8s.io", "CertificateSigningRequest", "approval"): Filter(
        fieldset.of_paths(("spec",), ("status", "certificate"))
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition", "status"): _SPEC_AND_METADATA,
    ("apiregistration.k8s.io", "APIService", "status"): _SPEC_AND_METADATA,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", "status"): _SPEC_AND_METADATA,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration", "status"): _SPEC_AND_METADATA,
    ("storage.k8s.io", "VolumeAttachment", "status"): _SPEC_AND_METADATA,
}


def of_kind(group: str, kind: str, subresource: str, *, has_status: bool, custom: bool = False) -> Filter:
    """Pure: the filter for writes of a kind's main resource ("") or of a subresource.

    `has_status`: status is a subresource. `custom`: the kind is that of a CustomResourceDefinition.
    """
    found = _SPECIAL.get((group, kind, subresource))
    if found is not None:
        return found
    if subresource == "status":
        return _CUSTOM_STATUS if custom else _SPEC
    return _STATUS if has_status and not subresource else NOTHING
