"""What every verb of the engine works with, and where things lie on disk."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from corral.engine.config import EngineConfig
from corral.engine.events import Events
from corral.engine.host import HostInfo
from corral.engine.registry import Live, Registry
from corral.errors import NotFound
from corral.kit.clock import Clock
from corral.kit.tasks import Afterwork, Tasks
from corral.linux.private import make_private
from corral.model.container import Endpoint
from corral.model.space import Space
from corral.runtime.filters import Filters

if TYPE_CHECKING:
    from corral.engine.network_records import NetworkRecords
    from corral.engine.remap import Remap
    from corral.engine.runtimes import RuntimeSet
    from corral.images import Images
    from corral.linux.cgroups import Cgroups
    from corral.linux.limits import Limits
    from corral.linux.oom import OomWatch
    from corral.logs.rotate import Rotator
    from corral.logs.watches import Watches
    from corral.networks import InstanceNames, Networks
    from corral.runtime.abilities import Abilities
    from corral.runtime.exits import Exits
    from corral.runtime.monitor import Monitor
    from corral.store.interface import Store
    from corral.volumes import Volumes


@dataclass(frozen=True)
class Paths:
    """`root` outlives a boot, `run` need not."""

    root: str
    run: str

    def bundle(self, id: str) -> str:
        """The OCI bundle: config.json, the mounted root file system, the files the engine writes."""
        return f"{self.run}/c/{id}"

    def rootfs(self, id: str) -> str:
        return f"{self.run}/c/{id}/rootfs"

    def state(self, id: str) -> str:
        """What the container leaves on disk besides its file system: its log."""
        return f"{self.root}/containers/{id}"

    def log(self, id: str) -> str:
        return f"{self.root}/containers/{id}/container.log"

    @property
    def exits(self) -> str:
        """Exit statuses that monitors wrote: on disk, because one may have been written just before a reboot."""
        return f"{self.root}/exits"

    @property
    def build(self) -> str:
        """What builds keep: their records, and directories that several of them share."""
        return f"{self.root}/build"

    def space(self, id: str) -> str:
        """Where the namespaces of a space are mounted."""
        return f"{self.run}/s/{id}"

    def exec(self, id: str) -> str:
        return f"{self.run}/e/{id}"

    def make(self) -> None:
        for path in (f"{self.root}/containers", self.build, self.exits, f"{self.run}/e", f"{self.run}/runtime"):
            make_private(path)
        for path in (f"{self.run}/c", f"{self.run}/s"):  # what is in there is closed, one by one
            os.makedirs(path, mode=0o711, exist_ok=True)


@dataclass
class Parts:
    """The parts that the engine composes. Made once, in `engine.py`."""

    config: EngineConfig
    paths: Paths
    names: InstanceNames
    clock: Clock
    host: HostInfo
    limits: Limits
    abilities: Abilities
    default_sysctls: dict[str, str]
    store: Store
    registry: Registry
    events: Events
    network_records: NetworkRecords
    images: Images
    volumes: Volumes
    networks: Networks
    runtimes: RuntimeSet
    monitor: Monitor
    exits: Exits
    cgroups: Cgroups
    oom: OomWatch
    cgroup_root: str  # the group, in every hierarchy, under which this instance's containers live
    watches: Watches
    rotator: Rotator
    spaces: dict[str, Space] = field(default_factory=dict)
    tasks: Tasks = field(default_factory=Tasks)
    afterwork: Afterwork = field(default_factory=Afterwork)
    filters: Filters = field(default_factory=Filters)
    monitor_procs: list[str] = field(default_factory=list)  # cgroup.procs files that monitors enter
    on_end: list[Callable[[Live], None]] = field(default_factory=list)  # called when a container's process has ended
    opened: bool = False  # what has been found is taken over; before, nothing is restarted
    remap: Remap | None = None  # where containers' users are not the host's
    closing: bool = False

    def tell(self, live: Live, action: str, **more: str) -> None:
        """Publishes a container's event with its image, name and labels."""
        record = live.record
        if record.hidden:
            return
        attributes = {**record.spec.labels, "image": record.spec.image, "name": record.name, **more}
        self.events.publish("container", action, record.id, attributes, record.spec.unlisted)

    def tell_network(self, live: Live, action: str, endpoint: Endpoint) -> None:
        """Publishes that a container joined or left a network."""
        if live.record.hidden:
            return
        try:
            driver = self.networks.need(endpoint.network).driver
        except NotFound:  # it has just been removed
            driver = "bridge"
        attributes = {"container": live.id, "name": endpoint.network, "type": driver}
        self.events.publish("network", action, endpoint.network_id, attributes, live.record.spec.unlisted)

    def tell_volumes(self, live: Live, action: str) -> None:
        """Publishes that a container has its volumes ("mount"), or has them no more ("unmount")."""
        for point in live.record.mount_points:
            if point.type == "volume":
                how = {
                    "destination": point.target,
                    "read/write": "true" if point.read_write else "false",
                    "propagation": point.propagation,
                }
                attributes = {"container": live.id, "driver": point.driver or "local"}
                more = how if action == "mount" else {}
                self.events.publish("volume", action, point.name, attributes | more, live.record.spec.unlisted)

    def tell_image(self, action: str, id: str, name: str = "") -> None:
        """Publishes an image's event with its labels, where it is still there. Without a `name` it has its id."""
        try:
            labels = self.images.get(id).config.labels
        except NotFound:
            labels = {}
        self.events.publish("image", action, id, {**labels, "name": name or id})

    def group(self, live: Live) -> str:
        """The container's own cgroup."""
        return plan_group(live.record.spec.cgroup_parent or self.cgroup_root, live.id)


def plan_group(parent: str, id: str) -> str:
    """Pure: a container's group; ".." does not lead out of the hierarchy.

    >>> plan_group("/a/b", "4f2a"), plan_group("../../x", "4f2a")
    ('/a/b/4f2a', '/x/4f2a')
    """
    return posixpath.normpath(f"/{parent}/{id}").replace("//", "/") if ".." in parent else f"{parent}/{id}"
