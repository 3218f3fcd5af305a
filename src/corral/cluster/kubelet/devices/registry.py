"""The plugins that have registered: each lays a socket into a folder, is asked who it is, and told what came of it."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from corral.cluster.kubelet.devices.calls import call
from corral.cluster.kubelet.devices.messages import PluginInfo, plan_status, read_info
from corral.cluster.kubelet.grpc_wire import CallFailed
from corral.errors import CorralError, from_oserror
from corral.kit.backoff import exponential
from corral.kit.tasks import Tasks
from corral.linux import inotify
from corral.model.kubernetes.protobuf.wire import WireError

log = logging.getLogger("corral.kubelet")

SECONDS: Final = 10.0  # for each call of a registration
SERVICES: Final = {  # what this kubelet speaks, the best first
    "v1.DRAPlugin": "k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin",
    "v1beta1.DRAPlugin": "k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin",
}
REGISTRATION: Final = "/pluginregistration.Registration"
CHANGES: Final = inotify.CREATE | inotify.MOVED_TO | inotify.MOVED_FROM | inotify.DELETE | inotify.DELETE_SELF
FIRST_RETRY, LONGEST_RETRY = 500, 30_000  # milliseconds


@dataclass(frozen=True)
class Plugin:
    """`service`: the gRPC service that is called at `endpoint`."""

    driver: str
    endpoint: str
    service: str


class Registry:
    """`changed(driver)` is called when a driver has come or gone. `run` until it is cancelled."""

    def __init__(self, folder: str, changed: Callable[[str], None]) -> None:
        self._folder, self._changed = folder, changed
        self._by_socket: dict[str, Plugin | None] = {}
        self._tasks = Tasks()
        self._known: dict[str, asyncio.Task[None]] = {}

    def plugin(self, driver: str) -> Plugin | None:
        """The one that registered last."""
        found = [one for one in self._by_socket.values() if one is not None and one.driver == driver]
        return found[-1] if found else None

    async def run(self) -> None:
        try:
            async for _ in changes(self._folder):
                self._look()
        finally:
            await self._tasks.close()

    def _look(self) -> None:
        """Sockets that have come are registered, those that have gone are forgotten."""
        here = _sockets(self._folder)
        for path in [path for path in self._known if path not in here]:
            self._known.pop(path).cancel()
            gone = self._by_socket.pop(path, None)
            if gone is not None:
                log.info("the plugin of %s has gone", gone.driver)
                self._changed(gone.driver)
        for path in sorted(here - self._known.keys()):
            self._known[path] = self._tasks.start(f"register {path}", self._register(path))

    async def _register(self, path: str) -> None:
        """Again and again, with growing pauses, until it is done or the socket goes: a plugin may be late to listen."""
        failures = 0
        while True:
            try:
                info = read_info(await call(path, f"{REGISTRATION}/GetInfo", b"", SECONDS))
                error = judge(info, path)
                await call(path, f"{REGISTRATION}/NotifyRegistrationStatus", plan_status(error), SECONDS)
            except (CallFailed, WireError) as failure:
                log.warning("plugin at %s does not register: %s", path, failure)
                await asyncio.sleep(exponential(failures, FIRST_RETRY, LONGEST_RETRY) / 1000)
                failures += 1
                continue
            if error:
                log.warning("plugin at %s is not registered: %s", path, error)
                return
            service = next(name for short, name in SERVICES.items() if short in info.services)
            self._by_socket[path] = Plugin(info.name, info.endpoint or path, service)
            log.info("the plugin of %s is at %s", info.name, info.endpoint or path)
            self._changed(info.name)
            return


def judge(info: PluginInfo, path: str) -> str:
    """Pure: why a plugin cannot be used, "" where it can.

    >>> judge(PluginInfo("CSIPlugin", "a", "", ()), "/s")
    'no handler registered for plugin type: CSIPlugin at socket /s'
    """
    if info.type != "DRAPlugin":
        return f"no handler registered for plugin type: {info.type} at socket {path}"
    if not info.name:
        return "DRA driver name is empty"
    if not SERVICES.keys() & set(info.services):
        text = f"invalid supported gRPC versions of DRA driver plugin {info.name} at endpoint {info.endpoint or path}"
        return f"{text}: none of its services is supported: {', '.join(info.services) or 'it names none'}"
    return ""


def _sockets(folder: str) -> set[str]:
    found = set()
    for parent, _, names in os.walk(folder):
        for name in names:
            path = f"{parent}/{name}"
            with suppress(OSError):
                if not name.startswith(".") and stat.S_ISSOCK(os.stat(path).st_mode):
                    found.add(path)
    return found


async def changes(folder: str) -> AsyncIterator[None]:
    """Yields once at first and then whenever the folder, or one in it, may have changed. HostError."""
    while True:
        watch = inotify.Inotify()
        try:
            os.makedirs(folder, mode=0o750, exist_ok=True)
            for parent, _, _ in os.walk(folder):
                watch.add(parent, CHANGES | inotify.ONLYDIR)
            yield
            async for event in watch:
                if event.mask & (inotify.IGNORED | inotify.DELETE_SELF):
                    break  # it is made anew
                if event.mask & inotify.CREATE and os.path.isdir(f"{folder}/{event.name}"):
                    break  # it is watched, too
                yield
        except OSError as error:
            raise from_oserror(f"watch {folder}", error) from error
        finally:
            watch.close()


async def keep_running(registry: Registry, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """What keeps the folder from being watched is told, and tried again."""
    while True:
        try:
            await registry.run()
        except CorralError as error:
            log.warning("plugins: %s", error.message)
            await pause(LONGEST_RETRY / 1000)
