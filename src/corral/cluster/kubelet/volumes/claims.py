"""What stands behind a persistentVolumeClaim. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from corral.cluster.kubelet.errors import NotMounted

Object = dict[str, Any]


class Backing(NamedTuple):
    """What a PersistentVolume is: a `kind` of volume and its `source`; `grouped`: fsGroup is applied to it."""

    kind: str
    source: Object
    grouped: bool = False
    options: tuple[str, ...] = ()


def claim_name(pod: Object, volume: Object) -> str:
    """The claim's name, "" for a volume that is none. An ephemeral volume has a claim of its own.

    >>> claim_name({"metadata": {"name": "web"}}, {"name": "v", "ephemeral": {}})
    'web-v'
    """
    if "persistentVolumeClaim" in volume:
        return str(volume["persistentVolumeClaim"]["claimName"])
    return f"{pod['metadata']['name']}-{volume['name']}" if "ephemeral" in volume else ""


def bound_to(claim: Object) -> str:
    """The name of its PersistentVolume. NotMounted while it has none."""
    name = claim["spec"].get("volumeName")
    if not name or (claim.get("status") or {}).get("phase") != "Bound":
        raise NotMounted(f'PersistentVolumeClaim "{claim["metadata"]["name"]}" is not bound')
    return str(name)


def source_of(volume: Object) -> Backing:
    """NotMounted names what this node does not offer.

    >>> source_of({"metadata": {"name": "pv"}, "spec": {"local": {"path": "/data"}}})
    Backing(kind='hostPath', source={'path': '/data', 'type': 'Directory'}, grouped=True, options=())
    >>> source_of({"metadata": {"name": "pv"}, "spec": {"nfs": {"server": "nas"}, "mountOptions": ["hard"]}}).options
    ('hard',)
    """
    spec = volume["spec"]
    if spec.get("volumeMode") == "Block":
        raise NotMounted(f'PersistentVolume "{volume["metadata"]["name"]}": block volumes are not offered by this node')
    if "hostPath" in spec:
        return Backing("hostPath", spec["hostPath"])
    if "local" in spec:
        return Backing("hostPath", {"path": spec["local"]["path"], "type": "Directory"}, grouped=True)
    if "nfs" in spec:
        return Backing("nfs", spec["nfs"], options=tuple(spec.get("mountOptions") or ()))
    kinds = [key for key in spec if isinstance(spec[key], dict) and key not in ("capacity", "claimRef", "nodeAffinity")]
    raise NotMounted(f'PersistentVolume "{volume["metadata"]["name"]}": {", ".join(kinds)} is not offered by this node')
