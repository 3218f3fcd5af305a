"""Sizes of whatever has a `scale` subresource, custom resources too."""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import DEPLOYMENTS, REPLICA_SETS, REPLICATION_CONTROLLERS, STATEFUL_SETS
from corral.cluster.client.protocol import Client, Collection, Object
from corral.model.kubernetes.status import StatusError

DEFINITIONS: Final = Collection("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_BUILT_IN: Final = {
    ("apps", "Deployment"): DEPLOYMENTS,
    ("apps", "ReplicaSet"): REPLICA_SETS,
    ("apps", "StatefulSet"): STATEFUL_SETS,
    ("", "ReplicationController"): REPLICATION_CONTROLLERS,
}


def split_version(api_version: str) -> tuple[str, str]:
    """Pure: (group, version).

    >>> split_version("apps/v1"), split_version("v1")
    (('apps', 'v1'), ('', 'v1'))
    """
    group, _, version = api_version.rpartition("/")
    return group, version


def no_match(kind: str, group: str, version: str) -> StatusError:
    """No resource has this kind."""
    where = f"{group}/{version}" if group else version
    return StatusError(404, "NotFound", f'no matches for kind "{kind}" in version "{where}"')


class Scales:
    """Reads and writes Scale objects by the kind of what they belong to."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def collection(self, api_version: str, kind: str) -> Collection:
        """Where objects of a kind are. Raises StatusError 404."""
        group, version = split_version(api_version)
        known = _BUILT_IN.get((group, kind))
        if known is not None:
            if known.version != version:
                raise no_match(kind, group, version)
            return known
        for one in (await self._client.list(DEFINITIONS)).items:
            spec = one["spec"]
            served = any(v.get("name") == version and v.get("served") for v in spec.get("versions") or ())
            if spec.get("group") == group and spec["names"]["kind"] == kind and served:
                return Collection(group, version, spec["names"]["plural"])
        raise no_match(kind, group, version)

    async def get(self, api_version: str, kind: str, name: str, namespace: str) -> Object:
        """Its Scale. StatusError."""
        of = await self.collection(api_version, kind)
        # A patch of nothing writes nothing, and answers with the subresource.
        return await self._client.patch(of, name, namespace, patch={}, subresource="scale")

    async def set(self, api_version: str, kind: str, scale: Object, replicas: int) -> Object:
        """Its new size; 409 if it was changed since `scale` was read."""
        of = await self.collection(api_version, kind)
        name, namespace = meta.name(scale), meta.namespace(scale)
        version = scale["metadata"].get("resourceVersion")
        patch = {"metadata": {"resourceVersion": version}, "spec": {"replicas": replicas}}
        return await self._client.patch(of, name, namespace, patch=patch, subresource="scale")
