"""An operator on a resource of its own: a Herd has children (ConfigMaps, one per cow) and a status. Run by kopf."""

from __future__ import annotations

import kopf
from kubernetes import client, config

GROUP, VERSION, PLURAL = "corral.example", "v1", "herds"


@kopf.on.startup()
def connect(settings: kopf.OperatorSettings, **_: object) -> None:
    config.load_kube_config()
    settings.persistence.finalizer = "corral.example/herds"
    settings.persistence.progress_storage = kopf.StatusProgressStorage(field="status.kopf")


def cows(name: str, namespace: str) -> set[str]:
    found = client.CoreV1Api().list_namespaced_config_map(namespace, label_selector=f"herd={name}")
    return {one.metadata.name for one in found.items}


def settle(name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, patch: kopf.Patch) -> None:
    """Makes children that are missing, removes surplus ones, and says how many there are."""
    api, wanted = client.CoreV1Api(), {f"{name}-{number}" for number in range(spec["size"])}
    present = cows(name, namespace)
    for cow in sorted(wanted - present):
        child = {"metadata": {"name": cow}, "data": {"breed": spec.get("breed", "any")}}
        kopf.adopt(child, owner=body)
        kopf.label(child, {"herd": name})
        child["metadata"]["name"] = cow
        api.create_namespaced_config_map(namespace, child)
    for cow in sorted(present - wanted):
        api.delete_namespaced_config_map(cow, namespace)
    patch.status["cows"] = len(wanted)
    patch.status["observedGeneration"] = body.metadata["generation"]


@kopf.on.create(PLURAL, group=GROUP)
@kopf.on.resume(PLURAL, group=GROUP)
def made(name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, patch: kopf.Patch, **_: object) -> None:
    settle(name, namespace, spec, body, patch)


@kopf.on.update(PLURAL, group=GROUP, field="spec.size")
def resized(
    name: str, namespace: str, spec: kopf.Spec, body: kopf.Body, patch: kopf.Patch, retry: int, **_: object
) -> None:
    if not retry:
        raise kopf.TemporaryError("the gate is shut", delay=0.5)
    settle(name, namespace, spec, body, patch)


@kopf.on.delete(PLURAL, group=GROUP)
def farewell(name: str, namespace: str, **_: object) -> None:
    """Children go with their owner; that the handler ran is seen in what it leaves behind."""
    client.CoreV1Api().create_namespaced_config_map(namespace, {"metadata": {"name": f"{name}-was-here"}})
