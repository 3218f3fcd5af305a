"""ServiceAccount: each pod runs as an account of its namespace, and finds that account's token.

Follows plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.apiserver.admission.plugin import Base, Object, is_about, refused
from corral.cluster.apiserver.attributes import Admission
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.objects.metadata import random_suffix
from corral.model.kubernetes.kinds.fields import annotations_of, flag, objects, part, text

DEFAULT: Final = "default"
MIRROR: Final = "kubernetes.io/config.mirror"
MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS: Final = 3607
PATIENCE: Final = 1.0  # seconds that a new namespace's default account is waited for


def token_volume(name: str) -> Object:
    """Pure: the volume with token, authority and namespace."""
    token = {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}}
    authority = {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    namespace = {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}}
    return {"name": name, "projected": {"sources": [token, authority, namespace], "defaultMode": 420}}


def _automounts(pod: Object, account: Object) -> bool:
    for holder in (part(pod, "spec"), account):
        if isinstance(holder.get("automountServiceAccountToken"), bool):
            return flag(holder, "automountServiceAccountToken")
    return True


def with_token(spec: Object, suffix: str) -> Object:
    """Pure: a pod's spec in which each container finds the token, but where it mounts something else there.

    >>> spec = with_token({"containers": [{"name": "a"}]}, "x2c4v")
    >>> spec["containers"][0]["volumeMounts"][0]["name"], spec["volumes"][0]["name"]
    ('kube-api-access-x2c4v', 'kube-api-access-x2c4v')
    """
    name = f"kube-api-access-{suffix}"
    mount = {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}
    found, needed = dict(spec), False
    for key in ("initContainers", "containers"):
        changed: list[Any] = []
        for one in objects(spec, key):
            mounts = objects(one, "volumeMounts")
            own = any(text(each, "mountPath") == MOUNT_PATH for each in mounts)
            needed = needed or not own
            changed.append(one if own else {**one, "volumeMounts": [*mounts, mount]})
        if changed:
            found[key] = changed
    if needed:
        found["volumes"] = [*objects(spec, "volumes"), token_volume(name)]
    return found


class ServiceAccounts(Base):
    def __init__(self, caches: Caches, suffix: Callable[[], str] = random_suffix) -> None:
        self._caches, self._suffix = caches, suffix

    async def admit(self, admission: Admission) -> None:
        if not is_about(admission, "pods", "CREATE") or admission.object is None:
            return
        pod = admission.object
        if MIRROR in annotations_of(pod):
            self._check_mirror(admission, pod)
            return
        spec = dict(part(pod, "spec"))
        name = text(spec, "serviceAccountName") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(admission, name)
        if _automounts(pod, account) and not _has_token(spec):
            spec = with_token(spec, self._suffix())
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [{"name": text(one, "name")} for one in objects(account, "imagePullSecrets")]
        admission.object = {**pod, "spec": spec}

    @staticmethod
    def _check_mirror(admission: Admission, pod: Object) -> None:
        """What a node only shows needs no account, and may not have secrets."""
        spec = part(pod, "spec")
        if text(spec, "serviceAccountName"):
            raise refused(admission, "a mirror pod may not reference service accounts")
        if any(isinstance(one.get("secret"), dict) for one in objects(spec, "volumes")):
            raise refused(admission, "a mirror pod may not reference secrets")

    async def _account(self, admission: Admission, name: str) -> Object:
        """That of a new namespace may come in a moment. 403."""
        await self._caches.fresh()
        until = time.monotonic() + (PATIENCE if name == DEFAULT else 0)
        while True:
            found = self._caches.get("", "serviceaccounts", admission.namespace, name)
            if found is not None:
                return found
            left = until - time.monotonic()
            if left <= 0 or not await self._caches.until(self._caches.revision + 1, left):
                where = f"{admission.namespace}/{name}"
                text = f'error looking up service account {where}: serviceaccount "{name}" not found'
                raise refused(admission, text)


def _has_token(spec: Object) -> bool:
    names = [text(one, "name") for one in objects(spec, "volumes")]
    return any(name.startswith("kube-api-access-") for name in names)
