"""Putting a container into networks and taking it out: addresses, cables, ports and names, in this order."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from corral.errors import CorralError, Forbidden, HostError, NotFound
from corral.kit.ids import new_id
from corral.model.container import BoundPort, Endpoint, EndpointSpec
from corral.model.network import Network
from corral.networks import inside
from corral.networks.addresses import AnyAddress
from corral.networks.choose import check_endpoint, plan_endpoint
from corral.networks.dns.directory import Directory, View
from corral.networks.dns.door import open_door
from corral.networks.dns.server import Asking, NameServer
from corral.networks.dns.upstream import HostServers
from corral.networks.firewall import Firewall
from corral.networks.forwarding import allow_forwarding6
from corral.networks.inthread import InThread
from corral.networks.lines import plan_lines
from corral.networks.lingering import Clearing
from corral.networks.members import Addresses, Member, plan_links, plan_target
from corral.networks.parents import DRIVERS, plan_parent, plug_over
from corral.networks.places import plan_interface, plan_names, plan_ways
from corral.networks.publish import Published, Publisher
from corral.networks.wires import Port, Wires

log = logging.getLogger("corral")


@dataclass(frozen=True)
class Seating:
    """What the steps work with. The library's own; made for one operation."""

    networks: dict[str, Network]
    addresses: dict[str, Addresses]
    wires: Wires
    firewall: Firewall
    publisher: Publisher
    directory: Directory
    host_servers: HostServers
    in_thread: InThread
    reconcile: Callable[[], Awaitable[None]]
    lead_links: Callable[[], Awaitable[None]]
    clearing: Clearing

    # Coming

    async def own_names(self, netns: int) -> set[str]:
        """The interfaces that there are in a container, also those that it has made for itself."""
        return await self.in_thread(lambda: inside.names(netns))

    async def hosts(self, network: Network) -> list[AnyAddress]:
        """The host's own addresses on the wire that the network is on, which no container is given."""
        if network.driver not in DRIVERS:
            return []
        return await self.in_thread(lambda: self.wires.addresses(plan_parent(network).name))

    def reserve(
        self,
        member: Member,
        network: Network,
        how: EndpointSpec,
        hosts: Collection[AnyAddress] = (),
        spared: Collection[str] = (),
    ) -> Endpoint:
        """Addresses and a name for the interface, none of those that others are to have; nothing is on the host yet.

        NotFound when the network has been removed meanwhile: from here on it cannot be.
        """
        now = self.networks.get(network.name)
        if now is None or now.id != network.id:
            raise NotFound(f"network {network.name} not found")
        check_endpoint(network, how)
        taken = {end.interface: name for name, end in member.endpoints.items()}
        if how.interface in taken:
            other = f"in network {taken[how.interface]}"
            raise Forbidden(f"interface {how.interface} of container {member.name} is {other}; give another name")
        names = plan_names(member.name, member.id, member.hostname, how.aliases) if network.named else []
        ipv4, ipv6 = self.addresses[network.name].take(how, hosts)
        endpoint = plan_endpoint(
            network,
            how,
            ipv4=ipv4,
            ipv6=ipv6,
            endpoint_id=new_id(),
            interface=how.interface or plan_interface(network.spec.options.interface_prefix, {*taken, *spared}),
            dns_names=names or plan_names(member.name, member.id, member.hostname, ()),
        )
        endpoint.links, endpoint.sysctls = plan_links(how.links), how.sysctls
        member.endpoints[network.name] = endpoint
        return endpoint

    async def publish(self, member: Member) -> None:
        """Takes the ports of the host; the rules come with the cables."""
        target = plan_target(member.endpoints, plan_ways(member.endpoints), self.networks)
        if target is None or not member.ports:
            return
        try:
            member.published = self.publisher.open(member.ports, target, member.name)
        except HostError as error:
            raise _on_endpoint(error, member) from error

    async def connect(self, member: Member, netns: int, new: list[Endpoint]) -> None:
        """Cables, addresses, routes, rules and the name server."""

        def work() -> None:
            self._plug(member, netns, new)
            self.firewall.add(member.published.elements)
            self.firewall.forget_flows(member.published.ports)

        try:
            await self.in_thread(work)
        except HostError as error:
            if not await self.in_thread(self._damaged):
                raise
            log.warning("the network was damaged, repairing it: %s", error.message)
            await self.reconcile()
            await self.in_thread(work)
        await self.lead_links()
        await self._serve(member, netns)
        for endpoint in new:
            if self.networks[endpoint.network].named:
                self.directory.add(endpoint.network, endpoint)

    def _plug(self, member: Member, netns: int, new: list[Endpoint]) -> None:
        """In the thread. What is plugged in already stays: a second try needs no second cable."""
        ways = plan_ways(member.endpoints)
        for endpoint in new:
            network = self.networks[endpoint.network]
            if endpoint.gateway6 and network.driver == "bridge":
                allow_forwarding6()
            if network.driver != "bridge":
                plug_over(self.wires, netns, endpoint, network)
            elif not endpoint.host_interface:
                serves, lines = bool(member.published.ports), plan_lines(network)
                before = self.wires.elements(lines)
                endpoint.host_interface = self.wires.plug(member.id, netns, endpoint, lines, serves=serves)
                after = self.wires.elements(lines)
                if len(after) != len(before):  # it took one bridge more
                    self.firewall.add([element for element in after if element not in before])
        inside.furnish(netns, new, member.endpoints, ways)

    def _damaged(self) -> bool:
        """Whether a bridge or the rules are gone."""
        bridges = [network.bridge for network in self.networks.values() if network.bridge]
        return not self.firewall.complete() or not all(map(self.wires.exists, bridges))

    async def _serve(self, member: Member, netns: int, *, again: bool = False) -> None:
        """The name server at 127.0.0.11, where one of the networks has names; what it answers, where there is one."""
        named = [name for name in member.endpoints if self.networks[name].named]
        if member.server is None and named:
            door = await self.in_thread(lambda: open_door(netns, again=again))
            held = os.dup(netns)
            member.server = NameServer(door, held, Asking(), self.directory, self.host_servers)
        if member.server is not None:
            member.server.asking = self._asking(member, named)

    def _asking(self, member: Member, named: list[str]) -> Asking:
        links: dict[str, list[str]] = {}
        for end in member.endpoints.values():
            for alias, meant in end.links.items():
                links.setdefault(alias.lower(), []).append(meant.lower())
        outward = any(not end.internal for end in member.endpoints.values())
        view = View(named, links)
        return Asking(view, member.resolving.upstream, outward=outward, dotted=member.resolving.dotted)

    async def lead_ports(self, member: Member) -> None:
        """After networks came or went: the ports lead to where the container is reached now."""
        target = plan_target(member.endpoints, plan_ways(member.endpoints), self.networks)
        published = member.published
        if target == published.target and published.elements:
            return
        before = list(published.elements)
        if target is None:
            self.publisher.close(published)
            member.published = Published()
        elif not published.ports or target.families != published.target.families:
            self.publisher.close(published)
            try:
                member.published = self.publisher.open(member.ports, target, member.name)
            except CorralError:  # they stay as they were, and the rules with them
                member.published = self.publisher.reopen(published.ports, member.ports, published.target, member.name)
                raise
        else:
            self.publisher.move(published, member.ports, target)
        after, ports = member.published.elements, [*published.ports, *member.published.ports]
        serves, cables = bool(member.published.ports), member.cables()

        def work() -> None:
            try:
                self.firewall.change([e for e in before if e not in after], [e for e in after if e not in before])
            except HostError:  # somebody flushed the rules
                self.firewall.withdraw(before)
                self.firewall.add(after)
            self.firewall.forget_flows(ports)
            for name, interface in cables.items():
                self.wires.set_port(Port(interface, serves), plan_lines(self.networks[name]))

        await self.in_thread(work)

    # Going

    async def leave(self, member: Member, name: str, netns: int) -> None:
        """Its ports lead elsewhere before another may have its address."""
        endpoint = member.endpoints.pop(name)
        self.directory.remove(endpoint.network, endpoint)
        try:
            await self._unseat(member, endpoint, netns)
        finally:
            await self._lead_ports_or_none(member)
            try:
                await self.lead_links()
            finally:
                self._forget(endpoint)
                self.clearing.start()

    async def _unseat(self, member: Member, endpoint: Endpoint, netns: int) -> None:
        ways, before = plan_ways(member.endpoints), plan_ways({**member.endpoints, endpoint.network: endpoint})
        led = [version for version in (4, 6) if ways.of(version) != before.of(version)]

        def work() -> None:
            if endpoint.host_interface:
                self.wires.unplug(endpoint.host_interface)
            else:
                inside.remove(netns, endpoint.interface)
            try:
                inside.lead(netns, member.endpoints, ways, led)
            except HostError as error:  # what the container did to its interfaces keeps nobody from leaving
                log.warning("container %s has no default route any more: %s", member.name, error.message)

        await self.in_thread(work)
        await self._serve(member, netns)

    async def _lead_ports_or_none(self, member: Member) -> None:
        """A container that has left cannot be kept from it: what cannot be led elsewhere is published no more."""
        try:
            await self.lead_ports(member)
        except CorralError as error:
            log.error("container %s: its ports are published no more: %s", member.name, error.message)
            published, member.published = member.published, Published()
            self.publisher.close(published)
            await self.in_thread(lambda: self._clear(published.elements, published.ports, [], unplug=False))

    async def leave_all(self, member: Member, *, unplug: bool) -> None:
        try:
            await self.lead_links()  # before another may have its address
        finally:
            await self._leave_all(member, unplug=unplug)

    async def _leave_all(self, member: Member, *, unplug: bool) -> None:
        if member.server is not None:
            await member.server.close()
            member.server = None
        self.publisher.close(member.published)
        published, endpoints = member.published, [end for end in member.endpoints.values() if end.host_interface]
        try:
            if published.elements or endpoints:
                await self.in_thread(lambda: self._clear(published.elements, published.ports, endpoints, unplug))
        finally:
            for endpoint in member.endpoints.values():
                self._forget(endpoint)
            self.clearing.start()

    def _clear(self, elements: list[Any], ports: list[BoundPort], endpoints: list[Endpoint], unplug: bool) -> None:
        try:
            if elements:
                self.firewall.withdraw(elements)
                self.firewall.forget_flows(ports)
        finally:
            for endpoint in endpoints:
                if unplug:
                    self.wires.unplug(endpoint.host_interface)
                else:
                    self.wires.let_go(endpoint.host_interface, endpoint)

    def _forget(self, endpoint: Endpoint) -> None:
        if endpoint.network in self.networks:  # else it is one of those that went
            self.addresses[endpoint.network].give_back(endpoint)
        self.directory.remove(endpoint.network, endpoint)

    # Staying

    def rename(self, member: Member, name: str) -> None:
        old, member.name = member.name, name
        for network, endpoint in member.endpoints.items():
            self.directory.remove(network, endpoint)
            endpoint.dns_names = list(dict.fromkeys(name if n == old else n for n in endpoint.dns_names))
            if self.networks[network].named:
                self.directory.add(network, endpoint)

    async def restore(
        self,
        member: Member,
        endpoints: dict[str, Endpoint],
        ports: list[BoundPort],
        netns: int | None,
        cables: Collection[str] = (),
    ) -> None:
        """Nothing here fails: the container runs, whatever becomes of its network. It was found with `cables`.

        A place whose cable has gone, as when the daemon was killed before it could note that the container had left, is
        no longer in `member`.
        """
        gone = await self.in_thread(lambda: self._unplugged(endpoints))
        endpoints = {name: endpoint for name, endpoint in endpoints.items() if name not in gone}
        member.endpoints = endpoints
        for name, endpoint in endpoints.items():
            try:
                self.addresses[name].take_back(endpoint)
            except CorralError as error:
                log.warning("container %s keeps an address that is not ours: %s", member.name, error.message)
            if self.networks[name].named:
                self.directory.add(name, endpoint)
        target = plan_target(endpoints, plan_ways(endpoints), self.networks)
        if target is not None:
            member.published = self.publisher.reopen(ports, member.ports, target, member.name)
        await self._tried(member, self.in_thread(lambda: self._take_back(member)))
        if netns is not None:
            await self._tried(member, self.in_thread(lambda: self._mend(member, netns, cables)))
            await self._tried(member, self._serve(member, netns, again=True))
            self.clearing.start()
        await self.lead_links()

    async def _tried(self, member: Member, step: Awaitable[None]) -> None:
        try:
            await step
        except CorralError as error:
            log.error("container %s: its network could not be taken over whole: %s", member.name, error.message)

    def _unplugged(self, endpoints: dict[str, Endpoint]) -> list[str]:
        cables = {name: end.host_interface for name, end in endpoints.items() if end.host_interface}
        return [name for name, cable in cables.items() if not self.wires.exists(cable)]

    def _take_back(self, member: Member) -> None:
        for name, interface in member.cables().items():
            self.wires.take_back(Port(interface, bool(member.published.ports)), plan_lines(self.networks[name]))
        self.firewall.take_back(member.published.elements)

    def _mend(self, member: Member, netns: int, cables: Collection[str]) -> None:
        """Ends what a killed daemon had begun: networks that were being joined or left are there, or not, as recorded.

        Only then are routes led: otherwise they are as the container itself wants them.
        """
        stray = set(cables) - set(member.cables().values())
        missing = inside.missing(netns, member.endpoints.values())
        over = inside.strays(netns, member.endpoints.values(), self._parents())
        if not (stray or missing or over):
            return
        for cable in stray:
            self.wires.unplug(cable)
        for interface in over:
            inside.remove(netns, interface)
        for endpoint in missing:
            self.wires.forget(endpoint.host_interface)
            endpoint.host_interface = ""
        self._plug(member, netns, missing)
        inside.lead(netns, member.endpoints, plan_ways(member.endpoints))

    def _parents(self) -> set[int]:
        """The host's interfaces that macvlan and ipvlan networks stand on."""
        names = [plan_parent(network).name for network in self.networks.values() if network.driver in DRIVERS]
        return {link.index for link in map(self.wires.find, names) if link is not None}


def _on_endpoint(error: HostError, member: Member) -> HostError:
    endpoint_id = next(iter(member.endpoints.values())).endpoint_id
    words = f"driver failed programming external connectivity on endpoint {member.name} ({endpoint_id}): "
    return HostError(f"failed to set up container networking: {words}{error.message}", error.errno)
