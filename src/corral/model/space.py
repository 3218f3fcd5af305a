"""A space: namespaces, a place in a network and a cgroup that several containers share, and that no process keeps."""

from __future__ import annotations

from msgspec import field

from corral.model.container import BoundPort, Endpoint, NetworkSpec, Resources, Struct


class SpaceSpec(Struct):
    """What a space is asked to be. `network.mode` "host" and `ipc` "host" stand for the host's own.

    `group` is the path of its cgroup below the instance's, "" for none; its containers name it as their parent.
    With the host's network the host's name is used, and `hostname` only tells programs that ask the environment.
    """

    name: str
    hostname: str = ""
    network: NetworkSpec = field(default_factory=NetworkSpec)
    ipc: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] = {}
    group: str = ""
    resources: Resources = field(default_factory=Resources)
    labels: dict[str, str] = {}


class Space(Struct):
    """One of them. `group` is the whole path of its cgroup."""

    id: str
    spec: SpaceSpec
    created: int = 0
    endpoints: dict[str, Endpoint] = {}
    ports: list[BoundPort] = []
    group: str = ""

    @property
    def own_network(self) -> bool:
        return self.spec.network.mode != "host"

    @property
    def own_ipc(self) -> bool:
        return self.spec.ipc != "host"
