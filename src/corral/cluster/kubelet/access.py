"""Logs, commands, consoles and connections of this node's pods: `NodeAccess` (corral.cluster.client.nodes)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from corral.cluster.client.nodes import LogOptions
from corral.cluster.client.stream import Stream
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import member, uid_of
from corral.cluster.kubelet.shared import Shared
from corral.cluster.kubelet.times import nano
from corral.engine.engine import Engine
from corral.engine.hub import Attachment
from corral.errors import CorralError
from corral.linux.namespaces import in_netns
from corral.model.kubernetes.status import StatusError, bad_request, internal
from corral.model.process import ExecSpec, LogEntry, LogQuery

Object = dict[str, Any]


class PodAccess:
    """One for the node."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._engine = shared, shared.engine

    # ------------------------------------------------------------------------------------------------- logs

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        return self._lines(self._logged(pod, options), options)

    async def _lines(self, attempt: Attempt, options: LogOptions) -> AsyncIterator[bytes]:
        query = LogQuery(
            stdout=options.stream in ("All", "Stdout"),
            stderr=options.stream in ("All", "Stderr"),
            since=options.since or 0,
            tail=-1 if options.tail is None else options.tail,
            follow=options.follow,
        )
        left = options.limit
        broken = False  # the last line went on
        async for entry in self._engine.containers.logs(attempt.id, query):
            data = show(entry, timestamps=options.timestamps and not broken)
            broken = entry.partial
            if left is not None:
                data, left = data[:left], left - len(data)
            if data:
                yield data
            if left is not None and left <= 0:
                return

    def _logged(self, pod: Object, options: LogOptions) -> Attempt:
        meta, name = pod["metadata"], options.container
        if member(pod, name) is None:
            raise bad_request(f"container {name} is not valid for pod {meta['name']}")
        attempts = self._shared.index.attempts(uid_of(pod)).get(name) or []
        if options.previous:
            found = previous(attempts)
            if found is None:
                raise bad_request(f'previous terminated container "{name}" in pod "{meta["name"]}" not found')
            return found
        begun = [one for one in attempts if one.state != "made"]
        if not begun and (gone := ended_id(pod, name)):
            raise bad_request(f"unable to retrieve container logs for {gone}")
        if not begun:
            why = waiting_reason(pod, name)
            raise bad_request(f'container "{name}" in pod "{meta["name"]}" is waiting to start: {why}')
        return begun[-1]

    # ------------------------------------------------------------------------------------------------- processes

    def _running(self, pod: Object, container: str) -> Attempt:
        view = View(0, attempts=self._shared.index.attempts(uid_of(pod)))
        last = view.last(container)
        if last is None or not last.running:
            raise StatusError(500, "", f'container not found ("{container}")')  # as bare as kubelets say it
        return last

    def check_running(self, pod: Object, container: str) -> None:
        self._running(pod, container)

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> ExecStreams:
        attempt = self._running(pod, container)
        spec = ExecSpec(list(command), tty=tty, attach_stdin=stdin, attach_stdout=stdout, attach_stderr=stderr)
        try:
            id = await self._engine.execs.create(attempt.id, spec)
            attachment = await self._engine.execs.start(id)
        except CorralError as error:
            raise internal(f"error executing command in container: {error.message}") from error
        assert attachment is not None
        return ExecStreams(self._engine, id, attachment)

    async def attach(
        self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> AttachStreams:
        attempt = self._running(pod, container)
        try:
            found = await self._engine.containers.attach(attempt.id, stdin=stdin, stdout=stdout, stderr=stderr)
        except CorralError as error:
            raise internal(f"error attaching to container: {error.message}") from error
        return AttachStreams(self._engine, attempt.id, found)

    # ------------------------------------------------------------------------------------------------- connections

    async def connect(self, pod: Object, port: int) -> Stream:
        space = self._shared.index.space(uid_of(pod))
        if not space:
            raise internal("unable to do port forwarding: the pod is not running")
        loop = asyncio.get_running_loop()
        try:
            with self._engine.spaces.network(space) as netns:
                made = in_netns(netns, lambda: [socket.socket(family) for family in (socket.AF_INET, socket.AF_INET6)])
        except (CorralError, OSError) as error:
            raise internal(f"the pod's network cannot be entered: {error}") from error
        failure: OSError | None = None
        for handle, address in zip(made, ("127.0.0.1", "::1"), strict=True):
            if failure is None or handle.family == socket.AF_INET6:
                handle.setblocking(False)
                try:
                    await loop.sock_connect(handle, (address, port))
                except OSError as error:
                    failure = failure or error
                    handle.close()
                    continue
                for other in made:
                    if other is not handle:
                        other.close()
                reader, writer = await asyncio.open_connection(sock=handle)
                return Stream(reader, writer)
        number = failure.errno if failure else None  # asyncio has words of its own
        reason = os.strerror(number).lower() if number else str(failure)
        raise internal(f"failed to connect to localhost:{port} inside namespace: connect: {reason}")


class ExecStreams:
    """See `corral.cluster.client.nodes.Streams`."""

    def __init__(self, engine: Engine, id: str, attachment: Attachment) -> None:
        self._engine, self._id, self._attachment = engine, id, attachment

    async def read(self) -> tuple[int, bytes] | None:
        return await self._attachment.read()

    async def write(self, data: bytes) -> None:
        await self._attachment.write(data)

    async def close_stdin(self) -> None:
        await self._attachment.close_stdin()

    async def resize(self, height: int, width: int) -> None:
        with suppress(CorralError):  # it has ended meanwhile
            await self._engine.execs.resize(self._id, height, width)

    async def wait(self) -> int:
        return await self._engine.execs.wait(self._id)

    async def close(self) -> None:
        await self._attachment.close()


class AttachStreams(ExecStreams):
    """The console of the container itself."""

    async def resize(self, height: int, width: int) -> None:
        with suppress(CorralError):
            await self._engine.containers.resize(self._id, height, width)

    async def wait(self) -> int:
        return 0


def show(entry: LogEntry, *, timestamps: bool) -> bytes:
    """Pure: a line as clients are shown it.

    >>> show(LogEntry("stdout", 10**9, b"hi\\n"), timestamps=True)
    b'1970-01-01T00:00:01Z hi\\n'
    """
    return f"{nano(entry.time)} ".encode() + entry.data if timestamps else entry.data


def previous(attempts: Sequence[Attempt]) -> Attempt | None:
    """Pure: the run before the present one."""
    ended = [one for one in attempts[:-1] if one.ended]
    return ended[-1] if ended else None


def ended_id(pod: Object, name: str) -> str:
    """Pure: the container of a pod that is over, by its status; "" where none has run.

    >>> ended = {"name": "a", "state": {"terminated": {"containerID": "corral://f00"}}}
    >>> ended_id({"status": {"containerStatuses": [ended]}}, "a")
    'corral://f00'
    """
    status = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for one in status.get(key) or ():
            if one["name"] == name:
                return str(((one.get("state") or {}).get("terminated") or {}).get("containerID") or "")
    return ""


def waiting_reason(pod: Object, name: str) -> str:
    """Pure: why a container has not been started, by the pod's status."""
    status = pod.get("status") or {}
    for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for one in status.get(key) or ():
            if one["name"] == name:
                waiting = (one.get("state") or {}).get("waiting") or {}
                found = waiting.get("message") or waiting.get("reason")
                if waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff"):
                    return "trying and failing to pull image"
                return str(waiting.get("reason") or found or "ContainerCreating")
    return "ContainerCreating"
