"""Which Secrets, ConfigMaps, claims and service account a pod names. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from corral.model.kubernetes.kind import Object

Reference = tuple[str, str, str]  # (kind as here: secret, configmap, …; namespace; name)
MIRROR: Final = "kubernetes.io/config.mirror"

# volume source -> the field of its reference to a Secret
_SECRET_VOLUMES: Final = {
    "azureFile": "secretName",
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "csi": "nodePublishSecretRef",
    "flexVolume": "secretRef",
    "iscsi": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "secret": "secretName",
    "storageos": "secretRef",
}


def pod_references(pod: Object) -> set[Reference]:
    """What a node must be able to read to run the pod, besides the pod itself. A mirror pod, which a node makes,
    gives its node nothing.

    >>> spec = {"serviceAccountName": "web", "volumes": [{"secret": {"secretName": "key"}}], "containers": []}
    >>> sorted(pod_references({"metadata": {"namespace": "d", "name": "p"}, "spec": spec}))
    [('secret', 'd', 'key'), ('serviceaccount', 'd', 'web')]
    """
    meta, spec = pod["metadata"], pod.get("spec") or {}
    if MIRROR in (meta.get("annotations") or {}):
        return set()
    namespace = meta["namespace"]
    found = {(kind, namespace, name) for kind, name in _named(meta["name"], spec) if name}
    return found | {("resourceclaim", namespace, name) for name in _claims(pod) if name}


def _named(pod: str, spec: Object) -> Iterator[tuple[str, str]]:
    yield "serviceaccount", spec.get("serviceAccountName") or ""
    for one in spec.get("imagePullSecrets") or ():
        yield "secret", one.get("name") or ""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            yield from _environment(container)
    for volume in spec.get("volumes") or ():
        yield from _volume(pod, volume)


def _environment(container: Object) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        yield "secret", (source.get("secretRef") or {}).get("name") or ""
        yield "configmap", (source.get("configMapRef") or {}).get("name") or ""
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield "secret", (source.get("secretKeyRef") or {}).get("name") or ""
        yield "configmap", (source.get("configMapKeyRef") or {}).get("name") or ""


def _volume(pod: str, volume: Object) -> Iterator[tuple[str, str]]:
    for source, field in _SECRET_VOLUMES.items():
        value: Any = (volume.get(source) or {}).get(field)
        yield "secret", (value.get("name") if isinstance(value, dict) else value) or ""
    yield "configmap", (volume.get("configMap") or {}).get("name") or ""
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield "secret", (source.get("secret") or {}).get("name") or ""
        yield "configmap", (source.get("configMap") or {}).get("name") or ""
    yield "pvc", (volume.get("persistentVolumeClaim") or {}).get("claimName") or ""
    if volume.get("ephemeral") is not None:
        yield "pvc", f"{pod}-{volume['name']}"


def _claims(pod: Object) -> Iterator[str]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    made = {one.get("name"): one.get("resourceClaimName") for one in status.get("resourceClaimStatuses") or ()}
    for claim in spec.get("resourceClaims") or ():
        yield claim.get("resourceClaimName") or made.get(claim.get("name")) or ""
    yield (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName") or ""


def volume_secrets(volume: Object) -> set[tuple[str, str]]:
    """(namespace, name) of the Secrets that a PersistentVolume names; without a namespace, that of its claim.

    >>> csi = {"nodePublishSecretRef": {"name": "s", "namespace": "n"}}
    >>> volume_secrets({"spec": {"csi": csi, "claimRef": {"namespace": "d", "name": "c"}}})
    {('n', 's')}
    """
    spec = volume.get("spec") or {}
    home = (spec.get("claimRef") or {}).get("namespace") or ""
    found = set()
    for source in spec.values():
        if not isinstance(source, dict):
            continue
        for key in ("secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"):
            reference = source.get(key)
            if isinstance(reference, dict) and reference.get("name"):
                found.add((reference.get("namespace") or home, reference["name"]))
        if source.get("secretName"):
            found.add((source.get("secretNamespace") or home, source["secretName"]))
    return found
