"""The controller of DaemonSets: reads nodes and pods, asks the decisions next door, and writes what they say.

Follows upstream's pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from corral.cluster.client import meta
from corral.cluster.client.builtin import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.claiming import Claimer, index_owners, owned
from corral.cluster.controllers.common.history import POD_LABEL, Collided, History, in_order
from corral.cluster.controllers.common.podcontrol import BURST, PodControl, namespace_is_going
from corral.cluster.controllers.common.pods import label, next_available, phase
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.daemonset.managing import Plan, View, plan_pods
from corral.cluster.controllers.daemonset.placing import Verdict, by_node, judge, new_pod
from corral.cluster.controllers.daemonset.rolling import bounds, plan_update
from corral.cluster.controllers.daemonset.status import plan_status
from corral.cluster.controllers.shared import Shared
from corral.kit.backoff import exponential
from corral.model.kubernetes.selectors import of_object
from corral.model.kubernetes.status import StatusError

SELECTS_ALL = "This daemon set is selecting all pods. A non-empty selector is required."
FIRST_REST, LONGEST_REST = 1, 15 * 60  # seconds before a failed pod is replaced


class Rests:
    """How long a node's failed pods rest before they are replaced: longer each time, forgotten when it went well."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[int, float]] = {}

    def left(self, daemon_set: str, node: str, now: float) -> float:
        """Seconds still to wait; 0 begins the next rest."""
        failures, until = self._known.get((daemon_set, node), (0, 0.0))
        if now < until:
            return until - now
        rest = exponential(failures, FIRST_REST, LONGEST_REST)
        if now > until + 2 * LONGEST_REST:
            failures, rest = 0, FIRST_REST
        self._known[daemon_set, node] = failures + 1, now + rest
        return 0.0

    def forget(self, daemon_set: str) -> None:
        for key in [key for key in self._known if key[0] == daemon_set]:
            del self._known[key]


class DaemonSetController(Controller):
    name = "daemonset-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._sets, self._pods = shared.informers.of(DAEMON_SETS), shared.informers.of(PODS)
        self._nodes, self._revisions = shared.informers.of(NODES), shared.informers.of(CONTROLLER_REVISIONS)
        super().__init__([self._sets, self._pods, self._nodes, self._revisions])
        index_owners(self._pods)
        index_owners(self._revisions)
        self._claimer = Claimer(shared.client, DAEMON_SETS, "DaemonSet")
        self._history = History(shared.client, self._revisions, POD_LABEL)
        self._recorder = shared.events.recorder(self.name)
        self._control = PodControl(shared.client, self._pods, self._recorder)
        self._rests = Rests()
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._revisions.on_change(self._revision_changed)

    # ------------------------------------------------------------------------------------------------- what concerns

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))
        elif old is not None:
            self._rests.forget(meta.uid(old))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            if pod is not None:
                self._owner_of(pod)
        if new is not None and meta.controller_of(new) is None and not meta.deleting(new):
            self._those_that_select(new)

    def _owner_of(self, one: Object) -> None:
        owner = meta.controller_of(one)
        if owner is not None and owner.get("kind") == "DaemonSet":
            self.queue.add(f"{meta.namespace(one)}/{owner['name']}")

    def _those_that_select(self, orphan: Object) -> None:
        labels = orphan["metadata"].get("labels") or {}
        for one in self._sets.all():
            same = meta.namespace(one) == meta.namespace(orphan)
            if same and of_object(one["spec"].get("selector")).matches(labels):
                self.queue.add(meta.key(one))

    def _revision_changed(self, old: Object | None, new: Object | None) -> None:
        """One that somebody has taken away is made anew; one that nobody owns may be a set's."""
        if old is not None and (new is None or meta.controller_of(old) != meta.controller_of(new)):
            self._owner_of(old)
        if new is not None and meta.controller_of(new) is None and not meta.deleting(new):
            self._those_that_select(new)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Heartbeats are no news: only what decides where pods belong."""
        if old is not None and new is not None and _place(old) == _place(new):
            return
        for one in self._sets.all():
            before = judge(one, old) if old is not None else None
            if before != (judge(one, new) if new is not None else None):
                self.queue.add(meta.key(one))

    # ------------------------------------------------------------------------------------------------- reconciling

    async def reconcile(self, key: str) -> float | None:
        daemon_set = self._sets.get(key)
        if daemon_set is None or meta.deleting(daemon_set):
            return None
        selector = of_object(daemon_set["spec"].get("selector"))
        if not selector.requirements:
            self._recorder.warning(daemon_set, "SelectingAll", SELECTS_ALL)
            return None
        kept = in_order(await self._claimer.claim(daemon_set, selector, self._revisions))
        await self._claimer.claim(daemon_set, selector, self._pods)
        collisions = (daemon_set.get("status") or {}).get("collisionCount")
        reference = self._claimer.reference(daemon_set)
        try:
            current = await self._history.current(daemon_set, reference, kept, int(collisions or 0))
        except Collided:
            told = {**(daemon_set.get("status") or {}), "collisionCount": int(collisions or 0) + 1}
            await self._tell(daemon_set, told)
            return 0
        return await self._bring_about(daemon_set, label(current, POD_LABEL), meta.name(current), collisions)

    async def _bring_about(self, daemon_set: Object, hash: str, name: str, collisions: int | None) -> float | None:
        nodes = {meta.name(node): judge(daemon_set, node) for node in self._nodes.all()}
        desired = sum(verdict.run for verdict in nodes.values())
        surge, unavailable = bounds(daemon_set, desired)
        min_ready = int(daemon_set["spec"].get("minReadySeconds") or 0)
        view = View(hash, surge, unavailable, min_ready, self._shared.now())
        again, error = await self._manage(daemon_set, nodes, view)
        if error is None and _rolls(daemon_set):
            pods = self._by_node(daemon_set, nodes)
            error = await self._carry_out(daemon_set, plan_update(nodes, pods, view), hash)
        mine = owned(self._pods, daemon_set)
        await self._tell(daemon_set, plan_status(daemon_set, nodes, by_node(mine), view, collisions))
        if error is not None:
            if namespace_is_going(error):
                return None
            raise error
        await self._clean_up(daemon_set, name, mine)
        soon = next_available(mine, min_ready, view.now)
        return min((one for one in (again, soon) if one is not None), default=None)

    async def _manage(
        self, daemon_set: Object, nodes: Mapping[str, Verdict], view: View
    ) -> tuple[float | None, StatusError | None]:
        """One pod on each node that should have one; when to look again because pods failed, and what went wrong."""
        waits: list[float] = []

        def rests(node: str, pod: Object) -> bool:
            left = self._rests.left(meta.uid(daemon_set), node, view.now.timestamp())
            if left:
                waits.append(left)
            return left > 0

        plan = plan_pods(nodes, by_node(owned(self._pods, daemon_set)), view, rests)
        for pod in plan.ended:
            self._tell_ended(daemon_set, pod)
        error = await self._carry_out(daemon_set, plan, view.hash)
        return min(waits, default=None), error

    def _tell_ended(self, daemon_set: Object, pod: Object) -> None:
        where = f"{meta.namespace(pod)}/{meta.name(pod)} on node {(pod['spec'].get('nodeName') or '')}"
        if phase(pod) == "Failed":
            text = f"Found failed daemon pod {where}, will try to kill it"
            self._recorder.warning(daemon_set, "FailedDaemonPod", text)
        else:
            text = f"Found succeeded daemon pod {where}, will try to delete it"
            self._recorder.normal(daemon_set, "SucceededDaemonPod", text)

    async def _carry_out(self, daemon_set: Object, plan: Plan, hash: str) -> StatusError | None:
        reference = self._claimer.reference(daemon_set)
        pods = [new_pod(daemon_set, node, hash, reference) for node in plan.create[:BURST]]
        made = await self._control.create_all(daemon_set, pods)
        gone = await self._control.delete_all(daemon_set, plan.delete[:BURST])
        if max(len(plan.create), len(plan.delete)) > BURST:
            self.queue.add(meta.key(daemon_set))
        return made.error or gone.error

    def _by_node(self, daemon_set: Object, nodes: Mapping[str, Verdict]) -> dict[str, list[Object]]:
        """Nodes that should have a pod and have none are in there too: they count as unavailable."""
        empty: dict[str, list[Object]] = {node: [] for node, verdict in nodes.items() if verdict.run}
        return {**empty, **by_node(owned(self._pods, daemon_set))}

    async def _clean_up(self, daemon_set: Object, current: str, pods: Sequence[Object]) -> None:
        hashes = {label(pod, POD_LABEL) for pod in pods}
        revisions = owned(self._revisions, daemon_set)
        live = {meta.name(one) for one in revisions if label(one, POD_LABEL) in hashes}
        limit = daemon_set["spec"].get("revisionHistoryLimit")
        await self._history.clean_up(revisions, live | {current}, limit)

    async def _tell(self, daemon_set: Object, status: Object) -> None:
        if status != daemon_set.get("status"):
            written = await self._client.update(DAEMON_SETS, {**daemon_set, "status": status}, subresource="status")
            await self._sets.seen(written)


def _rolls(daemon_set: Object) -> bool:
    return bool((daemon_set["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def _place(node: Object) -> tuple[object, object]:
    return node["metadata"].get("labels"), (node.get("spec") or {}).get("taints")
