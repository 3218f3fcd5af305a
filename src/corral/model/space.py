"""A space: namespaces, a place in a network and a cgroup that several containers share, and that no process keeps."""

from __future__ import annotations

from msgspec import field

from corral.model.container import BoundPort, Endpoint, NetworkSpec, Resources, Struct


class SpaceSpec(Struct):
    """What a space is asked to be. `network.mode` "host" and `ipc` "host" stand for the host's own.

    `group` is the path of its cgroup below the instance's, "" for none; its containers name it as their parent.
    `users` is "" for the host's, or "own": root inside is nobody outside, and what is mounted from the host has the
    ids that the containers know.

    With the host's network the host's name is used, and `hostname` only tells programs that ask the environment.
    """

    name: str
    hostname: str = ""
    network: NetworkSpec = field(default_factory=NetworkSpec)
    ipc: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] = {}
    users: str = ""
    group: str = ""
    resources: Resources = field(default_factory=Resources)
    labels: dict[str, str] = {}


class Space(Struct):
    """One of them. `group` is the whole path of its cgroup; `first_id` the host's id of its root, 0: the host's own."""

    id: str
    spec: SpaceSpec
    created: int = 0
    endpoints: dict[str, Endpoint] = {}
    ports: list[BoundPort] = []
    group: str = ""
    first_id: int = 0

    @property
    def own_network(self) -> bool:
        return self.spec.network.mode != "host"

    @property
    def own_ipc(self) -> bool:
        return self.spec.ipc != "host"
