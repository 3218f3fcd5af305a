"""Approves, signs and deletes CertificateSigningRequests: three controllers, each of whose keys is one request."""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.certificates.cleaning import seconds_to_keep
from corral.cluster.controllers.certificates.signer import Signer
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import CSRS
from corral.cluster.controllers.shared import Shared
from corral.errors import InvalidInput
from corral.model.kubernetes.certificate_requests import Subject, approved, plan_approval, plan_serving_approval
from corral.model.kubernetes.status import StatusError

REFUSED_SECONDS: Final = 10.0  # then it is looked whether who may not, may by now


class _Requests(Controller):
    def __init__(self, shared: Shared) -> None:
        self._client, self._now = shared.client, shared.now
        self._requests = shared.informers.of(CSRS)
        super().__init__([self._requests])
        self._requests.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.name(new))


class Approving(_Requests):
    """A kubelet's request for its own certificates, of a client and of a server, when it may ask for them."""

    name = "certificatesigningrequest-approving-controller"

    def __init__(self, shared: Shared, signer: Signer) -> None:
        super().__init__(shared)
        self._signer = signer
        self._nodes = shared.informers.of(NODES)
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A node that has just registered may have asked already."""
        if new is not None and (old is None or _addresses(old) != _addresses(new)):
            for one in self._requests.all():
                if one["spec"].get("username") == f"system:node:{meta.name(new)}" and not one.get("status"):
                    self.queue.add(meta.name(one))

    async def reconcile(self, key: str) -> float | None:
        found = self._requests.get(key)
        if found is None:
            return None
        subject = self._subject(found)
        message = plan_serving_approval(found, subject, self._nodes.all())
        if message:
            await self._approve(found, message)
            return None
        ways = plan_approval(found, subject)
        for way in ways:
            if await self._signer.may_create(found, way.subresource):
                await self._approve(found, way.message)
                return None
        return REFUSED_SECONDS if ways else None

    async def _approve(self, found: Object, message: str) -> None:
        changed = approved(found, message, int(self._now().timestamp()))
        await self._client.update(CSRS, changed, subresource="approval")

    def _subject(self, found: Object) -> Subject:
        """Nobody, of a request that cannot be read: that is approved by a person or not at all."""
        try:
            return self._signer.subject(found["spec"]["request"])
        except InvalidInput:
            return Subject("", ())


def _addresses(node: Object) -> object:
    return (node.get("status") or {}).get("addresses")


class Signing(_Requests):
    """What is approved for one of Kubernetes' own signers gets its certificate."""

    name = "certificatesigningrequest-signing-controller"

    def __init__(self, shared: Shared, signer: Signer) -> None:
        super().__init__(shared)
        self._signer = signer

    async def reconcile(self, key: str) -> float | None:
        found = self._requests.get(key)
        changed = self._signer.sign(found, int(self._now().timestamp())) if found is not None else None
        if changed is not None:
            await self._client.update(CSRS, changed, subresource="status")
        return None


class Cleaning(_Requests):
    """Requests are not kept: who wanted the certificate has it."""

    name = "certificatesigningrequest-cleaner-controller"

    async def reconcile(self, key: str) -> float | None:
        found = self._requests.get(key)
        if found is None:
            return None
        left = seconds_to_keep(found, self._now().timestamp())
        if left > 0:
            return left
        try:
            await self._client.delete(CSRS, key, options={"preconditions": {"uid": meta.uid(found)}})
        except StatusError as error:
            if error.code != 404:
                raise
        return None
