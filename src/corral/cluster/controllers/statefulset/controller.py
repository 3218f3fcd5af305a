"""The controller of StatefulSets: reads pods and claims, asks the decisions next door, and writes what they say.

Follows upstream's pkg/controller/statefulset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.claiming import Claimer, index_owners, owned
from corral.cluster.controllers.common.history import HASH_LABEL, POD_LABEL, Collided, History, in_order, template_of
from corral.cluster.controllers.common.objects import with_labels
from corral.cluster.controllers.common.podcontrol import first_status, namespace_is_going
from corral.cluster.controllers.common.pods import label
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.shared import Shared
from corral.cluster.controllers.statefulset import claims
from corral.cluster.controllers.statefulset.identity import (
    claim_name,
    claim_templates,
    has_identity,
    identity_labels,
    is_member,
    new_claim,
    new_pod,
    ordinal,
    pod_name,
)
from corral.cluster.controllers.statefulset.ordering import Action, Create, Delete, plan_pods, split, wanted_of
from corral.cluster.controllers.statefulset.status import plan_status
from corral.model.kubernetes.selectors import of_object
from corral.model.kubernetes.status import StatusError


class Revisions(NamedTuple):
    """What pods are made of: below a partition the current one, else the one to update to."""

    current: Object
    update: Object


class StatefulSetController(Controller):
    name = "statefulset-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._sets, self._pods = shared.informers.of(STATEFUL_SETS), shared.informers.of(PODS)
        self._revisions, self._claims = shared.informers.of(CONTROLLER_REVISIONS), shared.informers.of(CLAIMS)
        super().__init__([self._sets, self._pods, self._revisions, self._claims])
        index_owners(self._pods)
        index_owners(self._revisions)
        self._claimer = Claimer(shared.client, STATEFUL_SETS, "StatefulSet")
        self._history = History(shared.client, self._revisions, HASH_LABEL)
        self._recorder = shared.events.recorder(self.name)
        self._waiting_for: dict[str, str] = {}  # a claim's key -> the set that waits for its end
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)
        self._claims.on_change(self._claim_changed)

    # ------------------------------------------------------------------------------------------------- what concerns

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            owner = None if pod is None else meta.controller_of(pod)
            if pod is not None and owner is not None and owner.get("kind") == "StatefulSet":
                self.queue.add(f"{meta.namespace(pod)}/{owner['name']}")
        if new is not None and meta.controller_of(new) is None and not meta.deleting(new):
            for one in self._sets.all():
                if meta.namespace(one) == meta.namespace(new) and is_member(one, new):
                    self.queue.add(meta.key(one))

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        waits = self._waiting_for.pop(meta.key(old or new or {}), None)
        if waits is not None:
            self.queue.add(waits)

    # ------------------------------------------------------------------------------------------------- reconciling

    async def reconcile(self, key: str) -> float | None:
        owner = self._sets.get(key)
        if owner is None:
            return None
        selector = of_object(owner["spec"].get("selector"))
        await self._claimer.claim(owner, selector, self._pods, lambda pod: is_member(owner, pod))
        kept = in_order(await self._claimer.claim(owner, selector, self._revisions))
        collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
        try:
            found = await self._current(owner, kept, collisions)
        except Collided:
            await self._tell(owner, {**(owner.get("status") or {}), "collisionCount": collisions + 1})
            return 0
        wanted = wanted_of(owner, meta.name(found.current), meta.name(found.update))
        error, again = None, None
        if not meta.deleting(owner):
            pods, condemned = split(owner, owned(self._pods, owner))
            error = await self._mend(owner, list(pods.values()), condemned)
            plan = plan_pods(wanted, pods, condemned, self._shared.now())
            error, again = error or await self._act(owner, plan.actions, found), plan.again
        mine = [pod for pod in owned(self._pods, owner) if is_member(owner, pod)]
        told = plan_status(owner, mine, wanted.current, wanted.update, collisions, self._shared.now())
        await self._tell(owner, told)
        if error is not None:
            raise error
        live = {wanted.current, wanted.update, *(label(pod, POD_LABEL) for pod in mine)}
        await self._history.clean_up(owned(self._revisions, owner), live, owner["spec"].get("revisionHistoryLimit"))
        return again

    async def _current(self, owner: Object, kept: Sequence[Object], collisions: int) -> Revisions:
        update = await self._history.current(owner, self._claimer.reference(owner), kept, collisions)
        name = (owner.get("status") or {}).get("currentRevision")
        return Revisions(next((one for one in kept if meta.name(one) == name), update), update)

    async def _tell(self, owner: Object, status: Object) -> None:
        if status != owner.get("status"):
            written = await self._client.update(STATEFUL_SETS, {**owner, "status": status}, subresource="status")
            await self._sets.seen(written)

    # ------------------------------------------------------------------------------------------------- pods

    async def _act(self, owner: Object, actions: Sequence[Action], found: Revisions) -> StatusError | None:
        """All that was planned; the first error."""
        results = await asyncio.gather(*(self._do(owner, one, found) for one in actions), return_exceptions=True)
        failed = [one for one in results if isinstance(one, BaseException)]
        return first_status(failed) if failed else None

    async def _do(self, owner: Object, action: Action, found: Revisions) -> None:
        if isinstance(action, Create):
            await self._create(owner, action, found)
            return
        if action.reason:
            what = "failed" if action.reason == "RecreatingFailedPod" else "terminated"
            set_name = f"{meta.namespace(owner)}/{meta.name(owner)}"
            text = f"StatefulSet {set_name} is recreating {what} Pod {meta.name(action.pod)}"
            self._recorder.record(owner, "Warning" if what == "failed" else "Normal", action.reason, text)
        await self._delete(owner, action)

    async def _create(self, owner: Object, action: Create, found: Revisions) -> None:
        name = pod_name(owner, action.ordinal)
        for template in claim_templates(owner):
            claim_key = f"{meta.namespace(owner)}/{claim_name(template, owner, action.ordinal)}"
            claim = self._claims.get(claim_key)
            if claim is not None and claims.is_stale("", name, claim):
                self._waiting_for[claim_key] = meta.key(owner)  # its end brings us back
                return
        await self._ensure_claims(owner, action.ordinal, None, condemned=False)
        revision = found.update if action.revision == meta.name(found.update) else found.current
        reference = self._claimer.reference(owner)
        pod = new_pod(owner, template_of(revision), action.revision, action.ordinal, reference)
        try:
            made = await self._client.create(PODS, pod)
        except StatusError as error:
            if not namespace_is_going(error):
                self._tell_event(owner, "create", name, error)
            raise
        self._tell_event(owner, "create", name)
        await self._pods.seen(made)

    async def _delete(self, owner: Object, action: Delete) -> None:
        name, namespace = meta.name(action.pod), meta.namespace(action.pod)
        options = {"preconditions": {"uid": meta.uid(action.pod)}}
        try:
            gone = await self._client.delete(PODS, name, namespace, options=options)
        except StatusError as error:
            if error.reason in ("NotFound", "Conflict"):
                return
            self._tell_event(owner, "delete", name, error)
            raise
        self._tell_event(owner, "delete", name)
        await self._pods.seen(gone)

    def _tell_event(self, owner: Object, verb: str, pod: str, error: StatusError | None = None) -> None:
        text = f"{verb} Pod {pod} in StatefulSet {meta.name(owner)}"
        if error is None:
            self._recorder.normal(owner, f"Successful{verb.capitalize()}", f"{text} successful")
        else:
            self._recorder.warning(owner, f"Failed{verb.capitalize()}", f"{text} failed error: {error}")

    async def _mend(self, owner: Object, pods: Sequence[Object], condemned: Sequence[Object]) -> StatusError | None:
        """Labels and claims of pods that are there; the first error."""
        try:
            for pod in pods:
                if not meta.deleting(pod):
                    await self._ensure_claims(owner, ordinal(pod), pod, condemned=False)
                    if not has_identity(pod):
                        labels = identity_labels(meta.name(pod), ordinal(pod))
                        mended = {**pod, "metadata": with_labels(pod["metadata"], labels)}
                        await self._pods.seen(await self._client.update(PODS, mended))
                        self._tell_event(owner, "update", meta.name(pod))
            for pod in condemned:
                await self._ensure_claims(owner, ordinal(pod), pod, condemned=True)
        except StatusError as error:
            return error
        return None

    # ------------------------------------------------------------------------------------------------- claims

    async def _ensure_claims(self, owner: Object, ordinal: int, pod: Object | None, *, condemned: bool) -> None:
        """A pod's claims are there and owned by whom the policy says. Raises StatusError."""
        reference = self._claimer.reference(owner)
        for template in claim_templates(owner):
            claim = self._claims.get(f"{meta.namespace(owner)}/{claim_name(template, owner, ordinal)}")
            if claim is None:
                if condemned:
                    continue
                new = new_claim(owner, template, ordinal)
                owners = claims.plan_owners(owner, reference, pod, new, condemned=False)
                new["metadata"] |= {"ownerReferences": owners} if owners else {}
                await self._create_claim(owner, new, pod_name(owner, ordinal))
                continue
            owners = claims.plan_owners(owner, reference, pod, claim, condemned=condemned)
            if owners != (claim["metadata"].get("ownerReferences") or []) and not meta.deleting(claim):
                changed = {**claim, "metadata": {**claim["metadata"], "ownerReferences": owners}}
                await self._claims.seen(await self._client.update(CLAIMS, changed))

    async def _create_claim(self, owner: Object, claim: Object, pod: str) -> None:
        name = meta.name(claim)
        try:
            made = await self._client.create(CLAIMS, claim)
        except StatusError as error:
            if error.reason == "AlreadyExists":  # our picture is behind
                return
            text = f"create Claim {name} for Pod {pod} in StatefulSet {meta.name(owner)} failed error: {error}"
            self._recorder.warning(owner, "FailedCreate", text)
            raise
        text = f"create Claim {name} Pod {pod} in StatefulSet {meta.name(owner)} success"
        self._recorder.normal(owner, "SuccessfulCreate", text)
        await self._claims.seen(made)
