"""Deletes pods whose time with tainted devices is over. One key: a claim, whose users go together."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import DEVICE_TAINT_RULES, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.devicetainteviction.deadline import Taints, deadline, read_taints
from corral.cluster.controllers.disruption_target import delete_disrupted
from corral.cluster.controllers.shared import Shared

REASON = "DeviceTaintManagerEviction"


class DeviceTaintEvictionController(Controller):
    """A taint that is taken away in time calls the deletion off."""

    name = "device-taint-eviction-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, self._now = shared.client, shared.now
        self._events = shared.events.recorder("device-taint-eviction")
        self._pods, self._claims = shared.informers.of(PODS), shared.informers.of(RESOURCE_CLAIMS)
        self._slices, self._rules = shared.informers.of(RESOURCE_SLICES), shared.informers.of(DEVICE_TAINT_RULES)
        super().__init__([self._pods, self._claims, self._slices, self._rules])
        self._due: dict[str, float] = {}  # by claim: since when it is known that its users must go
        self._known: Taints | None = None
        self._claims.on_change(self._claim_changed)
        self._slices.on_change(self._devices_changed)
        self._rules.on_change(self._devices_changed)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._due.pop(meta.key(old or {}), None)
        elif (new.get("status") or {}).get("allocation"):
            self.queue.add(meta.key(new))

    def _devices_changed(self, old: Object | None, new: Object | None) -> None:
        before, self._known = self._known, None
        if not self._taints and not before:
            return  # nobody has to go, nor had to
        for claim in self._claims.all():
            if (claim.get("status") or {}).get("allocation"):
                self.queue.add(meta.key(claim))

    @property
    def _taints(self) -> Taints:
        if self._known is None:
            self._known = read_taints(self._slices.all(), self._rules.all())
        return self._known

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None:
            return None
        now = self._now().timestamp()
        users = [pod for one in _users(claim) if (pod := self._pod(claim, one)) is not None]
        due = deadline(claim, self._taints, self._due.get(key, now))
        if due is None:
            if self._due.pop(key, None) is not None:
                for pod in users:
                    self._events.normal(pod, REASON, "Cancelling deletion")
            return None
        if due > now:
            self._due.setdefault(key, now)
            return due - now
        self._due.pop(key, None)
        for pod in users:
            self._events.normal(pod, REASON, "Marking for deletion")
            message = "Device Taint manager: deleting due to NoExecute taint"
            await delete_disrupted(self._client, pod, "DeletionByDeviceTaintManager", message, to_text(self._now()))
        return None

    def _pod(self, claim: Object, user: Object) -> Object | None:
        """That uses it, and is not going yet."""
        pod = self._pods.get(f"{meta.namespace(claim)}/{user['name']}")
        if pod is None or meta.uid(pod) != user["uid"] or meta.deleting(pod) or not pod["spec"].get("nodeName"):
            return None
        return None if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") else pod


def _users(claim: Object) -> list[Object]:
    return [one for one in (claim.get("status") or {}).get("reservedFor") or () if one.get("resource") == "pods"]
