"""The networks of an instance: the default bridge and those that somebody made, beside Docker's "host" and "none"."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

from msgspec.structs import replace

from corral.errors import Conflict, CorralError, Forbidden, HostError, NotFound, Unavailable
from corral.kit.clock import Clock, SystemClock
from corral.kit.ids import new_id
from corral.kit.tasks import Tasks
from corral.model.container import BoundPort, Endpoint, EndpointSpec, NetworkSpec, PortBinding
from corral.model.network import Network, NetworkInfo
from corral.model.network import NetworkSpec as Wanted
from corral.model.stats import InterfaceStats
from corral.networks import inside
from corral.networks.choose import check_endpoint
from corral.networks.config import NetworkConfig
from corral.networks.dns.directory import Directory
from corral.networks.dns.upstream import HostServers
from corral.networks.firewall import Firewall
from corral.networks.lines import plan_lines
from corral.networks.lingering import Clearing
from corral.networks.linking import plan_links_led
from corral.networks.members import Addresses, Links, Member, Resolving
from corral.networks.names import InstanceNames
from corral.networks.places import DEFAULT, plain, plan_order, plan_ways
from corral.networks.publish import Publisher
from corral.networks.repair import Repairs
from corral.networks.rules import Element
from corral.networks.seating import Seating
from corral.networks.setup import check_spec, forget, make_default, make_network, raise_up
from corral.networks.wires import Port, Wires

log = logging.getLogger("corral")
T = TypeVar("T")

OTHERS = (("host", "host"), ("none", "null"))  # the networks that are none


class Networks:
    """`setup` first; then `restore` what runs already, `sweep` what nobody knows, and `attach` at will.

    The kernel is asked in one thread, in order; decisions and bookkeeping stay on the event loop.
    """

    def __init__(
        self,
        *,
        names: InstanceNames,
        config: NetworkConfig,
        state_dir: str,
        clock: Clock | None = None,
        make_wires: Callable[[InstanceNames], Wires] = Wires,
    ) -> None:
        self.names = names
        self._config = config
        self._state = os.path.join(state_dir, "network.json")
        self._clock = clock or SystemClock()
        self._thread = ThreadPoolExecutor(1, "networks")
        self._make_wires = make_wires
        self._wires: Wires | None = None
        self._firewall: Firewall | None = None
        self._networks: dict[str, Network] = {}
        self._addresses: dict[str, Addresses] = {}
        self._members: dict[str, Member] = {}
        self._found: dict[str, list[str]] = {}  # the cables of a former daemon, by the first digits of their owners
        self._making = asyncio.Lock()
        self._publisher = Publisher()
        self._linked: set[Element] = set()  # what the firewall says of links
        self._directory = Directory()
        self._host_servers = HostServers()
        self._repairs: Repairs | None = None
        self._tasks = Tasks()
        self._clearing: Clearing | None = None

    # The networks themselves

    async def setup(self, networks: Iterable[Network] = ()) -> None:
        """Makes bridges and rules, or takes them as a former daemon left them. Idempotent, and repairs.

        `networks` are those that were made before. One that cannot be is logged; the others are there.
        """
        await self._open()
        if not self._networks:
            others = list(networks)
            await self._in_thread(lambda: self._make_all(others))
        else:
            await self.reconcile()
        if self._repairs is None:
            self._repairs = Repairs(
                names=self.names,
                networks=self._networks,
                wires=self._need_wires(),
                firewall=self._need_firewall(),
                in_thread=self._in_thread,
                reconcile=lambda: self.reconcile(),
            )

    async def _open(self) -> None:
        if self._wires is None:
            wires, self._firewall = await self._in_thread(
                lambda: (self._make_wires(self.names), Firewall(self.names.table))
            )
            self._wires, self._clearing = wires, Clearing(wires.lingering, self._tasks, self._in_thread)

    def _make_all(self, others: list[Network]) -> None:
        wires = self._need_wires()
        default = make_default(wires, self._config, self.names, self._state, self._clock, others)
        for network in (default, *others):
            try:
                if network is not default:
                    raise_up(wires, network)
            except CorralError as error:
                log.error("network %s cannot be made: %s", network.name, error.message)
            self._know(network)
        self._need_firewall().apply(self._network_elements(), [])
        for name in wires.own_links():
            self._found.setdefault(self.names.veth_owner(name) or "", []).append(name)

    def _know(self, network: Network) -> None:
        self._networks[network.name], self._addresses[network.name] = network, Addresses(network)

    def _network_elements(self) -> list[Element]:
        wires = self._need_wires()
        bridges = [network for network in self._networks.values() if network.driver == "bridge"]
        return [element for network in bridges for element in wires.elements(plan_lines(network))]

    async def reconcile(self) -> None:
        """Puts right what others took away: bridges and their ports, the rules and what they lead to."""
        wires, firewall = self._need_wires(), self._need_firewall()
        elements = self._elements()
        ports: dict[str, list[Port]] = {name: [] for name in self._networks}
        for member in self._members.values():
            for name, interface in member.cables().items():
                ports[name].append(Port(interface, bool(member.published.ports)))

        def work() -> None:
            for network in list(self._networks.values()):
                try:
                    raise_up(wires, network, ports[network.name])
                except CorralError as error:  # the others are put right all the same
                    log.error("network %s cannot be made: %s", network.name, error.message)
            firewall.apply(self._network_elements(), elements)
            wires.lingering.retry()

        await self._in_thread(work)

    async def create(self, spec: Wanted) -> Network:
        """Makes a network. Conflict, Forbidden, InvalidInput, Unsupported or HostError; then nothing of it stays."""
        check_spec(spec)
        async with self._making:
            if spec.name in self._networks:
                raise Conflict(f"network with name {spec.name} already exists")
            wires, firewall, id, now = self._need_wires(), self._need_firewall(), new_id(), self._clock.now()
            others = list(self._networks.values())

            def work() -> Network:
                try:
                    network = make_network(wires, self._config, self.names, spec, id, now, others)
                    if network.driver == "bridge":
                        firewall.add(wires.elements(plan_lines(network)))
                    return network
                except BaseException:
                    wires.remove(id)
                    raise

            network = await self._in_thread(work)
            self._know(network)
            return network

    async def open_up(self, name: str) -> Network:
        """From now on whoever has a route to an address of the network reaches all its ports. NotFound, HostError."""
        async with self._making:
            old = self.need(name)
            options = replace(old.spec.options, gateway4="open", gateway6="open")
            new = replace(old, spec=replace(old.spec, options=options))
            wires, firewall = self._need_wires(), self._need_firewall()

            def work() -> None:
                gone, come = (wires.elements(plan_lines(network)) for network in (old, new))
                firewall.change([one for one in gone if one not in come], [one for one in come if one not in gone])

            await self._in_thread(work)
            self._networks[name] = new
            return new

    async def remove(self, name: str) -> None:
        """Takes a network away that nobody is in. Forbidden for one that is always there, or in use."""
        async with self._making:
            network = self._networks.get(name)
            if network is None:
                raise NotFound(f"network {name} not found")
            users = [f'name:"{m.name}" id:"{m.endpoints[name].endpoint_id[:12]}"' for m in self._members_of(name)]
            if users:
                raise Forbidden(f"network {name} has active endpoints ({', '.join(users)})")
            del self._networks[name], self._addresses[name]  # first, so that nobody makes it again
            wires, firewall = self._need_wires(), self._need_firewall()

            def work() -> None:
                # The rules first: another instance may take the subnet as soon as it is free, and ours would mask it.
                firewall.withdraw(wires.elements(plan_lines(network)) if network.driver == "bridge" else [])
                wires.remove(network.id)

            await self._in_thread(work)

    def _members_of(self, name: str) -> list[Member]:
        return [member for member in self._members.values() if name in member.endpoints]

    async def close(self) -> None:
        """The daemon ends, the containers and their networks go on."""
        await self._stop_repairs()
        await self._tasks.close()
        await self._publisher.shut()
        for member in self._members.values():
            self._publisher.close(member.published)
            if member.server:
                await member.server.close()
        self._members.clear()
        if self._wires is not None:
            await self._in_thread(self._wires.close)
            self._wires = self._clearing = None
        if self._firewall is not None:
            await self._in_thread(self._firewall.close)
            self._firewall = None
        self._thread.shutdown(wait=False)

    async def teardown(self) -> None:
        """Takes away everything on the host that is this instance's, and forgets the default subnet."""
        await self._stop_repairs()
        for container_id in list(self._members):
            await self.detach(container_id)
        await self._tasks.close()
        await self._open()
        wires, firewall = self._need_wires(), self._need_firewall()

        def work() -> None:
            wires.delete_links(wires.own_links())
            try:
                firewall.tear_down()  # before the subnets are free (see `remove`)
            finally:
                wires.tear_down()

        await self._in_thread(work)
        self._networks.clear()
        self._addresses.clear()
        forget(self._state)

    async def _stop_repairs(self) -> None:
        if self._repairs is not None:
            repairs, self._repairs = self._repairs, None
            await repairs.close()

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
        resolving: Resolving | None = None,
        links: Links | None = None,
    ) -> tuple[dict[str, Endpoint], list[BoundPort]]:
        """Connects a network namespace to the networks asked for and publishes ports. All of it, or an error.

        `name` is the container's.
        """
        wanted = [(self.need(network), how) for network, how in plan_order(spec)]
        if container_id in self._members:
            await self.detach(container_id)
        member = Member(container_id, name or hostname or container_id[:12], hostname, ports)
        member.resolving, member.links = resolving or member.resolving, links or member.links
        seating = self._seating()
        self._members[container_id] = member
        named = [how.interface for _, how in wanted if how.interface]
        try:
            for network, how in wanted:
                seating.reserve(member, network, how, await seating.hosts(network), named)
            await seating.publish(member)
            await seating.connect(member, netns, list(member.endpoints.values()))
        except BaseException:
            await self.detach(container_id)
            raise
        return member.endpoints, member.published.ports

    def check(self, network: str, how: EndpointSpec) -> None:
        """NotFound, or InvalidInput for a place that the network does not have."""
        check_endpoint(self.need(network), how)

    async def connect(
        self, container_id: str, netns: int, network: str, how: EndpointSpec
    ) -> tuple[dict[str, Endpoint], list[BoundPort]]:
        """One network more for a container that runs."""
        found, seating = self.need(network), self._seating()
        hosts, spared = await seating.hosts(found), await seating.own_names(netns)
        member = self._members.get(container_id)
        if member is None:
            raise Conflict(f"container {container_id} is in no network that others can be added to")
        if network in member.endpoints:
            raise Forbidden(f"endpoint with name {member.name} already exists in network {network}")
        endpoint = seating.reserve(member, found, how, hosts, spared)
        try:
            await seating.connect(member, netns, [endpoint])
            await seating.lead_ports(member)
        except BaseException:
            await seating.leave(member, network, netns)
            raise
        return member.endpoints, member.published.ports

    async def disconnect(
        self, container_id: str, netns: int, network: str
    ) -> tuple[dict[str, Endpoint], list[BoundPort]]:
        """One network less for a container that runs."""
        member = self._members.get(container_id)
        if member is None or network not in member.endpoints:
            raise Forbidden(f"container {container_id} is not connected to network {network}")
        await self._seating().leave(member, network, netns)
        return member.endpoints, member.published.ports

    async def detach(self, container_id: str, *, unplug: bool = False) -> None:
        """Frees addresses and ports. A container that is in no network is fine.

        The cables go with their namespace; `unplug` takes them away at once, for a namespace that others keep alive.
        """
        member = self._members.pop(container_id, None)
        if member is None:
            return
        await self._seating().leave_all(member, unplug=unplug)

    def rename(self, container_id: str, name: str) -> None:
        """Others find a container by its new name from now on."""
        member = self._members.get(container_id)
        if member is not None:
            self._seating().rename(member, name)

    async def link(self, container_id: str, links: Links) -> None:
        """A container that is in networks has other links from now on."""
        member = self._members.get(container_id)
        if member is not None:
            member.links = links
            await self._lead_links()

    async def _lead_links(self) -> None:
        """Level-triggered: what of links is not as it is to be is made so. Who is apart stays so if it fails."""
        default = self._networks.get(DEFAULT)
        wanted = plan_links_led(default, self._members) if default else set()
        gone, come, self._linked = self._linked - wanted, wanted - self._linked, wanted
        if not (gone or come):
            return
        firewall = self._need_firewall()
        try:
            await self._in_thread(lambda: firewall.change(gone, come))
        except HostError as error:
            log.warning("the rules were damaged, repairing them: %s", error.message)
            await self._in_thread(lambda: firewall.withdraw(list(gone)))
            await self.reconcile()

    async def restore(
        self,
        container_id: str,
        endpoints: dict[str, Endpoint],
        ports: list[BoundPort],
        *,
        name: str = "",
        hostname: str = "",
        asked: Sequence[PortBinding] = (),
        netns: int | None = None,
        resolving: Resolving | None = None,
        links: Links | None = None,
    ) -> list[str]:
        """Takes a running container's places and ports back, after the daemon was restarted.

        What they are by the record, they are made to be: a former daemon may have been killed in the midst of a change.
        One without places may be given some (`connect`). Returns the networks that it can no longer be in.
        """
        member = Member(container_id, name or container_id[:12], hostname, asked)
        member.resolving, member.links = resolving or member.resolving, links or member.links
        known = {plain(n): end for n, end in endpoints.items() if n in self._networks}
        self._members[container_id] = member
        await self._seating().restore(member, known, ports, netns, self._found.get(container_id[:8], []))
        return [name for name in endpoints if plain(name) in known and plain(name) not in member.endpoints]

    async def sweep(self, known_ids: Collection[str]) -> list[str]:
        """Removes the interfaces and rule entries of this instance that no container has; returns their names.

        To be called after `restore`: an interface is somebody's if its container is attached. Containers not in
        `known_ids` are detached first.
        """
        for container_id in self._members.keys() - set(known_ids):
            await self.detach(container_id)
        wires, firewall = self._need_wires(), self._need_firewall()
        used = {name for member in self._members.values() for name in member.cables().values()}
        # Being attached right now: the interface may be there before its name is.
        spared = {i[:8] for i, m in self._members.items() if len(m.cables()) < len(m.endpoints)}
        wanted = set(self._elements())
        self._found.clear()
        networks = [network.id for network in self._networks.values()]

        def work() -> list[str]:
            cables = [n for n in wires.own_links() if n not in used and self.names.veth_owner(n) not in spared]
            bridges = wires.stray_bridges(networks)
            for name in cables:
                wires.unplug(name)
            wires.delete_links(bridges)
            dead = [element for element in firewall.listed() if element not in wanted]
            firewall.withdraw(dead)
            return cables + bridges + [f"{element.map} {element.key}" for element in dead]

        swept = await self._in_thread(work)
        self._need_clearing().start()
        return swept

    def _elements(self) -> list[Element]:
        published = (element for member in self._members.values() for element in member.published.elements)
        return [*published, *self._linked]

    async def mend(self, container_id: str, netns: int) -> bool:
        """Gives back what a namespace lost with an interface that was set down inside it; whether anything was.

        For one that is ours inside, too, as a node's is: a container may lead its routes as it likes. HostError.
        """
        member = self._members.get(container_id)
        if member is None:
            return False
        ends, ways = dict(member.endpoints), plan_ways(member.endpoints)
        return await self._in_thread(lambda: inside.mend(netns, ends, ways))

    # Asking

    @property
    def gateway(self) -> str:
        """The host's address as containers of the default network see it ("host-gateway")."""
        return self.need(DEFAULT).pools[0].gateway

    def need(self, name: str) -> Network:
        """The network of that name, NotFound otherwise."""
        network = self._networks.get(name)
        if network is None:
            raise NotFound(f"network {name} not found")
        return network

    async def taken(self) -> list[IPv4Network | IPv6Network]:
        """The subnets that this host has routes to: what a new network should keep away from."""
        return await self._in_thread(self._need_wires().taken)

    def info(self) -> list[NetworkInfo]:
        """All networks with who is in them: first those that every host has."""
        default = self._networks.get(DEFAULT)
        if default is None:
            raise Unavailable("the networks are not set up")
        others = [
            Network(self.names.network_id(name), Wanted(name, driver), default.created, builtin=True)
            for name, driver in OTHERS
        ]
        made = [network for network in self._networks.values() if not network.builtin]
        return [
            NetworkInfo(network, {m.id: m.endpoints[network.name] for m in self._members_of(network.name)})
            for network in (default, *others, *made)
        ]

    async def stats(self, container_id: str) -> dict[str, InterfaceStats]:
        """The counters of its interfaces, as it sees them; empty if it is not attached."""
        member = self._members.get(container_id)
        if member is None:
            return {}
        wires = self._need_wires()
        ends = [(end.interface, end.host_interface) for end in member.endpoints.values() if end.host_interface]
        seen = await self._in_thread(lambda: [(inside, wires.counters(outside)) for inside, outside in ends])
        return {inside: counters for inside, counters in seen if counters}

    # Small things

    def _seating(self) -> Seating:
        return Seating(
            networks=self._networks,
            addresses=self._addresses,
            wires=self._need_wires(),
            firewall=self._need_firewall(),
            publisher=self._publisher,
            directory=self._directory,
            host_servers=self._host_servers,
            in_thread=self._in_thread,
            reconcile=self.reconcile,
            lead_links=self._lead_links,
            clearing=self._need_clearing(),
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _need_wires(self) -> Wires:
        if self._wires is None:
            raise Unavailable("the networks are not set up")
        return self._wires

    def _need_clearing(self) -> Clearing:
        if self._clearing is None:
            raise Unavailable("the networks are not set up")
        return self._clearing

    def _need_firewall(self) -> Firewall:
        if self._firewall is None:
            raise Unavailable("the networks are not set up")
        return self._firewall
