"""The networks of an instance: today one, the default bridge, beside Docker's "host" and "none"."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from corral.errors import CorralError, HostError, Unavailable
from corral.kit.clock import Clock, SystemClock
from corral.kit.ids import new_id
from corral.kit.tasks import Tasks
from corral.linux.netlink_watch import Deleted, NetlinkWatch
from corral.model.container import BoundPort, Endpoint, NetworkSpec, PortBinding
from corral.model.network import NetworkInfo
from corral.model.stats import InterfaceStats
from corral.networks.addresses import AddressPool
from corral.networks.choose import NETWORK, check_network, plan_endpoint
from corral.networks.config import Chosen, NetworkConfig
from corral.networks.names import InstanceNames
from corral.networks.publish import Published, Publisher
from corral.networks.rules import Element
from corral.networks.setup import forget, make_network
from corral.networks.wires import Lines, Port, Wires

log = logging.getLogger("corral")
T = TypeVar("T")


@dataclass
class Seat:
    """A container that is in the network now."""

    endpoint: Endpoint
    published: Published

    def bridge_port(self) -> Port:
        return Port(self.endpoint.host_interface, bool(self.published.ports))


class Networks:
    """`setup` first; then `restore` what runs already, `sweep` what nobody knows, and `attach` at will.

    The kernel is asked in one thread, in order; decisions and bookkeeping stay on the event loop.
    """

    def __init__(
        self, *, names: InstanceNames, config: NetworkConfig, state_dir: str, clock: Clock | None = None
    ) -> None:
        self.names = names
        self._config = config
        self._state = os.path.join(state_dir, "network.json")
        self._clock = clock or SystemClock()
        self._thread = ThreadPoolExecutor(1, "networks")
        self._wires: Wires | None = None
        self._lines: Lines | None = None
        self._pool: AddressPool | None = None
        self._chosen = Chosen("", 0)
        self._seats: dict[str, Seat] = {}
        self._publisher = Publisher()
        self._watch: NetlinkWatch | None = None
        self._tasks = Tasks()
        self._repairing = False

    # The network itself

    async def setup(self) -> None:
        """Makes bridge and rules, or takes them as a former daemon left them. Idempotent, and repairs."""
        if self._wires is None:
            self._wires = await self._in_thread(lambda: Wires(self.names))
        if self._lines is None:
            wires = self._wires
            made = await self._in_thread(
                lambda: make_network(wires, self._config, self.names, self._state, self._clock)
            )
            self._chosen, self._lines = made
            self._pool = AddressPool(IPv4Network(made[0].subnet), f"{NETWORK} ({self.names.network_id(NETWORK)})")
        else:
            await self.reconcile()
        if self._watch is None:
            self._watch = NetlinkWatch(self._deleted)

    async def reconcile(self) -> None:
        """Puts right what others took away: the bridge and its ports, the rules and what they lead to."""
        wires, lines = self._need_wires(), self._need_lines()
        ports = [seat.bridge_port() for seat in self._seats.values() if seat.endpoint.host_interface]
        elements = self._elements()
        await self._in_thread(lambda: wires.set_up(lines, elements, ports))

    def _deleted(self, event: Deleted) -> None:
        ours = {("link", self.names.bridge), ("table", self.names.table), ("", "")}
        if (event.kind, event.name) in ours and not self._repairing:
            self._repairing = True
            self._tasks.start("repair networks", self._repair(event))

    async def _repair(self, event: Deleted) -> None:
        self._repairing = False  # what is deleted from here on is another repair
        log.warning("%s %s was deleted by another program; making it again", event.kind, event.name)
        await self.reconcile()

    async def close(self) -> None:
        """The daemon ends, the containers and their network go on."""
        self._stop_watching()
        await self._tasks.close()
        await self._publisher.shut()
        for seat in self._seats.values():
            self._publisher.close(seat.published)
        self._seats.clear()
        if self._wires is not None:
            await self._in_thread(self._wires.close)
            self._wires = None
        self._thread.shutdown(wait=False)

    async def teardown(self) -> None:
        """Takes away everything on the host that is this instance's, and forgets the subnet."""
        self._stop_watching()
        await self._tasks.close()
        for container_id in list(self._seats):
            await self.detach(container_id)
        if self._wires is None:
            self._wires = await self._in_thread(lambda: Wires(self.names))
        await self._in_thread(self._wires.tear_down)
        self._lines = self._pool = None
        forget(self._state)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    # Containers

    async def attach(
        self,
        container_id: str,
        netns: int,
        spec: NetworkSpec,
        *,
        ports: Sequence[PortBinding],
        hostname: str,
        name: str = "",
    ) -> tuple[dict[str, Endpoint], list[BoundPort]]:
        """Connects a network namespace to the default bridge and publishes ports. All of it, or HostError.

        `name` is the container's, for messages.
        """
        wanted = check_network(spec)
        lines, pool = self._need_lines(), self._need_pool()
        if container_id in self._seats:
            await self.detach(container_id)
        address = pool.take()
        network_id = self.names.network_id(NETWORK)
        endpoint = plan_endpoint(address, lines, wanted, network_id=network_id, endpoint_id=new_id())
        endpoint.dns_names = [n for n in dict.fromkeys([name, container_id[:12], hostname]) if n]
        try:
            published = self._publisher.open(ports, endpoint)
        except BaseException as error:
            pool.give(address)
            if isinstance(error, HostError):
                raise _on_endpoint(error, name or hostname or container_id[:12], endpoint.endpoint_id) from error
            raise
        self._seats[container_id] = Seat(endpoint, published)
        try:
            endpoint.host_interface = await self._connect(container_id, netns, endpoint, published)
        except BaseException:
            await self.detach(container_id)
            raise
        return {NETWORK: endpoint}, published.ports

    async def _connect(self, container_id: str, netns: int, endpoint: Endpoint, published: Published) -> str:
        wires, lines = self._need_wires(), self._need_lines()
        interface = ""

        def work() -> str:
            nonlocal interface  # a second try needs no second cable
            interface = interface or wires.plug(container_id, netns, endpoint, lines, serves=bool(published.ports))
            wires.publish(lines.table, published.elements)
            wires.forget_flows(published.ports)
            return interface

        try:
            return await self._in_thread(work)
        except HostError as error:
            if not await self._in_thread(lambda: _incomplete(wires, lines)):
                raise
            log.warning("the network was damaged, repairing it: %s", error.message)
            endpoint.host_interface = interface
        await self.reconcile()
        return await self._in_thread(work)

    async def detach(self, container_id: str, *, unplug: bool = False) -> None:
        """Frees address and ports. A container that is not in it is fine.

        The cable goes with its namespace; `unplug` takes it away at once, for a namespace that others keep alive.
        """
        seat = self._seats.pop(container_id, None)
        if seat is None:
            return
        self._publisher.close(seat.published)
        self._need_pool().give(IPv4Address(seat.endpoint.ipv4))
        if seat.published.elements:
            await self._in_thread(lambda: self._withdraw(seat.published))
        if unplug and seat.endpoint.host_interface:
            wires = self._need_wires()
            await self._in_thread(lambda: wires.delete_links([seat.endpoint.host_interface]))

    def _withdraw(self, published: Published) -> None:
        wires = self._need_wires()
        wires.withdraw(self._need_lines().table, published.elements)
        wires.forget_flows(published.ports)

    def restore(self, container_id: str, endpoints: dict[str, Endpoint], ports: list[BoundPort]) -> None:
        """Takes a running container's place and ports back, after the daemon was restarted."""
        endpoint = endpoints.get(NETWORK)
        if endpoint is None or not endpoint.ipv4:
            return
        try:
            self._need_pool().claim(IPv4Address(endpoint.ipv4))
        except CorralError as error:
            log.warning("container %s keeps an address that is not ours: %s", container_id[:12], error.message)
        published = self._publisher.reopen(ports, endpoint)
        self._seats[container_id] = Seat(endpoint, published)
        wires, lines = self._need_wires(), self._need_lines()
        if published.elements:
            add = self._in_thread(lambda: wires.publish(lines.table, published.elements))
            self._tasks.start(f"publish ports of {container_id[:12]}", add)

    async def sweep(self, known_ids: Collection[str]) -> list[str]:
        """Removes the interfaces and rule entries of this instance that no container has; returns their names.

        To be called after `restore`: an interface is somebody's if its container is attached. Containers not in
        `known_ids` are detached first.
        """
        for container_id in self._seats.keys() - set(known_ids):
            await self.detach(container_id)
        wires, lines = self._need_wires(), self._need_lines()
        used = {seat.endpoint.host_interface for seat in self._seats.values()}
        # Being attached right now: the interface may be there before its name is.
        spared = {i[:8] for i, seat in self._seats.items() if not seat.endpoint.host_interface}
        wanted = set(self._elements())

        def work() -> list[str]:
            stray = [n for n in wires.own_links() if n not in used and self.names.veth_owner(n) not in spared]
            wires.delete_links(stray)
            dead = [element for element in wires.listed_elements(lines.table) if element not in wanted]
            wires.withdraw(lines.table, dead)
            return stray + [f"{element.map} {element.key}" for element in dead]

        return await self._in_thread(work)

    def _elements(self) -> list[Element]:
        return [element for seat in self._seats.values() for element in seat.published.elements]

    # Asking

    @property
    def gateway(self) -> str:
        """The host's address as containers of the default network see it ("host-gateway")."""
        return str(self._need_lines().gateway)

    def info(self) -> list[NetworkInfo]:
        """The three networks that every host has."""
        lines = self._need_lines()
        bridge = NetworkInfo(
            name=NETWORK,
            id=self.names.network_id(NETWORK),
            driver="bridge",
            created=self._chosen.created,
            subnet=lines.table.subnet,
            gateway=str(lines.gateway),
            subnet6=lines.table.subnet6,
            gateway6=str(lines.gateway6 or ""),
            bridge=self.names.bridge,
            mtu=lines.mtu,
            icc=self._config.icc,
            endpoints={container_id: seat.endpoint for container_id, seat in self._seats.items()},
        )
        others = [("host", "host"), ("none", "null")]
        return [bridge] + [
            NetworkInfo(name, self.names.network_id(name), driver, self._chosen.created) for name, driver in others
        ]

    async def stats(self, container_id: str) -> dict[str, InterfaceStats]:
        """The counters of its interfaces, as it sees them; empty if it is not attached."""
        seat = self._seats.get(container_id)
        if seat is None:
            return {}
        wires, name = self._need_wires(), seat.endpoint.host_interface
        seen = await self._in_thread(lambda: wires.counters(name))
        return {seat.endpoint.interface: seen} if seen else {}

    # Small things

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _need_wires(self) -> Wires:
        if self._wires is None:
            raise Unavailable("the networks are not set up")
        return self._wires

    def _need_lines(self) -> Lines:
        if self._lines is None:
            raise Unavailable("the networks are not set up")
        return self._lines

    def _need_pool(self) -> AddressPool:
        if self._pool is None:
            raise Unavailable("the networks are not set up")
        return self._pool


def _incomplete(wires: Wires, lines: Lines) -> bool:
    """Whether the bridge or the rules are gone."""
    try:
        wires.listed_elements(lines.table)
    except HostError:
        return True
    return not wires.bridge_exists()


def _on_endpoint(error: HostError, name: str, endpoint_id: str) -> HostError:
    words = f"driver failed programming external connectivity on endpoint {name} ({endpoint_id}): {error.message}"
    return HostError(f"failed to set up container networking: {words}", error.errno)
