"""The engine as a whole: opened by the daemon, composed here, closed without ending a container."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from functools import partial

from corral.engine import reserve
from corral.engine.adopt import adopt_all, boot
from corral.engine.config import EngineConfig
from corral.engine.containers import Containers
from corral.engine.events import Events
from corral.engine.execs import Execs
from corral.engine.exit import on_exit
from corral.engine.host import HostInfo, read_host
from corral.engine.network_records import NetworkRecords
from corral.engine.networking import NetworkVerbs
from corral.engine.parts import Parts, Paths
from corral.engine.registry import Live, Registry
from corral.engine.remap import KERNEL as OWN_USERS
from corral.engine.remap import close_remap, open_remap
from corral.engine.runtimes import RuntimeSet
from corral.engine.sandbox import Sandboxes
from corral.engine.spaces import Spaces, adopt_spaces
from corral.engine.stop import stop
from corral.engine.transfers import Transfers
from corral.errors import CorralError, NotFound, Unavailable, Unchanged, from_oserror
from corral.images import Images
from corral.kit.clock import Clock, SystemClock
from corral.kit.ids import new_id
from corral.linux import systemd
from corral.linux.cgroups import Cgroups, detect
from corral.linux.limits import Limits, probe
from corral.linux.mounts import filesystem, mounts_deep_in, mounts_under, unmount
from corral.linux.oom import OomWatch
from corral.linux.systemd import ensure_parent, remove_parent
from corral.logs.rotate import Rotator
from corral.logs.watches import Watches
from corral.networks import InstanceNames, NetworkConfig, Networks
from corral.runtime import abilities
from corral.runtime.exits import Exits
from corral.runtime.init import find_init
from corral.runtime.monitor import Monitor
from corral.runtime.sysctls import default_sysctls
from corral.store.sqlite import open_sqlite
from corral.volumes import Volumes

log = logging.getLogger("corral.engine")


class Engine:
    """`containers`, `execs`, `images`, `volumes`, `networks`, `events`: what the APIs translate to.

    `sandboxes` and `spaces` are for those who build on the engine: processes that no API shows, and what several
    containers share.

    One process at a time may have the engine of a root open.
    """

    def __init__(self, parts: Parts, lock: int) -> None:
        self.parts = parts
        self.config, self.host, self.events = parts.config, parts.host, parts.events
        self.images, self.volumes, self.networks = parts.images, parts.volumes, NetworkVerbs(parts)
        self.containers, self.execs, self.transfers = Containers(parts), Execs(parts), Transfers(parts)
        self.sandboxes, self.spaces = Sandboxes(parts), Spaces(parts)
        self._lock = lock

    @classmethod
    async def open(cls, config: EngineConfig, clock: Clock | None = None, *, start: bool = True) -> Engine:
        """Opens the state, takes over what runs, and (with `start`) starts what its restart policy wants.

        Unavailable when another process has it open, or a program that the engine needs is missing.
        """
        paths = Paths(config.root, config.run)
        paths.make()
        lock = _lock(f"{config.root}/lock")
        try:
            parts = await _compose(config, paths, clock or SystemClock())
        except BaseException:
            os.close(lock)
            raise
        engine = cls(parts, lock)
        await parts.registry.load()
        await adopt_spaces(parts)
        await adopt_all(parts)
        parts.opened = start
        await parts.exits.start(engine._ended)
        if start:
            await boot(parts)
        return engine

    @property
    def closing(self) -> bool:
        """Whether it is on its way out: nothing is to be started any more."""
        return self.parts.closing

    def _ended(self, id: str, code: int) -> None:
        self.parts.tasks.start(f"end of {id[:12]}", on_exit(self.parts, id))

    async def close(self) -> None:
        """Ends the daemon's part. Containers go on, with their monitors."""
        parts = self.parts
        parts.closing = True
        parts.events.close()
        await parts.images.disconnect()
        await parts.exits.close()  # ends that are told from now on are the next daemon's
        await parts.tasks.close()
        await parts.afterwork.close()
        for live in parts.registry:
            if live.hub:
                live.hub.close()
        await parts.rotator.close()
        await parts.oom.close()
        await parts.watches.close()
        await parts.networks.close()
        parts.registry.close()
        parts.images.close()
        close_remap(parts.config)
        os.close(self._lock)

    async def halt(self, grace: int | None = None) -> None:
        """Stops every container with its own signal and grace, or with this one (seconds): the machine goes down.

        Containers with a restart policy come back with the next start of the daemon.
        """
        parts = self.parts
        parts.closing = True
        await asyncio.gather(*(self._end(live, grace) for live in parts.registry if live.record.state.running))
        await parts.afterwork.drain()

    async def tidied(self) -> None:
        """Returns when the files of all that was removed so far are deleted."""
        await self.parts.afterwork.drain()

    async def teardown(self, grace: int | None = None) -> None:
        """Ends every container, as `halt`, and takes back all that the instance has on the host. State stays."""
        parts = self.parts
        await self.halt(grace)
        await parts.networks.teardown()
        for mount in mounts_under(parts.paths.run) + mounts_deep_in(parts.paths.root):
            unmount(mount, lazy=True)
        parts.cgroups.kill(parts.cgroup_root)
        await remove_parent(parts.cgroups, parts.names.tag)
        await self.close()

    async def _end(self, live: Live, grace: int | None) -> None:
        """One that does not end keeps nothing else from going."""
        try:
            await stop(self.parts, live, grace, remember=False)
        except (NotFound, Unchanged):
            return  # it ended by itself meanwhile
        except CorralError as error:
            log.error("%s", error.message)


def _lock(path: str) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise Unavailable(f"another daemon has {os.path.dirname(path)} open; `corral status` shows it") from None
    except OSError as error:
        os.close(fd)
        raise from_oserror(f"lock {path}", error) from error
    return fd


async def _compose(config: EngineConfig, paths: Paths, clock: Clock) -> Parts:
    cgroups, limits, names = Cgroups(detect()), probe(), InstanceNames.of_root(config.root)
    runtimes = await RuntimeSet.probe(config, f"{paths.run}/runtime", cgroups.layout)
    parent = config.cgroup_parent or await ensure_parent(cgroups, names.tag)
    watches = Watches()
    monitor = Monitor(config.conmon)
    if config.conmon:  # without one images still work, and a start says what to install; but a wrong path is a mistake
        monitor.require()
    network = NetworkConfig(subnet=config.bridge_subnet, ipv6=config.ipv6, mtu=config.bridge_mtu, icc=config.icc)
    networks = Networks(names=names, config=network, state_dir=f"{config.root}/networks")
    store = open_sqlite(f"{config.root}/engine.db")
    parts = Parts(
        config=config,
        paths=paths,
        names=names,
        clock=clock,
        host=_host(config, runtimes, cgroups, limits),
        limits=limits,
        abilities=abilities.probe(cgroups.layout),
        default_sysctls=default_sysctls(),
        store=store,
        registry=Registry(store),
        network_records=NetworkRecords(store),
        events=Events(clock),
        images=await Images.open(config.root, clock=clock, remote=config.remote),
        volumes=Volumes(f"{config.root}/volumes"),
        networks=networks,
        runtimes=runtimes,
        monitor=monitor,
        exits=Exits(paths.exits),
        cgroups=cgroups,
        oom=OomWatch(cgroups),
        cgroup_root=parent,
        watches=watches,
        rotator=Rotator(watches, lambda id: monitor.reopen_log(paths.bundle(id))),
    )
    parts.images.before_removal = partial(reserve.tend_aside, config.root)
    parts.remap = await asyncio.to_thread(open_remap, config, limits.kernel)
    parts.host.user_namespaces = parts.remap is not None
    await networks.setup(await parts.network_records.load())
    if systemd.running():  # systemd ends what it finds in the daemon's own cgroup
        group = f"{parent}/monitors"
        cgroups.create(group)
        parts.monitor_procs = [f"{path}/cgroup.procs" for path in cgroups.paths(group)]
    return parts


def _host(config: EngineConfig, runtimes: RuntimeSet, cgroups: Cgroups, limits: Limits) -> HostInfo:
    host = read_host()
    host.id = _instance_id(f"{config.root}/id")
    host.root = config.root
    host.cgroup_version = 2 if cgroups.layout.v2 else 1
    host.cgroup_controllers = sorted(cgroups.layout.controllers)
    host.runtimes = runtimes.versions()
    host.default_runtime = runtimes.default.name
    knows = {name: not runtimes.get(name).recursive_read_only(limits.kernel) for name in host.runtimes}
    host.recursive_read_only = [name for name, does in knows.items() if does]
    host.own_users = limits.kernel >= OWN_USERS
    host.root_fs = filesystem(config.root)
    has = {"apparmor": limits.apparmor, "seccomp": limits.seccomp, "cgroupns": cgroups.layout.v2}
    host.security = [name for name, there in has.items() if there]
    host.init = _init_name(config.init_path)
    return host


def _init_name(configured: str) -> str:
    """What --init puts in front; "" where the host has none, which whoever asks for it is told."""
    try:
        return os.path.basename(find_init(configured))
    except Unavailable:
        if configured:
            raise
        return ""


def _instance_id(path: str) -> str:
    """An id for this instance that stays the same for good."""
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        id = new_id()
    with open(path + ".new", "w") as file:
        file.write(id + "\n")
    os.rename(path + ".new", path)
    return id
