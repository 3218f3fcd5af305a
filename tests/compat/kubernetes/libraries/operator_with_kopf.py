"""An operator: a ConfigMap with the label `herd` gets a Secret of its own, kept as the ConfigMap says. Run by kopf."""

from __future__ import annotations

import kopf
from kubernetes import client, config

HERD = {"herd": kopf.PRESENT}


@kopf.on.startup()
def connect(settings: kopf.OperatorSettings, **_: object) -> None:
    config.load_kube_config()
    settings.posting.enabled = True
    settings.persistence.finalizer = "corral.example/operator"


@kopf.on.create("configmaps", labels=HERD)
def made(name: str, namespace: str, body: kopf.Body, **_: object) -> dict[str, str]:
    secret = {"metadata": {}, "stringData": dict(body.get("data", {}))}
    kopf.adopt(secret, owner=body)
    secret["metadata"]["name"] = name
    client.CoreV1Api().create_namespaced_secret(namespace, secret)
    kopf.info(body, reason="Made", message=f"the secret {name} is made")
    return {"secret": name}


@kopf.on.update("configmaps", labels=HERD, field="data")
def changed(name: str, namespace: str, new: dict[str, str], **_: object) -> None:
    client.CoreV1Api().patch_namespaced_secret(name, namespace, {"stringData": dict(new)})


@kopf.on.delete("configmaps", labels=HERD)
def removed(name: str, namespace: str, **_: object) -> None:
    client.CoreV1Api().delete_namespaced_secret(name, namespace)
