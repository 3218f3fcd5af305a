"""The Kubernetes API as a part of the daemon: its store, its certificates, where it listens, and the user's kubeconfig.

Its code is loaded here and nowhere else, so a daemon that does not serve it pays nothing for it.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from corral.cli.instance import Instance
from corral.daemon import cluster_services, cluster_store, identity
from corral.daemon.components import add_components, may_be_shared
from corral.daemon.config import Settings
from corral.daemon.pods import eviction_settings, garbage_policy
from corral.daemon.registry import parse_address
from corral.errors import CorralError, HostError, InvalidInput
from corral.http.server import Server
from corral.kit.tasks import Tasks
from corral.linux.private import make_private

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.apiserver.audit.events import Auditor
    from corral.cluster.apiserver.certificates.pki import Pki
    from corral.cluster.client.informers import Informers
    from corral.cluster.client.usage import Meters
    from corral.store.interface import Store

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = logging.getLogger("corral.daemon")

DEFAULT: Final = "127.0.0.1:6443"
SERVICE_SUBNET: Final = "10.96.0.0/12"
MOST_NODES: Final = 100  # on one machine
LONGEST_SLEEP: Final = 86400.0  # seconds between looks at the certificates: clocks are set, machines sleep
WILDCARDS: Final = ("0.0.0.0", "::")


def plan_address(setting: str) -> tuple[str, int]:
    """Pure: where the API listens. InvalidInput.

    >>> plan_address(""), plan_address(":7443")
    (('127.0.0.1', 6443), ('0.0.0.0', 7443))
    """
    try:
        return parse_address(setting or DEFAULT)
    except InvalidInput:
        raise InvalidInput(f"kubernetes-address {setting!r}: must be ADDRESS:PORT") from None


def plan_port(usual: int, kept: str | None) -> int:
    """Pure: the port to try first, where one may have been taken before.

    >>> plan_port(6443, None), plan_port(6443, "40123\\n"), plan_port(6443, "")
    (6443, 40123, 6443)
    """
    text = (kept or "").strip()
    return int(text) if text.isdecimal() and 0 < int(text) < 65536 else usual


def plan_url(host: str, port: int) -> str:
    """Pure: where clients on this machine find it.

    >>> plan_url("0.0.0.0", 6443), plan_url("::1", 7443)
    ('https://127.0.0.1:6443', 'https://[::1]:7443')
    """
    reached = "127.0.0.1" if host in WILDCARDS else host
    return f"https://[{reached}]:{port}" if ":" in reached else f"https://{reached}:{port}"


def plan_names(host: str, name: str, extra: list[str], own: str) -> list[str]:
    """Pure: what else stands in the certificate: the machine's name, the address that is listened on or reached.

    >>> plan_names("10.0.0.7", "box", ["k8s.example.com"], "10.0.0.9"), plan_names("0.0.0.0", "box", [], "10.0.0.9")
    (['box', '10.0.0.7', 'k8s.example.com'], ['box', '10.0.0.9'])
    """
    return [name, own if host in WILDCARDS else host, *extra]


def plan_networks(words: list[str]) -> tuple[Network, ...]:
    """Pure: the subnets of Services, the default family's first. InvalidInput.

    >>> plan_networks([]), len(plan_networks(["10.1.0.0/16", "fd00::/112"]))
    ((IPv4Network('10.96.0.0/12'),), 2)
    """
    try:
        found = tuple(ipaddress.ip_network(word) for word in words or [SERVICE_SUBNET])
    except ValueError as error:
        raise InvalidInput(f"kubernetes-service-subnet: {error}") from None
    if len({one.version for one in found}) != len(found):
        raise InvalidInput("kubernetes-service-subnet: at most one subnet of each family, IPv4 and IPv6")
    for one in found:
        if one.num_addresses < 8:
            raise InvalidInput(f"kubernetes-service-subnet {one}: too small, it must have 8 addresses at least")
    return found


def node_addresses(settings: Settings) -> tuple[str, ...]:
    """Pure: where this node is reached, as asked for. InvalidInput."""
    return plan_node_addresses(settings.text("kubernetes-node-address"))


def plan_node_addresses(text: str) -> tuple[str, ...]:
    """Pure: one address, or one of each family, the first of which is the node's name for itself. InvalidInput.

    >>> plan_node_addresses(""), plan_node_addresses("10.0.0.7,2001:DB8::7")
    ((), ('10.0.0.7', '2001:db8::7'))
    """
    try:
        found = [ipaddress.ip_address(one) for one in text.split(",") if text]
    except ValueError:
        raise InvalidInput(f"kubernetes-node-address {text!r}: must be an address, or one of each family") from None
    if len({one.version for one in found}) != len(found):
        raise InvalidInput(f"kubernetes-node-address {text!r}: at most one address of each family, IPv4 and IPv6")
    return tuple(map(str, found))


def check(settings: Settings) -> None:
    """Raises for settings that cannot work, before anything is touched."""
    nodes = settings.number("nodes")
    if not 1 <= nodes <= MOST_NODES:
        raise InvalidInput(f"nodes {nodes}: from 1 to {MOST_NODES}")
    if nodes > 1 and not settings.on("kubernetes"):
        raise InvalidInput("nodes: they are of a cluster, and kubernetes is off")
    if settings.on("kubernetes"):
        plan_address(settings.text("kubernetes-address"))
        plan_networks(settings.list("kubernetes-service-subnet"))
        node_addresses(settings)
        eviction_settings(settings)
        garbage_policy(settings)
        if not 0 <= settings.number("kubernetes-kubelet-port") < 65536:
            raise InvalidInput("kubernetes-kubelet-port: must be a port")
        cluster_store.check(settings)
        identity.plan_provider(settings)
        if settings.number("kubernetes-node-grace") < 1:
            raise InvalidInput("kubernetes-node-grace: at least one second")
        if scheduling := settings.text("kubernetes-scheduler-config"):
            from corral.cluster.scheduler.configuration import load

            load(Path(scheduling))


def kubeconfig_path(instance: Instance) -> str:
    return os.path.join(instance.run, "kubeconfig")


class Cluster(NamedTuple):
    """The open API server and its store.

    `informers`: the copies that all components here share; `meters`: those of the nodes;
    `services`: the subnets of Services, the default family's first.
    `authority` is the certificate (PEM) by which clients know the server.
    `listen` makes the server listen on one more address of this machine, and gives the port. HostError.
    """

    store: Store
    api: Kubernetes
    informers: Informers
    meters: Meters
    services: tuple[Network, ...]
    listen: Callable[[str], Awaitable[int]]
    authority: str


async def add_kubernetes(stack: AsyncExitStack, instance: Instance, settings: Settings) -> Cluster | None:
    """Serves the API until `stack` ends; its kubeconfig is there when this returns. CorralError.

    None when it is not served.
    """
    _forget(kubeconfig_path(instance))
    if not settings.on("kubernetes"):
        return None
    return await _Part(instance, settings).open(stack)


class _Part:
    """The open API: the pieces that change together when certificates are renewed."""

    def __init__(self, instance: Instance, settings: Settings) -> None:
        self._instance, self._settings = instance, settings
        self._host, self._port = plan_address(settings.text("kubernetes-address"))
        self._networks = plan_networks(settings.list("kubernetes-service-subnet"))
        self._context: ssl.SSLContext | None = None

    async def open(self, stack: AsyncExitStack) -> Cluster | None:
        from corral.cluster.apiserver.certificates import pki
        from corral.cluster.client.usage import Meters
        from corral.cluster.kubelet.network import families_of
        from corral.cluster.kubelet.node.host import own_addresses
        from corral.http.tls import server_context

        root = Path(self._instance.root)
        make_private(root / "kubernetes")  # keys, the audit log, and what provisioned volumes keep
        store = await cluster_store.open_store(stack, self._settings, root)
        given = bool(self._settings.list("kubernetes-service-subnet"))
        self._networks = await cluster_services.find_services(store, self._networks, given)
        own = (node_addresses(self._settings) or own_addresses(families_of(self._networks)))[0]
        extra = plan_names(self._host, socket.gethostname(), self._settings.list("kubernetes-name"), own)
        names = pki.server_names(str(self._networks[0][1]), extra)
        made = await asyncio.to_thread(pki.ensure, root / "kubernetes" / "pki", names, int(time.time()))
        api = await self._open_api(store, made, stack)
        stack.push_async_callback(api.close)
        server = Server(api.handle)
        stack.push_async_callback(server.close)
        stack.push_async_callback(api.close)  # first of all: watches end, and their connections with them
        self._context = server_context(str(made.server), str(made.server), made.client_authorities)
        if not await self._listen(server, self._context):
            return None
        api.options.url, api.options.port = plan_url(self._host, self._port), self._port
        await api.boot()
        await cluster_services.check_services(store, self._networks)
        meters = Meters()
        api.measure_nodes(meters)
        await api.serve_metrics(meters)
        scheduling = self._settings.text("kubernetes-scheduler-config")
        grace = float(self._settings.number("kubernetes-node-grace"))
        parts = (stack, api, made, root / "kubernetes", meters, scheduling, grace)
        informers = await add_components(*parts, elected=may_be_shared(store))
        self._write_kubeconfig(made)
        stack.callback(_forget, kubeconfig_path(self._instance))
        tasks = Tasks()
        stack.push_async_callback(tasks.close)
        tasks.start("certificates", self._renew(made, api))
        log.info("the Kubernetes API is at %s", api.options.url)
        listen = partial(self._listen_too, server, self._context)
        return Cluster(store, api, informers, meters, self._networks, listen, made.ca)

    async def _open_api(self, store: Store, made: Pki, stack: AsyncExitStack) -> Kubernetes:
        from corral.cluster.apiserver.app import Kubernetes, Options

        oidc = identity.providers(self._settings)
        options = Options(networks=self._networks, auditor=self._auditor(stack), oidc=oidc)
        return await Kubernetes.open(store, made, options)

    def _auditor(self, stack: AsyncExitStack) -> Auditor | None:
        """As the settings want it; without a policy nothing is recorded."""
        policy, path = self._settings.text("kubernetes-audit-policy"), self._settings.text("kubernetes-audit-log")
        if not policy:
            return None
        from corral.cluster.apiserver.audit.events import Auditor
        from corral.cluster.apiserver.audit.log import AuditLog, Limits
        from corral.cluster.apiserver.audit.policy import load

        place = path or os.path.join(self._instance.root, "kubernetes", "audit.log")
        written = AuditLog(Path(place), Limits(), time.time)
        stack.callback(written.close)
        return Auditor(load(Path(policy)), written.write, time.time)

    async def _listen(self, server: Server, context: ssl.SSLContext) -> bool:
        """Whether it listens. A taken port is an error if it was asked for; another instance takes a free one.

        And keeps it: kubeconfigs that were given away, and nodes that have joined, know it.
        """
        from corral.cluster.apiserver.certificates import files

        given = bool(self._settings.text("kubernetes-address"))
        kept = Path(self._instance.root) / "kubernetes" / "port"
        other = not given and not self._instance.default
        self._port = plan_port(self._port, files.read(kept) if other else None)
        try:
            self._port = await server.listen_tcp(self._host, self._port, context)
        except HostError as error:
            if given or error.errno != errno.EADDRINUSE:
                raise
            if self._instance.default:
                log.warning("no Kubernetes API: %s is taken; give it another place with kubernetes-address", DEFAULT)
                return False
            self._port = await server.listen_tcp(self._host, 0, context)
        if other and files.read(kept) != f"{self._port}\n":  # else there is nothing to write, be the disk full
            files.write(kept, f"{self._port}\n")
        return True

    async def _listen_too(self, server: Server, context: ssl.SSLContext, host: str) -> int:
        if self._host in WILDCARDS:
            return self._port
        try:
            return await server.listen_tcp(host, self._port, context)
        except HostError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return await server.listen_tcp(host, 0, context)

    def _write_kubeconfig(self, made: Pki) -> None:
        """Where the cluster is and who its administrator is: for root alone. All else runs without it."""
        from corral.cluster.apiserver.certificates import files, kubeconfig

        text = kubeconfig.render("corral", plan_url(self._host, self._port), made.ca, files.read(made.admin) or "")
        try:
            files.write(Path(kubeconfig_path(self._instance)), text)
        except CorralError as error:
            log.warning("there is no kubeconfig: %s; it is written with the next start", error.message)

    async def _renew(self, made: Pki, api: Kubernetes) -> None:
        """Certificates that end soon are made anew; new connections get them, in both directions."""
        from corral.cluster.apiserver.certificates import pki
        from corral.http.tls import reload

        while True:
            due = pki.next_renewal(made) - time.time()
            await asyncio.sleep(min(max(due, 1.0), LONGEST_SLEEP))
            try:
                changed = await asyncio.to_thread(pki.renew, made, int(time.time()))
            except CorralError as error:
                log.error("the certificates of the Kubernetes API cannot be renewed: %s", error.message)
                await asyncio.sleep(3600)
                continue
            if changed and self._context is not None:
                log.info("renewed: %s", ", ".join(changed))
                reload(self._context, str(made.server), str(made.server))
                api.renewed()
                self._write_kubeconfig(made)


def _forget(path: str) -> None:
    """A kubeconfig of a server that does not run would only mislead."""
    if os.path.lexists(path):
        os.unlink(path)
