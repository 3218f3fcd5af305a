"""What a pod's spec says where it says nothing. All functions change what they are given, in place.

Follows pkg/apis/core/v1/defaults.go and the defaults in the API's types.
"""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.core import resources
from corral.model.kubernetes.kinds.core.pod_spec.images import pull_policy
from corral.model.kubernetes.kinds.fields import ensure, fill, fill_empty, flag, objects, part, text

CONTAINER_LISTS = ("containers", "initContainers", "ephemeralContainers")


def default_template(template: Object) -> None:
    """A pod template: the pod's own defaults (`default_pod`) come when a pod is made of it."""
    default_spec(ensure(template, "spec"))


def default_spec(spec: Object) -> None:
    """
    >>> spec = {"containers": []}; default_spec(spec); spec["restartPolicy"], spec["dnsPolicy"]
    ('Always', 'ClusterFirst')
    """
    fill_empty(spec, "dnsPolicy", "ClusterFirst")
    fill_empty(spec, "restartPolicy", "Always")
    fill(spec, "securityContext", {})
    fill(spec, "terminationGracePeriodSeconds", 30)
    fill_empty(spec, "schedulerName", "default-scheduler")
    _service_account(spec)
    resources.canonical(spec, "overhead")
    if isinstance(spec.get("resources"), dict):
        resources.canonical(spec["resources"], "limits", "requests")
    for kind in CONTAINER_LISTS:
        for container in objects(spec, kind):
            default_container(container)
    for volume in objects(spec, "volumes"):
        default_volume(volume)


def default_pod(spec: Object) -> None:
    """What only a pod gets, not a template: requests from limits, the host's ports, links to services."""
    for kind in CONTAINER_LISTS[:2]:
        for container in objects(spec, kind):
            _requests_from_limits(container)
    if isinstance(spec.get("resources"), dict):
        _pod_resources(spec)
    fill(spec, "enableServiceLinks", True)
    if flag(spec, "hostNetwork"):
        for kind in CONTAINER_LISTS[:2]:
            for container in objects(spec, kind):
                for port in objects(container, "ports"):
                    fill_empty(port, "hostPort", port.get("containerPort", 0))


def _service_account(spec: Object) -> None:
    """The old name of the field and the new one always say the same."""
    if name := text(spec, "serviceAccountName") or text(spec, "serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _requests_from_limits(container: Object) -> None:
    found = part(container, "resources")
    limits = found.get("limits")
    if isinstance(limits, dict):
        requests = ensure(found, "requests")
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _pod_resources(spec: Object) -> None:
    """Requests of the whole pod: the sum of the containers', or else its limit."""
    found = spec["resources"]
    limits = found.get("limits")
    if not isinstance(limits, dict) or not limits:
        return
    requests = found.get("requests") if isinstance(found.get("requests"), dict) else {}
    for name, amount in resources.total(objects(spec, "containers"), "requests").items():
        if name in ("cpu", "memory"):
            requests.setdefault(name, str(amount))
    for name, limit in limits.items():
        if name in ("cpu", "memory") or resources.is_huge(name):
            requests.setdefault(name, limit)
    if requests:
        found["requests"] = requests


def default_container(container: Object) -> None:
    for port in objects(container, "ports"):
        fill_empty(port, "protocol", "TCP")
    for variable in objects(container, "env"):
        _field_ref(part(variable, "valueFrom"))
        if isinstance(part(variable, "valueFrom").get("fileKeyRef"), dict):
            fill(variable["valueFrom"]["fileKeyRef"], "optional", False)
    resources.canonical(ensure(container, "resources"), "limits", "requests")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(probe), dict):
            _probe(container[probe])
    for handler in ("postStart", "preStop"):
        _http_get(part(container, "lifecycle", handler))
    fill_empty(container, "terminationMessagePath", "/dev/termination-log")
    fill_empty(container, "terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(text(container, "image"))


def _probe(probe: Object) -> None:
    fill_empty(probe, "timeoutSeconds", 1)
    fill_empty(probe, "periodSeconds", 10)
    fill_empty(probe, "successThreshold", 1)
    fill_empty(probe, "failureThreshold", 3)
    _http_get(probe)
    if isinstance(probe.get("grpc"), dict):
        fill(probe["grpc"], "service", "")


def _http_get(handler: Object) -> None:
    action = handler.get("httpGet")
    if isinstance(action, dict):
        fill_empty(action, "path", "/")
        fill_empty(action, "scheme", "HTTP")


def _field_ref(holder: Object) -> None:
    found = holder.get("fieldRef")
    if isinstance(found, dict):
        fill_empty(found, "apiVersion", "v1")


_MODES = ("secret", "configMap", "downwardAPI", "projected")
# Plain defaults of volume sources; of these fields, zero and missing mean the same unless they are optional.
_SOURCES: dict[str, dict[str, Any]] = {
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_OPTIONAL_SOURCES: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
}


def default_source(holder: Object) -> None:
    """The source of a volume, in a pod or a PersistentVolume."""
    for name, found in _SOURCES.items():
        if isinstance(holder.get(name), dict):
            for key, value in found.items():
                fill_empty(holder[name], key, value)
    for name, found in _OPTIONAL_SOURCES.items():
        if isinstance(holder.get(name), dict):
            for key, value in found.items():
                fill(holder[name], key, value)


def default_volume(volume: Object) -> None:
    """
    >>> volume = {"name": "tmp"}; default_volume(volume); volume
    {'name': 'tmp', 'emptyDir': {}}
    """
    if not any(value is not None for key, value in volume.items() if key != "name"):
        volume["emptyDir"] = {}
    default_source(volume)
    for kind in _MODES:
        if isinstance(volume.get(kind), dict):
            fill(volume[kind], "defaultMode", 0o644)
    resources.canonical_one(part(volume, "emptyDir"), "sizeLimit")
    for item in objects(part(volume, "downwardAPI"), "items"):
        _field_ref(item)
    for source in objects(part(volume, "projected"), "sources"):
        _projection(source)
    if template := part(volume, "ephemeral", "volumeClaimTemplate"):
        default_claim_spec(ensure(template, "spec"))
    image = volume.get("image")
    if isinstance(image, dict) and not image.get("pullPolicy"):
        image["pullPolicy"] = pull_policy(text(image, "reference"))


def _projection(source: Object) -> None:
    if isinstance(source.get("serviceAccountToken"), dict):
        fill(source["serviceAccountToken"], "expirationSeconds", 3600)
    for item in objects(part(source, "downwardAPI"), "items"):
        _field_ref(item)


def default_claim_spec(spec: Object) -> None:
    """The spec of a PersistentVolumeClaim, or of a template for one."""
    fill(spec, "volumeMode", "Filesystem")
    resources.canonical(ensure(spec, "resources"), "limits", "requests")
