"""Who a StatefulSet's pods are: names, labels, claims. Pure. Follows upstream's stateful_set_utils.go."""

from __future__ import annotations

import re

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.history import POD_LABEL
from corral.cluster.controllers.common.objects import copied, pod_of_template, with_labels

POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)")


def ordinal(pod: Object) -> int:
    """-1: its name has none."""
    found = _NAME.fullmatch(meta.name(pod))
    return int(found[2]) if found else -1


def is_member(owner: Object, pod: Object) -> bool:
    """
    >>> pod = {"metadata": {"name": "db-main-2"}}
    >>> is_member({"metadata": {"name": "db-main"}}, pod), is_member({"metadata": {"name": "db"}}, pod)
    (True, False)
    """
    found = _NAME.fullmatch(meta.name(pod))
    return found is not None and found[1] == meta.name(owner)


def start(owner: Object) -> int:
    return int((owner["spec"].get("ordinals") or {}).get("start") or 0)


def pod_name(owner: Object, ordinal: int) -> str:
    return f"{meta.name(owner)}-{ordinal}"


def claim_name(template: Object, owner: Object, ordinal: int) -> str:
    return f"{meta.name(template)}-{pod_name(owner, ordinal)}"


def claim_templates(owner: Object) -> list[Object]:
    return list(owner["spec"].get("volumeClaimTemplates") or ())


def identity_labels(name: str, ordinal: int) -> dict[str, str]:
    return {POD_NAME: name, POD_INDEX: str(ordinal)}


def new_pod(owner: Object, template: Object, revision: str, ordinal: int, reference: Object) -> Object:
    """The pod of this ordinal, by the template of `revision`.

    >>> owner = {"metadata": {"name": "db", "namespace": "d"}, "spec": {"serviceName": "dbs",
    ...          "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}
    >>> pod = new_pod(owner, {"spec": {}}, "db-1", 2, {"uid": "u"})
    >>> meta.name(pod), pod["spec"]["hostname"], pod["spec"]["subdomain"]
    ('db-2', 'db-2', 'dbs')
    >>> pod["spec"]["volumes"]
    [{'name': 'data', 'persistentVolumeClaim': {'claimName': 'data-db-2'}}]
    """
    pod = pod_of_template(template, owner, reference)
    name = pod_name(owner, ordinal)
    metadata = with_labels(pod["metadata"], {**identity_labels(name, ordinal), POD_LABEL: revision})
    del metadata["generateName"]
    metadata["name"] = name
    claims = {meta.name(one): claim_name(one, owner, ordinal) for one in claim_templates(owner)}
    given = [volume for volume in pod["spec"].get("volumes") or () if volume.get("name") not in claims]
    volumes = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in claims.items()]
    spec = {**pod["spec"], "hostname": name, "subdomain": owner["spec"].get("serviceName") or ""}
    if volumes or given:
        spec["volumes"] = [*volumes, *given]
    return {**pod, "metadata": metadata, "spec": spec}


def new_claim(owner: Object, template: Object, ordinal: int) -> Object:
    """The claim of a pod for one of the templates."""
    claim = copied(template)
    labels = (owner["spec"].get("selector") or {}).get("matchLabels") or {}
    given = {**(claim.get("metadata") or {}), "namespace": meta.namespace(owner)}
    name = {"name": claim_name(template, owner, ordinal)}
    claim["metadata"] = {**given, **name, "labels": {**(given.get("labels") or {}), **labels}}
    claim.pop("status", None)
    return claim


def has_identity(pod: Object) -> bool:
    wanted = identity_labels(meta.name(pod), ordinal(pod))
    return wanted.items() <= (pod["metadata"].get("labels") or {}).items()
