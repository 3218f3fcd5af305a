"""A container's own side: its interfaces, addresses and routes. Blocks, but for the plans."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import ip_address

from corral.errors import HostError, from_oserror
from corral.linux import links
from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink, Request
from corral.model.container import Endpoint
from corral.networks.addresses import AnyAddress
from corral.networks.parents import DRIVERS
from corral.networks.places import Ways


def furnish(netns: int, new: Sequence[Endpoint], endpoints: Mapping[str, Endpoint], ways: Ways) -> None:
    """Brings new interfaces up and leads the default routes to them that belong there now. Others stay as they are,
    as the container may have led them itself."""
    names = [endpoint.network for endpoint in new]
    led = [version for version in (4, 6) if ways.of(version) in names]
    with in_netns(netns, lambda: _enter(new)) as inside:
        steps: list[Request] = []
        for endpoint in new:
            found = inside.link(endpoint.interface)
            if found is None:
                raise HostError(f"the container's end {endpoint.interface} of {endpoint.host_interface} vanished")
            steps += plan_interface(found.index, endpoint)
        index6 = _index6(inside, endpoints, ways) if 6 in led else 0
        inside.batch([*steps, *plan_routes(endpoints, ways, led, index6=index6)])
    settings = [setting for endpoint in new for setting in plan_settings(endpoint)]
    if settings:
        in_netns(netns, lambda: _set(settings))


def _enter(new: Sequence[Endpoint]) -> Netlink:
    """Done inside, before the interfaces are up."""
    for name in plan_without_ipv6(new):
        _disable_ipv6(name)
    return Netlink()


def plan_without_ipv6(new: Iterable[Endpoint]) -> list[str]:
    """Pure: the interfaces that have no IPv6 at all: else whoever is on the same network could give them addresses and
    routes by router advertisements.

    >>> plan_without_ipv6([Endpoint("a", "", "", interface="eth0"), Endpoint("b", "", "", ipv6="fd00::2")])
    ['eth0']
    """
    return [endpoint.interface for endpoint in new if not endpoint.ipv6]


def _disable_ipv6(name: str) -> None:
    try:
        with open(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "w", encoding="ascii") as file:
            file.write("1")
    except FileNotFoundError:  # a kernel without IPv6
        return
    except OSError as error:
        raise from_oserror(f"failed to disable IPv6 on container's interface {name}", error) from error


def plan_settings(endpoint: Endpoint) -> list[tuple[str, str]]:
    """Pure: files below /proc/sys and what to write there, for the parameters asked for an interface.

    >>> plan_settings(Endpoint("a", "", "", sysctls=["net.ipv4.conf.IFNAME.log_martians=1"]))
    [('net/ipv4/conf/eth0/log_martians', '1')]
    """
    found = []
    for text in endpoint.sysctls:
        name, _, value = text.partition("=")
        words = name.split(".", 4)
        words[3] = endpoint.interface
        found.append(("/".join(words), value))
    return found


def _set(settings: list[tuple[str, str]]) -> None:
    for path, value in settings:
        try:
            with open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            raise from_oserror(f"set {path} to {value}", error) from error


def lead(netns: int, endpoints: Mapping[str, Endpoint], ways: Ways, versions: Collection[int] = (4, 6)) -> None:
    """Leads the default routes anew, after a network was left."""
    if versions:
        with Netlink.inside(netns) as inside:
            index6 = _index6(inside, endpoints, ways)
            inside.batch(plan_routes(endpoints, ways, versions, gone=True, index6=index6))


def mend(netns: int, endpoints: Mapping[str, Endpoint], ways: Ways) -> bool:
    """Gives back what the kernel took away when an interface was set down, and is up again; whether it had to."""
    with Netlink.inside(netns) as inside:
        up = {link.name: link.index for link in inside.links() if link.up}
        has = {address for index in up.values() for _, address, _ in inside.addresses(index)}
        default = {network.version for network in inside.ways() if network.prefixlen == 0}
        addresses = plan_lost_addresses(endpoints.values(), up, has)
        lost = plan_lost_ways(endpoints, ways, up, default)
        index6 = _index6(inside, endpoints, ways) if 6 in lost else 0
        inside.batch([*addresses, *plan_routes(endpoints, ways, lost, gone=True, index6=index6)])
    return bool(addresses or lost)


def plan_lost_addresses(
    endpoints: Iterable[Endpoint], up: Mapping[str, int], has: Collection[AnyAddress]
) -> list[Request]:
    """Pure: the addresses that interfaces lack which are `up` (with their indexes): all of IPv6 go when one is set
    down. Those of one that is down wait until it is up.

    >>> end = Endpoint("a", "", "", interface="eth0", ipv4="10.1.0.2", ipv6="fd00::2", ipv6_prefix=64)
    >>> [step.what for step in plan_lost_addresses([end], {"eth0": 2}, [ip_address("10.1.0.2")])]
    ['give interface 2 the address fd00::2']
    >>> plan_lost_addresses([end], {}, [])
    []
    """
    steps = []
    for end in endpoints:
        for text, prefix in ((end.ipv4, end.ipv4_prefix), (end.ipv6, end.ipv6_prefix)):
            if text and end.interface in up and ip_address(text) not in has:
                steps.append(links.add_address(up[end.interface], ip_address(text), prefix))
    return steps


def plan_lost_ways(
    endpoints: Mapping[str, Endpoint], ways: Ways, up: Collection[str], default: Collection[int]
) -> list[int]:
    """Pure: the families whose default route went with an interface that is up again. `default`: those that have one,
    wherever it leads: who chose another has chosen.

    >>> end = Endpoint("a", "", "", interface="eth0", gateway="10.1.0.1", gateway6="fd00::1")
    >>> plan_lost_ways({"a": end}, Ways("a", "a"), ["lo", "eth0"], [6]), plan_lost_ways({"a": end}, Ways("a"), [], [])
    ([4], [])
    """
    led = [version for version in (4, 6) if version not in default and ways.of(version)]
    return [version for version in led if endpoints[ways.of(version)].interface in up]


def _index6(inside: Netlink, endpoints: Mapping[str, Endpoint], ways: Ways) -> int:
    """The interface that the IPv6 gateway is behind, where its address does not say so by itself; otherwise 0."""
    if not ways.ipv6 or not ip_address(endpoints[ways.ipv6].gateway6).is_link_local:
        return 0
    found = inside.link(endpoints[ways.ipv6].interface)
    return found.index if found else 0


def names(netns: int) -> set[str]:
    """Of all its interfaces."""
    with Netlink.inside(netns) as inside:
        return {link.name for link in inside.links()}


def missing(netns: int, endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Those whose interfaces are not there."""
    there = names(netns)
    return [endpoint for endpoint in endpoints if endpoint.interface not in there]


def strays(netns: int, endpoints: Iterable[Endpoint], parents: Collection[int]) -> list[str]:
    """The interfaces that stand on one of the host's `parents`, by index, and are no endpoint's. Those that the
    container has made for itself stand on its own."""
    known = {endpoint.interface for endpoint in endpoints}
    with Netlink.inside(netns) as inside:
        found = [link for link in inside.links() if link.kind in DRIVERS and link.elsewhere and link.parent in parents]
    return [link.name for link in found if link.name not in known]


def remove(netns: int, interface: str) -> None:
    """Takes an interface on one of the host's away. Any other of that name is not ours."""
    with Netlink.inside(netns) as inside:
        link = inside.link(interface)
        if link is not None and link.kind in DRIVERS and link.elsewhere:
            inside.do(links.delete_link(interface))


def plan_interface(index: int, endpoint: Endpoint) -> list[Request]:
    """Pure: what happens to an interface of the container's, in this order."""
    local = links.own_ipv6 if endpoint.ipv6 else links.quiet_ipv6
    steps = [local(endpoint.interface), links.set_link(endpoint.interface, up=True)]
    if endpoint.ipv4:
        steps.append(links.add_address(index, ip_address(endpoint.ipv4), endpoint.ipv4_prefix))
    if endpoint.ipv6:
        steps.append(links.add_address(index, ip_address(endpoint.ipv6), endpoint.ipv6_prefix))
    more = [ip_address(text) for text in endpoint.link_local]
    return steps + [links.add_address(index, address, 16 if address.version == 4 else 64) for address in more]


def plan_routes(
    endpoints: Mapping[str, Endpoint], ways: Ways, versions: Collection[int], *, gone: bool = False, index6: int = 0
) -> list[Request]:
    """Pure: the default routes of some families. Those of one that has no way out are taken away. `index6` is the
    interface of an IPv6 gateway whose address is link-local."""
    steps = []
    for version in versions:
        if name := ways.of(version):
            gateway = endpoints[name].gateway if version == 4 else endpoints[name].gateway6
            index = index6 if version == 6 else 0
            steps.append(links.add_route(ip_address(gateway), index=index, replace=len(endpoints) > 1 or gone))
        else:
            steps.append(links.delete_default_route(version))
    return steps
