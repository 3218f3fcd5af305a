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
import signal
import string
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from corral.cli.instance import Instance, daemon_pid
from corral.cli.settings import BY_KEY
from corral.cli.verbs.daemon import role_command
from corral.cluster.client.times import to_text, utc_now
from corral.cluster.joining import joining
from corral.daemon import node_join
from corral.daemon.config import Settings
from corral.daemon.pods import SHARED
from corral.errors import CorralError, HostError, from_oserror
from corral.model.container import NetworkSpec as Place
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
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 30.0


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
    numbers: Iterable[int], known: Mapping[int, str], taken: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> dict[int, str]:
    """Pure: each node's subnet of pods: what it had, else the next that is free. HostError.

    >>> plan_subnets([2, 3], {3: "10.244.7.0/24"}, [ipaddress.ip_network("10.244.0.0/24")])
    {3: '10.244.7.0/24', 2: '10.244.1.0/24'}
    """
    from corral.cluster.kubelet.network import RANGE, candidates

    found = {number: known[number] for number in numbers if known.get(number)}
    busy = [*taken, *map(ipaddress.ip_network, known.values())]
    free = candidates("", busy)
    for number in numbers:
        if number not in found:
            subnet = next(free, "")
            if not subnet:
                raise HostError(f"no subnet of {RANGE} is free for the pods of node {number}")
            found[number] = subnet
    return found


class LocalNodes:
    """`prepare` before the first node's kubelet, which must know `gateway`; `start` after it."""

    def __init__(self, engine: Engine, cluster: Cluster, instance: Instance, settings: Settings, gateway: str) -> None:
        self.gateway = gateway
        self._engine, self._cluster, self._instance, self._settings = engine, cluster, instance, settings
        self._numbers = range(2, settings.number("nodes") + 1)

    @classmethod
    async def prepare(cls, engine: Engine, cluster: Cluster, instance: Instance, settings: Settings) -> LocalNodes:
        """With the network that connects them. HostError."""
        found = engine.networks.unlisted(NETWORK)
        if found is None:
            options = NetworkOptions(trunk=True)
            found = await engine.networks.create(NetworkSpec(name=NETWORK, unlisted=True, options=options))
        return cls(engine, cluster, instance, settings, found.pools[0].gateway)

    async def start(self, stack: AsyncExitStack) -> None:
        """They have registered when this returns; `stack` ends their daemons, their pods go on. CorralError."""
        port = await self._cluster.listen(self.gateway)
        client, token = await self._allow()
        stack.push_async_callback(self._stop)
        try:
            joins = await self._plan(f"https://{self.gateway}:{port}", token)
            starts = (self._start(number, join) for number, join in joins.items())
            failures = [one for one in await asyncio.gather(*starts, return_exceptions=True) if one is not None]
        finally:
            await joining.forget_token(client, token)  # they have certificates now
        if failures:
            raise failures[0]
        for number in sorted(set(known_nodes(self._instance.root)) - set(self._numbers)):
            log.warning("node %d is there from before, and is not started: nodes = %d", number, len(self._numbers) + 1)

    async def _allow(self) -> tuple[Client, str]:
        from corral.cluster.apiserver.attributes import MASTERS_GROUP, User

        client = self._cluster.api.client(User("system:corral-nodes", groups=(MASTERS_GROUP,)), "corral")
        await joining.allow_joining(client)
        token = new_token()
        await joining.create_token(client, token, to_text(utc_now() + TOKEN_LIFE), "nodes on this machine")
        return client, token

    async def _plan(self, server: str, token: str) -> dict[int, node_join.Join]:
        """What each node is told; its namespace is there."""
        import socket

        from corral.daemon.kubelet import plan_node_name, pod_network

        names = plan_names(plan_node_name(socket.gethostname()), self._numbers)
        known = {}
        for number in known_nodes(self._instance.root):
            join = node_join.load(Instance(node_root(self._instance.root, number)))
            if join is not None and join.pod_network:
                known[number] = join.pod_network
        own = [ipaddress.ip_network(pool.subnet) for pool in (await pod_network(self._engine)).pools]
        subnets = plan_subnets(self._numbers, known, [*own, *await self._engine.networks.taken()])
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
                pod_network=subnets[number],
                grace=grace,
            )
        return found

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
            await _end(instance)
        node_join.save(instance, join)
        said = await _launch(instance, role_command(instance, "node", node_words(self._settings)))
        if said != "ready":
            raise HostError(f"node {number}: {said or f'ended before it was ready; its log: {instance.log_file}'}")

    async def _stop(self) -> None:
        await asyncio.gather(
            *(_end(Instance(node_root(self._instance.root, number))) for number in known_nodes(self._instance.root))
        )


def node_words(settings: Settings) -> list[str]:
    """Pure: the settings of the first engine that its neighbours share: how containers run, pull and are evicted."""
    shared = (
        *("runtime", "add-runtime", "conmon", "init-path", "log-driver", "log-max-size", "log-max-file", "dns"),
        *("registry-mirror", "insecure-registry", "registry-certs", "stop-timeout", "log-level"),
    )
    evictions = [f"--{key}={settings.text(key)}" for key in SHARED if settings.text(key) != str(BY_KEY[key].default)]
    return [*(f"--{key}={value}" for key in shared for value in settings.list(key) if value), *evictions]


async def _launch(instance: Instance, command: list[str]) -> str:
    """Starts a daemon in a session of its own: what it says of its start. HostError."""
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        with open(instance.log_file, "ab") as output:
            child = await asyncio.create_subprocess_exec(
                *command,
                f"--ready-fd={write}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(read)
        raise from_oserror("start a node", error) from error
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as pipe:
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await asyncio.to_thread(pipe.read)
        except TimeoutError:
            child.kill()
            await child.wait()
            return f"was not ready within {START_SECONDS:.0f} s; its log: {instance.log_file}"
    return said.decode(errors="replace").strip()


async def _end(instance: Instance) -> None:
    """Tells a node's daemon to end, and waits for it."""
    pid = daemon_pid(instance)
    if not pid:
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(handle, gone.set)
        async with asyncio.timeout(STOP_SECONDS):
            await gone.wait()
    except TimeoutError:
        log.error("the daemon in %s (pid %d) did not end within %.0f s", instance.root, pid, STOP_SECONDS)
    except ProcessLookupError:
        pass
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


def teardown_nodes(instance: Instance, settings: Settings, *, reset: bool) -> None:
    """Ends all that runs of each node, in its own namespace. CorralError of the first that fails, after all others."""
    import subprocess

    failed = ""
    for number in known_nodes(instance.root):
        root = node_root(instance.root, number)
        words = [*node_words(settings), *(["--reset"] if reset else [])]
        done = subprocess.run(role_command(Instance(root), "teardown", words), capture_output=True, text=True)
        if done.returncode != 0:
            failed = failed or f"node {number}: {done.stderr.strip()}"
    if failed:
        raise CorralError(failed)
