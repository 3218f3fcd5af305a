"""Gives a pod that runs other resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from corral.cluster.kubelet.containers.limits import plan_limits, plan_pod_limits
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import Member, members
from corral.cluster.kubelet.resizing.plan import (
    Pending,
    asked,
    is_restart_needed,
    plan_between,
    plan_pending,
    remembered,
    with_allotted,
)
from corral.errors import CorralError, HostError

if TYPE_CHECKING:
    from corral.cluster.kubelet.worker.worker import PodWorker

Object = dict[str, Any]

FIELDS: Final = ("cpu_shares", "nano_cpus", "memory", "memory_swap")


class Resizer:
    """Belongs to one worker. `allotted`: what the pod was given, by container; `pending`, `error`: what stands between
    that and what it asks for, and between that and what it has."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self.allotted = remembered(worker.pod)
        self.pending: Pending | None = None
        self.error = ""
        self._going = False
        self._restarting: set[str] = set()

    def pod(self) -> Object:
        """As it is to run."""
        return with_allotted(self._worker.pod, self.allotted)

    @property
    def in_progress(self) -> bool:
        return self._going

    def allot(self) -> None:
        """Gives it what it asks for, where the node has that."""
        worker = self._worker
        wanted = asked(worker.pod)
        if wanted == self.allotted:
            self.pending = None
            return
        pending = plan_pending(worker.pod, worker.shared.others(worker.uid), worker.shared.allocatable)
        if pending is not None:
            if pending != self.pending:
                worker.shared.events.warning(worker.pod, f"Resize{pending.reason}", pending.message)
            self.pending = pending
            return
        self.pending, self.allotted = None, wanted
        worker.shared.events.normal(worker.pod, "ResizeStarted", "Pod resize started")

    async def apply(self, view: View) -> None:
        """Puts what was given into force. What cannot be is said, and tried again."""
        worker, memory, engine = self._worker, self._worker.memory, self._worker.shared.engine
        changes = [(one, last) for one in members(self.pod()) if (last := self._outdated(one, view)) is not None]
        self._restarting -= {one.name for one in members(self.pod()) if self._is_done(one, view)}
        if not changes:
            self._finish()
            return
        self._going, self.error = True, ""
        after = plan_pod_limits(self.pod())
        try:
            before = engine.spaces.get(memory.space).spec.resources
            await engine.spaces.limit(memory.space, plan_between(before, after))
            for one, last in changes:
                await self._change(one, last)
            await engine.spaces.limit(memory.space, after)
        except CorralError as error:
            self.error = error.message
            worker.shared.events.warning(worker.pod, "ResizeError", error.message)
            return
        if not any(self._outdated(one, view) for one, _ in changes):
            self._finish()

    def _finish(self) -> None:
        if self._going and not self._restarting:
            self._going, self.error = False, ""
            self._worker.shared.events.normal(self._worker.pod, "ResizeCompleted", "Pod resize completed")

    def _is_done(self, one: Member, view: View) -> bool:
        last = view.last(one.name)
        return last is not None and last.running and self._outdated(one, view) is None

    def _outdated(self, one: Member, view: View) -> Attempt | None:
        """The container's attempt that runs with other resources than it was given."""
        last = view.last(one.name)
        if last is None or not last.running or one.name not in self.allotted:
            return None
        known = self._worker.memory.resources.get(last.id)
        return None if known is None or known["resources"] == self.allotted[one.name] else last

    async def _change(self, one: Member, last: Attempt) -> None:
        worker = self._worker
        has, wanted = worker.memory.resources[last.id]["resources"], self.allotted[one.name]
        if is_restart_needed(one, has, wanted):
            self._restarting.add(one.name)
            worker.memory.backoffs.pop(one.name, None)
            worker.ender.end(last, f"Container {one.name} resize requires restart")
            return
        limits = plan_limits(wanted)
        if limits.memory:
            used = (await worker.shared.engine.containers.stats(last.id)).cgroup.memory_usage
            if used >= limits.memory:
                message = f'attempting to set container "{one.name}" memory limit ({limits.memory}) below current usage'
                raise HostError(f"{message} ({used})")
        await worker.shared.engine.containers.update(last.id, {name: getattr(limits, name) for name in FIELDS})
        worker.memory.resources[last.id] = shown_resources(one.spec)


def shown_resources(container: Object) -> Object:
    """Pure: what a container's status says of its limits.

    >>> shown_resources({"resources": {"requests": {"cpu": "1"}}})
    {'allocatedResources': {'cpu': '1'}, 'resources': {'requests': {'cpu': '1'}}}
    """
    resources = container.get("resources") or {}
    found: Object = {"allocatedResources": resources["requests"]} if resources.get("requests") else {}
    return found | {"resources": resources}
