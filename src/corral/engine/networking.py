"""The verbs on networks: making and removing them, and letting containers join and leave."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Network, IPv6Network

from msgspec.structs import replace

from corral.engine.bundle import write_files
from corral.engine.named import check_join, find_network, is_alone, main_network, place_outside, place_without_ipv6
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.start import seat_nowhere
from corral.errors import Conflict, CorralError, Forbidden, HostError, InvalidInput, NotFound
from corral.linux.namespaces import netns_of
from corral.linux.proc import start_time
from corral.model.container import Container, ContainerSpec, Endpoint, EndpointSpec
from corral.model.network import Network, NetworkInfo, NetworkSpec

log = logging.getLogger("corral.engine")


class NetworkVerbs:
    """Every `ref` is an id, a name or an unambiguous id prefix; NotFound when there is no such network."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def info(self) -> list[NetworkInfo]:
        """All networks that are shown, with the running containers that are in them."""
        shown = [info for info in self._parts.networks.info() if not info.network.spec.unlisted]
        return [self._with_outside(info) if info.network.name in ("host", "none") else info for info in shown]

    def _with_outside(self, info: NetworkInfo) -> NetworkInfo:
        name, id = info.network.name, info.network.id
        places = {live.id: place_outside(live.record, name, id) for live in self._parts.registry}
        return NetworkInfo(info.network, {id: place for id, place in places.items() if place})

    def get(self, ref: str) -> NetworkInfo:
        return find_network(self.info(), ref)

    async def taken(self) -> list[IPv4Network | IPv6Network]:
        """The subnets that this host has routes to, its own networks among them."""
        return await self._parts.networks.taken()

    def unlisted(self, name: str) -> Network | None:
        """A network that is not shown, for who made it; None where there is none."""
        found = (info.network for info in self._parts.networks.info())
        return next((network for network in found if network.spec.unlisted and network.name == name), None)

    async def create(self, spec: NetworkSpec) -> Network:
        parts = self._parts
        if spec.name in {"default", *(info.network.name for info in self.info() if info.network.builtin)}:
            raise Forbidden(f"operation is not permitted on predefined {spec.name} network")
        network = await parts.networks.create(spec)
        try:
            await parts.network_records.save(network)
        except BaseException:
            await parts.networks.remove(network.name)
            raise
        if not spec.unlisted:
            self._tell(network, "create")
        return network

    async def open_up(self, name: str) -> Network:
        """Whoever has a route to a network that is not shown reaches it from now on. NotFound, HostError."""
        network = await self._parts.networks.open_up(name)
        await self._parts.network_records.save(network)
        return network

    async def remove(self, ref: str) -> None:
        """Forbidden for a network that is always there, or that a running container is in."""
        network = self.get(ref).network
        if network.builtin:
            raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")
        try:
            await self._parts.networks.remove(network.name)
        except Forbidden as error:
            raise Forbidden(f"error while removing network: {error.message}") from error
        await self._parts.network_records.delete(network)
        self._tell(network, "destroy")

    async def prune(self, select: Callable[[Network], bool]) -> list[str]:
        """Removes every network that nobody is in and that `select` takes: their names."""
        removed = []
        for info in self.info():
            if info.network.builtin or info.endpoints or not select(info.network):
                continue
            try:
                await self.remove(info.network.id)
            except CorralError:  # joined, or removed by another, since we looked
                continue
            removed.append(info.network.name)
        return removed

    async def connect(self, ref: str, container: str, how: EndpointSpec) -> None:
        """A container joins a network: now if it runs, else with its next start. One that does not run and is to join
        already joins as it was to: Docker's clients count on that."""
        live, network = self._parts.registry.get(container), self.get(ref).network
        async with live.lock:
            record = live.record
            check_removal(live)
            main = self._main(record)
            check_join(network.name, main if main != "none" or is_alone(main, record.spec.network) else "")
            if record.state.running and record.state.pid:
                place = place_without_ipv6(how, record.spec.sysctls)
                with network_of(record) as netns:
                    found = await self._parts.networks.connect(live.id, netns, network.name, place)
                record.endpoints, record.ports = found
            else:
                self._parts.networks.check(network.name, how)
                if network.name in self._asked(record):
                    return
            before = record.spec
            record.spec = self._spec_with(record, {**self._asked(record), network.name: how})
            try:
                await self._settle(live)
            except CorralError:  # a full disk: what is not remembered is not so
                await self._leave(live, network.name)
                record.spec = before
                if record.state.running and record.state.pid:
                    with suppress(CorralError):
                        write_files(self._parts, live)
                raise
        if live.record.state.pid:
            self._parts.tell_network(live, "connect", live.record.endpoints[network.name])

    async def disconnect(self, ref: str, container: str, *, force: bool = False) -> None:
        """A container leaves a network. `force` takes a container that is not there for one that has left."""
        try:
            live = self._parts.registry.get(container)
        except NotFound:
            if not force:
                raise
            raise NotFound(f"endpoint {container} not found") from None
        try:
            name = self.get(ref).network.name
        except NotFound:
            if not force and live.record.state.running:
                raise
            name = ref  # it is gone, the container remembers it
        async with live.lock:
            check_removal(live)
            record = live.record
            self._check_leave(record, name)
            endpoints = {network: place for network, place in record.endpoints.items() if network != name}
            left = replace(record, spec=self._spec_without(record, name), endpoints=endpoints)
            await self._parts.registry.save(left)  # first: a full disk leaves all as it was
            try:
                endpoint = await self._leave(live, name)
            except BaseException:
                await self._parts.registry.note(record)
                raise
            if record.state.running and record.state.pid:
                try:
                    write_files(self._parts, live)
                except CorralError as error:
                    log.warning("container %s: its files still name %s: %s", live.name, name, error.message)
            await self._parts.registry.note(record)
        if endpoint is not None:
            self._parts.tell_network(live, "disconnect", endpoint)

    def _check_leave(self, record: Container, name: str) -> None:
        """InvalidInput or Forbidden for a network that the container cannot leave."""
        main = self._main(record)
        if main == "host" and name == "host":
            raise InvalidInput(
                "cannot disconnect container from host network - container was created in host network mode"
            )
        there = record.state.running and record.state.pid and name in record.endpoints
        if there or (name == "none" and is_alone(main, record.spec.network)):
            return
        if name not in self._asked(record):
            raise Forbidden(f"container {record.id} is not connected to the network {name}")

    async def _leave(self, live: Live, name: str) -> Endpoint | None:
        """A network that it can leave (`_check_leave`): its place in it, if it had one."""
        record = live.record
        endpoint = record.endpoints.get(name)
        if record.state.running and record.state.pid:
            if endpoint is not None:
                with network_of(record) as netns:
                    found = await self._parts.networks.disconnect(live.id, netns, name)
                record.endpoints, record.ports = found
            elif name == "none" and is_alone(self._main(record), record.spec.network):
                await seat_nowhere(self._parts, live)
        record.spec = self._spec_without(record, name)
        return endpoint

    def _asked(self, record: Container) -> dict[str, EndpointSpec]:
        """The networks that a container is to be in."""
        network = record.spec.network
        main = self._main(record)
        alone = {} if main in network.left or main in ("host", "none") or ":" in main else {main: EndpointSpec()}
        return {name: how for name, how in network.endpoints.items() if name != "none"} or alone

    def _main(self, record: Container) -> str:
        """The name of its own network, also of one that is gone."""
        mode = record.spec.network.mode
        try:
            return main_network(self.info(), mode)
        except NotFound:
            return mode

    def _spec_with(self, record: Container, asked: dict[str, EndpointSpec]) -> ContainerSpec:
        network = record.spec.network
        left = [] if asked else [self._main(record)]
        return replace(record.spec, network=replace(network, endpoints=asked, left=left))

    def _spec_without(self, record: Container, name: str) -> ContainerSpec:
        asked = self._asked(record)
        asked.pop(name, None)
        return self._spec_with(record, asked)

    async def _settle(self, live: Live) -> None:
        """The container's files say what it has now; and it is remembered."""
        if live.record.state.running and live.record.state.pid:
            write_files(self._parts, live)
        await self._parts.registry.save(live.record)

    def _tell(self, network: Network, action: str) -> None:
        attributes = {"name": network.name, "type": network.driver}
        self._parts.events.publish("network", action, network.id, attributes)


def check_removal(live: Live) -> None:
    if live.removed or live.record.state.status in ("removing", "dead"):
        raise Conflict(
            f"Container {live.id} is marked for removal and cannot be connected or disconnected to the network"
        )


@contextmanager
def network_of(record: Container) -> Iterator[int]:
    """Of its process, and not of one that has the number by now. Conflict if it has just ended, which is told to us a
    moment later."""
    try:
        netns = netns_of(record.state.pid)
    except HostError as error:
        if error.errno not in (errno.ENOENT, errno.ESRCH):
            raise
        raise Conflict(f"container {record.id} is not running") from None
    try:
        if start_time(record.state.pid) != record.state.pid_start:
            raise Conflict(f"container {record.id} is not running")
        yield netns
    finally:
        os.close(netns)
