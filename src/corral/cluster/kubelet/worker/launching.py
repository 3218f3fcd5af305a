"""Launching a pod's containers, each in a task of its own: until it has started, and its probes go."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn

from corral.cluster.kubelet.containers.spec import Place
from corral.cluster.kubelet.errors import CannotStart
from corral.cluster.kubelet.lifecycle.restarts import SECOND, next_backoff
from corral.cluster.kubelet.lifecycle.view import View, Waiting
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import Member, hostname, member, members
from corral.cluster.kubelet.probes.answer import Answer
from corral.cluster.kubelet.probes.asking import ask, ask_hook
from corral.cluster.kubelet.probes.prober import NAMES, Prober
from corral.cluster.kubelet.resizing.resizer import shown_resources
from corral.cluster.kubelet.worker.pause import ensure_pause, remove_pause
from corral.cluster.kubelet.worker.starting import Ground, make
from corral.errors import CorralError, RuntimeFailed
from corral.kit.backoff import exponential
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.kubelet.worker.worker import PodWorker

Object = dict[str, Any]

FIRST_RETRY: Final = 1000  # milliseconds
LONGEST_RETRY: Final = 10_000
# Of what is wrong with an image, ImagePuller has told in full: the event has the word alone.
OF_IMAGES: Final = ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName")


class Launcher:
    """Belongs to one worker, whose memory it keeps up."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._tasks = Tasks()
        self._pausing = asyncio.Lock()

    # ------------------------------------------------------------------------------------------------- starting

    def launch(self, one: Member, number: int, last: Attempt | None) -> None:
        memory = self._worker.memory
        if last is not None and last.ended and last.space == memory.space:
            memory.backoffs[one.name] = next_backoff(memory.backoffs.get(one.name), time.time_ns())
        task = self._tasks.start(f"start {one.name}", self._launch(one, number))
        memory.starting[one.name] = task
        task.add_done_callback(lambda _: self._launched(one.name))

    def _launched(self, name: str) -> None:
        self._worker.memory.starting.pop(name, None)
        self._worker.wake()

    async def _launch(self, one: Member, number: int) -> None:
        worker, memory, engine = self._worker, self._worker.memory, self._worker.shared.engine
        try:
            async with worker.shared.turns:
                made = await make(worker.shared, self._told_pod(), one, number, lambda: self._ground(one))
                memory.images[made.id], memory.image_ids[made.id] = made.image, made.image_id
                memory.resources[made.id] = shown_resources(one.spec)
                try:
                    await engine.containers.start(made.id)
                except RuntimeFailed as error:
                    self.tell(one.name, "Normal", "Created", "Container created")
                    self.tell(one.name, "Warning", "Failed", f"Error: {error.message}")
                    memory.waiting.pop(one.name, None)
                    return
                except CorralError as error:
                    await self._unmake(made.id, error)
                self.tell(one.name, "Normal", "Created", "Container created")
        except (CorralError, OSError) as error:
            self._cannot(one, error)
            return
        for known in (memory.waiting, memory.failed, memory.tries):
            known.pop(one.name, None)
        self.tell(one.name, "Normal", "Started", "Container started")
        await self._started(one, made.id)

    async def _unmake(self, id: str, error: CorralError) -> NoReturn:
        """Refused before the runtime was asked (a mount that cannot propagate, a user that the image has not): to its
        pod such a container has never been made, and does not count as one of its runs. CannotStart."""
        await self._worker.ender.remove(id)
        raise CannotStart("CreateContainerError", error.message) from error

    def _told_pod(self) -> Object:
        """The pod with its addresses, which its containers may ask for before the status is written."""
        worker = self._worker
        ips, hosts = worker.memory.ips, worker.shared.addresses
        status: Object = dict(worker.pod.get("status") or {})
        if ips:
            status |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
        if hosts:
            status |= {"hostIP": hosts[0], "hostIPs": [{"ip": ip} for ip in hosts]}
        return {**worker.pod, "status": status}

    async def _ground(self, one: Member) -> Ground:
        worker, pod, shared = self._worker, self._worker.pod, self._worker.shared
        space = shared.engine.spaces.get(worker.memory.space)
        place = Place(
            space,
            hostname(pod, shared.node),
            await self._pid_mode(one),
            shared.memory,
            worker.memory.runtime,
        )
        volumes = worker.volumes
        await volumes.set_up_images(pod, one.spec)
        return Ground(place, worker.files(), dict(volumes.places), volumes.read_only, volumes.root)

    async def _pid_mode(self, one: Member) -> str:
        worker, pod = self._worker, self._worker.pod
        target = one.spec.get("targetContainerName") if one.kind == "ephemeral" else None
        if pod["spec"].get("hostPID"):
            return "host"
        if pod["spec"].get("shareProcessNamespace"):
            async with self._pausing:
                pause = await ensure_pause(worker.shared, pod, worker.memory.space)
            return f"container:{pause}"
        if target:
            attempts = worker.shared.index.attempts(worker.uid).get(target) or []
            if not attempts or not attempts[-1].running:
                raise CannotStart("CreateContainerError", f"target container {target} is not running")
            return f"container:{attempts[-1].id}"
        return ""

    def _cannot(self, one: Member, error: Exception) -> None:
        """Nothing runs: what is wrong is shown, and it is tried again later."""
        worker, memory = self._worker, self._worker.memory
        tries = memory.tries[one.name] = memory.tries.get(one.name, -1) + 1
        reason = error.reason if isinstance(error, CannotStart) else "CreateContainerError"
        text = error.message if isinstance(error, CorralError) else str(error)
        memory.waiting[one.name] = Waiting(reason, text)
        when = time.time_ns() + exponential(tries, FIRST_RETRY, LONGEST_RETRY) * 1_000_000
        if reason == "ErrImagePull":  # soon again, to say that it waits
            when = time.time_ns() + SECOND
        elif reason == "ImagePullBackOff":
            when = max(when, worker.shared.puller.pause(worker.uid, one.spec["image"]))
        memory.failed[one.name] = when
        self.tell(one.name, "Warning", "Failed", f"Error: {reason if reason in OF_IMAGES else text}")

    def tell(self, name: str, kind: str, reason: str, message: str) -> None:
        worker = self._worker
        one = member(worker.pod, name)
        path = one.field_path if one else ""
        worker.shared.events.record(worker.pod, kind, reason, message, field_path=path)

    # ------------------------------------------------------------------------------------------------- after the start

    async def _started(self, one: Member, id: str) -> None:
        worker = self._worker
        hook = (one.spec.get("lifecycle") or {}).get("postStart")
        if hook:
            worker.wake()  # it runs already
            answer = await ask_hook(worker.shared.engine, id, one.spec, self._ip(), hook, None)
            if not answer.good:
                self.tell(one.name, "Warning", "FailedPostStartHook", "PostStartHook failed")
                worker.memory.waiting[one.name] = Waiting("PostStartHookError", answer.output)
                worker.memory.unhealthy[id] = "postStart"
                return
        self._watch(one, id, has_started=False)

    def _watch(self, one: Member, id: str, *, has_started: bool, ready: bool = False) -> None:
        """Its probes from now on. What has no probe is well."""
        memory, engine = self._worker.memory, self._worker.shared.engine
        if has_started or not one.spec.get(NAMES["startup"]):
            memory.started.add(id)
        if ready or not one.spec.get(NAMES["readiness"]):
            memory.ready.add(id)
        if not any(one.spec.get(name) for name in NAMES.values()):
            return
        begun = engine.containers.get(id).state.started_at / SECOND

        async def asked(probe: Object, timeout: float) -> Answer:
            return await ask(engine, id, one.spec, self._ip(), probe, timeout)

        prober = Prober(
            one.spec,
            begun,
            asked,
            lambda kind, well: self._verdict(id, kind, well),
            lambda kind, answer: self._unwell(one, kind, answer),
        )
        memory.probers[id] = prober
        prober.begin(has_started=has_started, ready=ready)

    def _ip(self) -> str:
        ips = self._worker.memory.ips
        return ips[0] if ips else "127.0.0.1"

    def _verdict(self, id: str, kind: str, well: bool) -> None:
        memory = self._worker.memory
        if kind == "readiness":
            (memory.ready.add if well else memory.ready.discard)(id)
        elif not well:
            memory.unhealthy[id] = kind
        elif kind == "startup":
            memory.started.add(id)
        self._worker.wake()

    def _unwell(self, one: Member, kind: str, answer: Answer) -> None:
        how = "errored" if answer.errored else "failed"
        self.tell(one.name, "Warning", "Unhealthy", f"{kind.capitalize()} probe {how}: {answer.output}")

    def probe(self, container: str, kind: str) -> Object:
        one = member(self._worker.pod, container)
        return dict((one.spec.get(NAMES.get(kind, "")) or {}) if one else {})

    # ------------------------------------------------------------------------------------------------- taking over

    def adopt(self, attempts: dict[str, list[Attempt]]) -> None:
        """What runs already: by the status it had started, and was ready."""
        status = self._worker.pod.get("status") or {}
        lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
        known = {one.get("containerID", "").partition("://")[2]: one for key in lists for one in status.get(key) or ()}
        for one in members(self._worker.pod):
            last = View(0, attempts=attempts).last(one.name)
            if last is None or not last.running:
                continue
            before = known.get(last.id) or {}
            had = {key: before[key] for key in ("allocatedResources", "resources") if key in before}
            self._worker.memory.resources[last.id] = had if "resources" in had else shown_resources(one.spec)
            self._worker.memory.image_ids[last.id] = before.get("imageID") or last.image_id
            self._worker.memory.images[last.id] = before.get("image") or last.image
            self._watch(one, last.id, has_started=bool(before.get("started")), ready=bool(before.get("ready")))

    async def forget_probes(self, id: str) -> None:
        prober = self._worker.memory.probers.pop(id, None)
        self._worker.memory.unhealthy.pop(id, None)
        if prober is not None:
            await prober.close()

    async def end_pause(self) -> None:
        await remove_pause(self._worker.shared, self._worker.pod)

    async def close(self) -> None:
        for id in list(self._worker.memory.probers):
            await self.forget_probes(id)
        await self._tasks.close()
