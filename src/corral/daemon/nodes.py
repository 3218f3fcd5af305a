"""More nodes on this machine: each a `corral node` process in a network namespace of its own.

::

     the host (first node)          .nodes, a bridge of the instance
    ┌────────────┐  gateway ───────────┬──────────────┐
    │ API server │                  ┌──┴───┐       ┌──┴───┐
    │ pods 10.244.0.0/24            │ eth0 │       │ eth0 │   a space each: DIR/nodes/2, DIR/nodes/3
    └────────────┘                  │ pods 10.244.1.0/24   …
                                    └──────┘       └──────┘

Bridge, cables, addresses and namespaces are the engine's own: a network and spaces, so they are taken back by the next
daemon, and go with the instance.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from corral.cli.instance import Instance, daemon_pid
from corral.cli.settings import BY_KEY
from corral.cli.verbs.daemon import role_command
from corral.cluster.client.times import to_text, utc_now
from corral.cluster.joining import joining
from corral.cluster.routing.plan import internal_addresses
from corral.daemon import node_join
from corral.daemon.config import Settings
from corral.daemon.kubernetes import plan_url
from corral.daemon.node_keeper import NodeKeeper
from corral.daemon.node_process import end, launch
from corral.daemon.node_ways import keep_ways
from corral.daemon.pods import SHARED, kubelet_root
from corral.errors import CorralError, HostError
from corral.kit.tasks import Tasks
from corral.model.container import NetworkSpec as Place
from corral.model.kubernetes.status import StatusError
from corral.model.network import NetworkOptions, NetworkSpec
from corral.model.space import Space, SpaceSpec

if TYPE_CHECKING:
    from corral.cluster.client.protocol import Client
    from corral.daemon.kubernetes import Cluster
    from corral.engine.engine import Engine

log = logging.getLogger("corral.daemon")

NETWORK: Final = ".nodes"
LABEL: Final = "corral.node"
SERVER_NAME: Final = "kubernetes.default.svc"  # stands in every server's certificate, unlike the bridge's address
TOKEN_LIFE: Final = timedelta(hours=1)


def new_token() -> str:
    """A bootstrap token."""
    letters = string.ascii_lowercase + string.digits
    text = "".join(secrets.choice(letters) for _ in range(22))
    return f"{text[:6]}.{text[6:]}"


def node_root(root: str, number: int) -> str:
    """
    >>> node_root("/var/lib/corral", 2)
    '/var/lib/corral/nodes/2'
    """
    return os.path.join(root, "nodes", str(number))


def known_nodes(root: str) -> list[int]:
    """The numbers of those that have ever been made, in order."""
    folder = os.path.join(root, "nodes")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(int(name) for name in names if name.isdigit())


def plan_names(first: str, numbers: Iterable[int]) -> dict[int, str]:
    """Pure: the nodes' names by their numbers; the first node is number 1.

    >>> plan_names("box", [2, 3])
    {2: 'box-2', 3: 'box-3'}
    """
    return {number: f"{first[:58]}-{number}" for number in numbers}


def plan_subnets(
    numbers: Iterable[int],
    known: Mapping[int, str],
    taken: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
    families: Sequence[int] = (4,),
) -> dict[int, str]:
    """Pure: each node's subnets of pods, with commas between: what it had, else the next that are free. HostError.

    >>> plan_subnets([2, 3], {3: "10.244.7.0/24"}, [ipaddress.ip_network("10.244.0.0/24")])
    {3: '10.244.7.0/24', 2: '10.244.1.0/24'}
    """
    from corral.cluster.kubelet.network import candidates, no_subnet

    found = {number: known[number] for number in numbers if known.get(number)}
    busy = [*taken, *(ipaddress.ip_network(one) for had in known.values() for one in had.split(","))]
    free = candidates((), busy, families)
    for number in numbers:
        if number not in found:
            subnets = next(free, None)
            if subnets is None:
                raise no_subnet(f"node {number}", families)
            found[number] = ",".join(subnets)
    return found


class LocalNodes:
    """`prepare` before the first node's kubelet, which must know `gateways`: its addresses for the others, the default
    family's first; `start` after it."""

    def __init__(
        self, engine: Engine, cluster: Cluster, instance: Instance, settings: Settings, gateways: tuple[str, ...]
    ) -> None:
        self.gateways = gateways
        self._engine, self._cluster, self._instance, self._settings = engine, cluster, instance, settings
        self._numbers = range(2, settings.number("nodes") + 1)

    @classmethod
    async def prepare(cls, engine: Engine, cluster: Cluster, instance: Instance, settings: Settings) -> LocalNodes:
        """With the network that connects them. HostError."""
        from corral.cluster.kubelet.network import families_of, gateways_of

        families = families_of(cluster.services)
        found = engine.networks.unlisted(NETWORK)
        if found is None:
            options = NetworkOptions(trunk=True)
            spec = NetworkSpec(name=NETWORK, unlisted=True, ipv4=4 in families, ipv6=6 in families, options=options)
            found = await engine.networks.create(spec)
        return cls(engine, cluster, instance, settings, gateways_of(found, families))

    async def start(self, stack: AsyncExitStack) -> NodeKeeper:
        """They have registered when this returns, and are kept running; `stack` ends their daemons, their pods go on.
        CorralError."""
        port = await self._cluster.listen(self.gateways[0])
        client, token = await self._allow()
        stack.push_async_callback(self._stop)
        try:
            joins = await self._plan(plan_url(self.gateways[0], port), token)
            await self._forget_removed(client, joins)
            starts = (self._start(number, join) for number, join in joins.items())
            failures = [one for one in await asyncio.gather(*starts, return_exceptions=True) if one is not None]
        finally:
            await joining.forget_token(client, token)  # they have certificates now
        if failures:
            raise failures[0]
        for number in sorted(set(known_nodes(self._instance.root)) - set(self._numbers)):
            log.warning("node %d is there from before, and is not started: nodes = %d", number, len(self._numbers) + 1)
        return self._keep(stack, client)

    def _keep(self, stack: AsyncExitStack, client: Client) -> NodeKeeper:
        from corral.cluster.client.builtin import NODES

        first = own_name()
        words = node_words(self._settings)
        keeper = NodeKeeper(
            self._instance,
            plan_names(first, self._numbers),
            lambda instance: role_command(instance, "node", words),
            self._cluster.informers.of(NODES).get,
            lambda name: _forget(client, name),
            first,
        )
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        keeper.start(tasks)
        labels = {str(number) for number in self._numbers}
        for space in self._engine.spaces.list():
            if space.spec.labels.get(LABEL) in labels:
                tasks.start(f"ways of {space.spec.name}", keep_ways(self._engine.spaces, space))
        return keeper

    async def _allow(self) -> tuple[Client, str]:
        from corral.cluster.apiserver.attributes import MASTERS_GROUP, User

        client = self._cluster.api.client(User("system:corral-nodes", groups=(MASTERS_GROUP,)), "corral")
        await joining.allow_joining(client)
        token = new_token()
        await joining.create_token(client, token, to_text(utc_now() + TOKEN_LIFE), "nodes on this machine")
        return client, token

    async def _plan(self, server: str, token: str) -> dict[int, node_join.Join]:
        """What each node is told; its namespace is there."""
        from corral.cluster.kubelet.network import ensure_network, families_of

        names = plan_names(own_name(), self._numbers)
        known = {}
        for number in known_nodes(self._instance.root):
            join = node_join.load(Instance(node_root(self._instance.root, number)))
            if join is not None and join.pod_network:
                known[number] = join.pod_network
        families = families_of(self._cluster.services)
        pods = await ensure_network(self._engine, (), families)
        taken = [*(ipaddress.ip_network(pool.subnet) for pool in pods.pools), *await self._engine.networks.taken()]
        subnets = plan_subnets(self._numbers, known, taken, families)
        grace = float(self._settings.number("kubernetes-node-grace"))
        found = {}
        for number, name in names.items():
            space = await self._space(number, name)
            found[number] = node_join.Join(
                server=server,
                name=name,
                token=token,
                authority=self._cluster.authority,
                server_name=SERVER_NAME,
                netns=f"{self._engine.parts.paths.space(space.id)}/net",
                images=self._instance.socket,
                pulls=kubelet_root(self._instance.root),
                pod_network=subnets[number],
                grace=grace,
            )
        return found

    async def _forget_removed(self, client: Client, joins: Mapping[int, node_join.Join]) -> None:
        """Nodes that were reset while nobody kept them: else their successors would be taken for second ones of the
        same names. StatusError."""
        from corral.cluster.client.builtin import NODES

        found = self._engine.networks.unlisted(NETWORK)
        subnets = [pool.subnet for pool in found.pools] if found is not None else []
        places = {join.name: Instance(node_root(self._instance.root, number)) for number, join in joins.items()}
        missing = [name for name, at in places.items() if not daemon_pid(at) and not node_join.has_joined(at)]
        for node in (await client.list(NODES)).items if missing else ():
            if node["metadata"]["name"] in missing and is_local(node, subnets):
                log.warning("node %s was removed, and is made anew", node["metadata"]["name"])
                await _forget(client, node["metadata"]["name"])

    async def _space(self, number: int, name: str) -> Space:
        for space in self._engine.spaces.list():
            if space.spec.labels.get(LABEL) == str(number):
                return space
        spec = SpaceSpec(name=f"node-{number}", hostname=name, network=Place(NETWORK), labels={LABEL: str(number)})
        return await self._engine.spaces.create(spec)

    async def _start(self, number: int, join: node_join.Join) -> None:
        """One that runs already, as after the death of the first daemon, is left as it is. HostError.

        Unless the server is elsewhere now, because others have its port: it would ask at the old place for ever.
        """
        instance = Instance(node_root(self._instance.root, number))
        if daemon_pid(instance):
            known = node_join.load(instance)
            if known is not None and known.server == join.server:
                return
            await end(instance)
        node_join.save(instance, join)
        said = await launch(instance, role_command(instance, "node", node_words(self._settings)))
        if said != "ready":
            raise HostError(f"node {number}: {said or f'ended before it was ready; its log: {instance.log_file}'}")

    async def _stop(self) -> None:
        await asyncio.gather(
            *(end(Instance(node_root(self._instance.root, number))) for number in known_nodes(self._instance.root))
        )


async def _forget(client: Client, name: str) -> None:
    from corral.cluster.client.builtin import NODES

    try:
        await client.delete(NODES, name)
    except StatusError as error:
        if error.code != 404:
            raise


def is_local(node: dict[str, Any], subnets: Iterable[str]) -> bool:
    """Pure: whether a Node is on this machine, by the subnets that its nodes have; not one elsewhere of that name.

    >>> node = {"status": {"addresses": [{"type": "InternalIP", "address": "10.64.0.2"}]}}
    >>> is_local(node, ["10.64.0.0/24"]), is_local(node, ["10.64.1.0/24"]), is_local({}, ["10.64.0.0/24"])
    (True, False, False)
    """
    networks = [ipaddress.ip_network(one) for one in subnets]
    return any(address in network for address in internal_addresses(node) for network in networks)


def own_name() -> str:
    """The first node's."""
    import socket

    from corral.daemon.kubelet import plan_node_name

    return plan_node_name(socket.gethostname())


def node_words(settings: Settings) -> list[str]:
    """Pure: the settings of the first engine that its neighbours share: how containers run, pull and are evicted."""
    shared = (
        *("runtime", "add-runtime", "conmon", "init-path", "log-driver", "log-max-size", "log-max-file", "dns"),
        *("registry-mirror", "insecure-registry", "registry-certs", "stop-timeout", "log-level"),
    )
    evictions = [f"--{key}={settings.text(key)}" for key in SHARED if settings.text(key) != str(BY_KEY[key].default)]
    return [*(f"--{key}={value}" for key in shared for value in settings.list(key) if value), *evictions]


def teardown_nodes(instance: Instance, settings: Settings, *, reset: bool, kill: bool) -> None:
    """Ends all that runs of each node, in its own namespace. CorralError of the first that fails, after all others."""
    import subprocess

    failed = ""
    for number in known_nodes(instance.root):
        root = node_root(instance.root, number)
        words = [*node_words(settings), *(["--reset"] if reset else []), *(["--kill"] if kill else [])]
        done = subprocess.run(role_command(Instance(root), "teardown", words), capture_output=True, text=True)
        if done.returncode != 0:
            failed = failed or f"node {number}: {done.stderr.strip()}"
    if failed:
        raise CorralError(failed)
