"""Default classes of storage and ingress; and finalizers that keep storage that is in use.

Follows plugin/pkg/admission/{storage,network}.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.apiserver.admission.plugin import Base, Object, is_about
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.lookup import Lookup
from corral.model.kubernetes.kinds.fields import annotations_of, metadata, part, text

STORAGE_DEFAULT: Final = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
INGRESS_DEFAULT: Final = "ingressclass.kubernetes.io/is-default-class"
INGRESS_ANNOTATION: Final = "kubernetes.io/ingress.class"
STORAGE_ANNOTATION: Final = "volume.beta.kubernetes.io/storage-class"
FINALIZERS: Final = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
}


def plan_default(classes: list[Object], annotations: tuple[str, ...]) -> Object | None:
    """Pure: which class is the default: of several the newest, then the first by name.

    >>> one = {"metadata": {"name": "a", "annotations": {INGRESS_DEFAULT: "true"}}}
    >>> plan_default([{"metadata": {"name": "b"}}, one], (INGRESS_DEFAULT,))["metadata"]["name"]
    'a'
    """
    found = [one for one in classes if any(annotations_of(one).get(key) == "true" for key in annotations)]
    found.sort(key=lambda one: text(metadata(one), "name"))
    found.sort(key=lambda one: text(metadata(one), "creationTimestamp"), reverse=True)
    return found[0] if found else None


class DefaultStorageClass(Base):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, admission: Admission) -> None:
        obj = admission.object
        if not is_about(admission, "persistentvolumeclaims", "CREATE") or obj is None:
            return
        spec = part(obj, "spec")
        if spec.get("storageClassName") is not None or STORAGE_ANNOTATION in annotations_of(obj):
            return
        found = plan_default(list(self._lookup.list("storage.k8s.io", "storageclasses")), STORAGE_DEFAULT)
        if found is not None:
            admission.object = {**obj, "spec": {**spec, "storageClassName": found["metadata"]["name"]}}


class DefaultIngressClass(Base):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def admit(self, admission: Admission) -> None:
        obj = admission.object
        if not is_about(admission, "ingresses", "CREATE", group="networking.k8s.io") or obj is None:
            return
        spec = part(obj, "spec")
        if spec.get("ingressClassName") is not None or INGRESS_ANNOTATION in annotations_of(obj):
            return
        classes = list(self._lookup.list("networking.k8s.io", "ingressclasses"))
        found = plan_default(classes, (INGRESS_DEFAULT,))
        if found is not None:
            admission.object = {**obj, "spec": {**spec, "ingressClassName": found["metadata"]["name"]}}


class StorageProtection(Base):
    """StorageObjectInUseProtection: volumes and claims go only when nothing uses them; who knows takes it away."""

    async def admit(self, admission: Admission) -> None:
        name = FINALIZERS.get(admission.resource.plural, "")
        if not name or not is_about(admission, admission.resource.plural, "CREATE") or admission.object is None:
            return
        found = metadata(admission.object)
        finalizers = list(found.get("finalizers") or ())
        if name not in finalizers:
            made = {**found, "finalizers": [*finalizers, name]}
            admission.object = {**admission.object, "metadata": made}
