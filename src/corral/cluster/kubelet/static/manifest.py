"""A file of the folder as a pod. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from corral.errors import InvalidInput
from corral.model.kubernetes.kinds.core.pod import POD
from corral.model.kubernetes.schema.check import conform
from corral.model.kubernetes.schema.document import decode_json
from corral.model.kubernetes.schema.stable import builtin
from corral.model.kubernetes.schema.yaml_document import decode_yaml
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

SOURCE: Final = "kubernetes.io/config.source"
HASH: Final = "kubernetes.io/config.hash"
SEEN: Final = "kubernetes.io/config.seen"
TYPE: Final = "core.v1.Pod"
STAYS: Final = {"operator": "Exists", "effect": "NoExecute"}


def parse_manifest(data: bytes, path: str, node: str, now: str) -> Object:
    """The pod, JSON or YAML: with the node's name after its own, and a uid that is another when anything of it is.

    InvalidInput says what is wrong with it.

    >>> text = b"{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: a, image: x}]}}"
    >>> pod = parse_manifest(text, "/m/web.yaml", "n1", "t")
    >>> pod["metadata"]["name"], pod["metadata"]["namespace"], pod["spec"]["nodeName"], pod["spec"]["restartPolicy"]
    ('web-n1', 'default', 'n1', 'Always')
    >>> parse_manifest(text, "/m/web.yaml", "n1", "later")["metadata"]["uid"] == pod["metadata"]["uid"]
    True
    """
    given = _read(data)
    api_version, kind = given.get("apiVersion"), given.get("kind")
    if (api_version, kind) != ("v1", "Pod"):
        raise InvalidInput(f"not a Pod of v1: apiVersion {api_version!r}, kind {kind!r}")
    checked = conform(given, builtin().type(TYPE))
    wrong = [fault.text for fault in checked.faults]
    if wrong:
        raise InvalidInput(wrong[0])
    pod: Object = checked.object
    meta = pod.setdefault("metadata", {})
    if not meta.get("name"):
        raise InvalidInput("metadata.name: Required value")
    uid = hashlib.md5(json.dumps([node, path, given], sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    spec = pod.setdefault("spec", {})
    spec["nodeName"] = node
    spec["tolerations"] = [*(spec.get("tolerations") or ()), STAYS]
    POD.default(pod)
    meta |= {"name": f"{meta['name']}-{node}", "namespace": meta.get("namespace") or "default", "uid": uid}
    notes = {SOURCE: "file", HASH: uid, SEEN: now}
    meta["annotations"] = {**(meta.get("annotations") or {}), **notes}
    POD.prepare_create(pod)
    problems = POD.validate(pod)
    if problems:
        raise InvalidInput(str(problems[0]))
    if what := refers_to(spec):
        raise InvalidInput(f"static pods may not reference {what}")
    return {**pod, "apiVersion": "v1", "kind": "Pod"}


def _read(data: bytes) -> Object:
    try:
        found = (decode_json if data.lstrip().startswith(b'{"') else decode_yaml)(data).object
    except StatusError as error:
        raise InvalidInput(error.message) from None
    if not isinstance(found, dict):
        raise InvalidInput("not an object")
    return found


def refers_to(spec: Object) -> str:
    """What of the API's a pod needs that a node has without it, "" for nothing.

    >>> refers_to({"volumes": [{"projected": {"sources": [{"configMap": {}}]}}]}), refers_to({"containers": [{}]})
    ('configmaps', '')
    """
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    if spec.get("imagePullSecrets"):
        return "secrets"
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in spec.get("volumes") or ():
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            for key, resource in VOLUMES.items():
                if source.get(key) is not None:
                    return resource
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        values = ((one.get("valueFrom") or {}) for one in container.get("env") or ())
        for one in (*(container.get("envFrom") or ()), *values):
            for key, resource in REFERENCES.items():
                if one.get(key) is not None:
                    return resource
    return ""


VOLUMES: Final = {
    "secret": "secrets",
    "configMap": "configmaps",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims",
    "serviceAccountToken": "serviceaccounts",
    "clusterTrustBundle": "clustertrustbundles",
}
REFERENCES: Final = {
    "secretRef": "secrets",
    "configMapRef": "configmaps",
    "secretKeyRef": "secrets",
    "configMapKeyRef": "configmaps",
}
