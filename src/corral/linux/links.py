"""Changes to interfaces, addresses and routes, as netlink requests. Pure: bytes for `Netlink.batch`."""

from __future__ import annotations

import errno
from ipaddress import ip_network

from corral.linux import netlink_wire as wire
from corral.linux.netlink import Address, Network, Request

_MADE = wire.CREATE | wire.EXCL
_EXISTS = frozenset({errno.EEXIST})
_GONE = frozenset({errno.ENODEV})
_NO_ROUTE = frozenset({errno.ESRCH, errno.EAFNOSUPPORT})
_NO_ENTRY = frozenset({errno.ENOENT, errno.ENODEV})
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT})


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _mtu(mtu: int) -> bytes:
    return wire.u32(wire.IFLA_MTU, mtu) if mtu else b""


def _info(kind: str, data: bytes = b"") -> bytes:
    inner = wire.text(wire.IFLA_INFO_KIND, kind)
    return wire.nested(wire.IFLA_LINKINFO, inner, wire.nested(wire.IFLA_INFO_DATA, data) if data else b"")


def add_bridge(name: str, mac: str, mtu: int = 0) -> Request:
    """A bridge, down, without the forward delay (a new port would drop packets for 15 s). It may exist.

    The MAC is given, else the bridge would take its lowest port's, and change it as containers come and go.
    """
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name)
    payload += wire.attribute(wire.IFLA_ADDRESS, _mac(mac)) + _mtu(mtu)
    payload += _info("bridge", wire.u32(wire.IFLA_BR_FORWARD_DELAY, 0))
    return Request(f"create bridge {name}", wire.RTM_NEWLINK, _MADE, payload, _EXISTS)


def add_veth(name: str, peer: str, netns: int, *, master: int, peer_mac: str = "", mtu: int = 0) -> Request:
    """A pair of interfaces: `name` here, up and a port of the bridge `master`; `peer` down in another namespace.

    A peer cannot be created up.
    """
    other = wire.link_body() + wire.text(wire.IFLA_IFNAME, peer) + wire.u32(wire.IFLA_NET_NS_FD, netns) + _mtu(mtu)
    if peer_mac:
        other += wire.attribute(wire.IFLA_ADDRESS, _mac(peer_mac))
    payload = wire.link_body(flags=wire.IFF_UP, change=wire.IFF_UP) + wire.text(wire.IFLA_IFNAME, name) + _mtu(mtu)
    payload += wire.u32(wire.IFLA_MASTER, master)
    payload += _info("veth", wire.nested(wire.VETH_INFO_PEER, other))
    return Request(f"create interface {name} for {peer}", wire.RTM_NEWLINK, _MADE, payload)


def add_cable(name: str, peer: str, master: int, peer_master: int, mtu: int = 0) -> Request:
    """A pair of interfaces between two bridges, to be brought up. It may exist."""
    other = wire.link_body() + wire.text(wire.IFLA_IFNAME, peer) + wire.u32(wire.IFLA_MASTER, peer_master) + _mtu(mtu)
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + wire.u32(wire.IFLA_MASTER, master) + _mtu(mtu)
    payload += _info("veth", wire.nested(wire.VETH_INFO_PEER, other))
    return Request(f"create interface {name} for {peer}", wire.RTM_NEWLINK, _MADE, payload, _EXISTS)


MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


def add_macvlan(name: str, parent: int, netns: int, *, mode: str, mac: str = "", mtu: int = 0) -> Request:
    """An interface, down, in another namespace that shares the wire of the interface `parent` with its own MAC."""
    data = wire.u32(wire.IFLA_MACVLAN_MODE, MACVLAN_MODES[mode])
    return _over(name, parent, netns, _info("macvlan", data), mac, mtu)


def add_ipvlan(name: str, parent: int, netns: int, *, mode: str, flag: str = "bridge", mtu: int = 0) -> Request:
    """As a macvlan, but with the MAC of the parent."""
    data = wire.u16(wire.IFLA_IPVLAN_MODE, IPVLAN_MODES[mode]) + wire.u16(wire.IFLA_IPVLAN_FLAGS, IPVLAN_FLAGS[flag])
    return _over(name, parent, netns, _info("ipvlan", data), "", mtu)


def _over(name: str, parent: int, netns: int, info: bytes, mac: str, mtu: int) -> Request:
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + wire.u32(wire.IFLA_LINK, parent)
    payload += wire.u32(wire.IFLA_NET_NS_FD, netns) + _mtu(mtu)
    payload += (wire.attribute(wire.IFLA_ADDRESS, _mac(mac)) if mac else b"") + info
    return Request(f"create interface {name} on interface {parent}", wire.RTM_NEWLINK, _MADE, payload)


def add_vlan(name: str, parent: int, vlan: int) -> Request:
    """The part of an interface's traffic that bears a VLAN's number."""
    payload = wire.link_body(flags=wire.IFF_UP, change=wire.IFF_UP) + wire.text(wire.IFLA_IFNAME, name)
    payload += wire.u32(wire.IFLA_LINK, parent)
    payload += _info("vlan", wire.u16(wire.IFLA_VLAN_ID, vlan))
    return Request(f"create interface {name} on interface {parent}", wire.RTM_NEWLINK, _MADE, payload, _EXISTS)


def add_dummy(name: str) -> Request:
    """An interface that leads nowhere, up. It may exist."""
    payload = wire.link_body(flags=wire.IFF_UP, change=wire.IFF_UP) + wire.text(wire.IFLA_IFNAME, name)
    payload += _info("dummy")
    return Request(f"create interface {name}", wire.RTM_NEWLINK, _MADE, payload, _EXISTS)


def add_vxlan(name: str, number: int, port: int, *, mac: str, mtu: int, local: Address) -> Request:
    """A VXLAN interface (RFC 7348), up, that learns nothing from packets. `local`: the address that it sends from,
    whose family is that of the network below; the unspecified one leaves the choice to the kernel."""
    payload = wire.link_body(flags=wire.IFF_UP, change=wire.IFF_UP) + wire.text(wire.IFLA_IFNAME, name) + _mtu(mtu)
    payload += wire.attribute(wire.IFLA_ADDRESS, _mac(mac))
    data = wire.u32(wire.IFLA_VXLAN_ID, number) + wire.u8(wire.IFLA_VXLAN_LEARNING, 0)
    data += wire.attribute(wire.IFLA_VXLAN_PORT, port.to_bytes(2, "big"))
    kind = wire.IFLA_VXLAN_LOCAL if local.version == 4 else wire.IFLA_VXLAN_LOCAL6
    data += wire.attribute(kind, local.packed)
    payload += _info("vxlan", data)
    return Request(f"create VXLAN interface {name}", wire.RTM_NEWLINK, _MADE, payload)


def add_neighbour(index: int, address: Address, mac: str) -> Request:
    """Who has an address, for good: nobody is asked."""
    payload = _neighbour(wire.AF_INET if address.version == 4 else wire.AF_INET6, index, address, mac)
    flags = wire.CREATE | wire.REPLACE
    return Request(f"tell interface {index} who has {address}", wire.RTM_NEWNEIGH, flags, payload)


def delete_neighbour(index: int, address: Address, mac: str) -> Request:
    payload = _neighbour(wire.AF_INET if address.version == 4 else wire.AF_INET6, index, address, mac)
    return Request(f"forget who has {address}", wire.RTM_DELNEIGH, 0, payload, _NO_ENTRY)


def add_forwarding(index: int, mac: str, to: Address) -> Request:
    """Behind which address of the network below a VXLAN's MAC is."""
    payload = _neighbour(wire.AF_BRIDGE, index, to, mac, wire.NTF_SELF)
    flags = wire.CREATE | wire.REPLACE
    return Request(f"tell interface {index} where {mac} is", wire.RTM_NEWNEIGH, flags, payload)


def delete_forwarding(index: int, mac: str, to: Address) -> Request:
    payload = _neighbour(wire.AF_BRIDGE, index, to, mac, wire.NTF_SELF)
    return Request(f"forget where {mac} is", wire.RTM_DELNEIGH, 0, payload, _NO_ENTRY)


def _neighbour(family: int, index: int, address: Address, mac: str, flags: int = 0) -> bytes:
    body = wire.neighbour_body(family, index, wire.NUD_PERMANENT, flags)
    return body + wire.attribute(wire.NDA_DST, address.packed) + wire.attribute(wire.NDA_LLADDR, _mac(mac))


def quiet_ipv6(name: str) -> Request:
    """No link-local IPv6 address by itself. To be asked for before the interface has a carrier.

    The kernel takes this of an existing interface only, never while it creates one. Without IPv6 it is fine.
    """
    mode = wire.nested(wire.AF_INET6, wire.u8(wire.IFLA_INET6_ADDR_GEN_MODE, wire.ADDR_GEN_NONE))
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + wire.nested(wire.IFLA_AF_SPEC, mode)
    return Request(f"quieten IPv6 on interface {name}", wire.RTM_NEWLINK, 0, payload, _NO_IPV6)


def own_ipv6(name: str) -> Request:
    """A link-local IPv6 address of its own, made from its MAC address when it comes up. Without IPv6 it is fine."""
    mode = wire.nested(wire.AF_INET6, wire.u8(wire.IFLA_INET6_ADDR_GEN_MODE, wire.ADDR_GEN_EUI64))
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + wire.nested(wire.IFLA_AF_SPEC, mode)
    return Request(f"give interface {name} a link-local address", wire.RTM_NEWLINK, 0, payload, _NO_IPV6)


def set_port(name: str, *, isolated: bool = False, hairpin: bool = False) -> Request:
    """How a bridge port behaves. `isolated`: it talks to the bridge's own address, not to other isolated ports.

    `hairpin`: what comes in may go out the same way. One that is gone is fine.
    """
    flags = wire.u8(wire.IFLA_BRPORT_ISOLATED, isolated) + wire.u8(wire.IFLA_BRPORT_MODE, hairpin)
    kind = wire.text(wire.IFLA_INFO_SLAVE_KIND, "bridge")
    info = wire.nested(wire.IFLA_LINKINFO, kind, wire.nested(wire.IFLA_INFO_SLAVE_DATA, flags))
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + info
    return Request(f"configure bridge port {name}", wire.RTM_NEWLINK, 0, payload, _GONE)


def set_master(name: str, master: int) -> Request:
    """Makes an interface a port of a bridge. One that is gone is fine."""
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + wire.u32(wire.IFLA_MASTER, master)
    return Request(f"put interface {name} into a bridge", wire.RTM_NEWLINK, 0, payload, _GONE)


def set_link(name: str, *, up: bool | None = None, mac: str = "", mtu: int = 0, may_be_gone: bool = False) -> Request:
    """Changes an interface by name."""
    flags = wire.IFF_UP if up else 0
    payload = wire.link_body(flags=flags, change=0 if up is None else wire.IFF_UP) + wire.text(wire.IFLA_IFNAME, name)
    payload += _mtu(mtu) + (wire.attribute(wire.IFLA_ADDRESS, _mac(mac)) if mac else b"")
    return Request(f"change interface {name}", wire.RTM_NEWLINK, 0, payload, _GONE if may_be_gone else frozenset())


def set_alias(name: str, alias: str) -> Request:
    """A note that the kernel keeps with an interface; it takes none of one that it is just making."""
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name) + wire.text(wire.IFLA_IFALIAS, alias)
    return Request(f"mark interface {name}", wire.RTM_NEWLINK, 0, payload)


def delete_link(name: str) -> Request:
    """Removes an interface; one that is gone is fine. Takes some 40 ms: never where somebody waits."""
    payload = wire.link_body() + wire.text(wire.IFLA_IFNAME, name)
    return Request(f"delete interface {name}", wire.RTM_DELLINK, 0, payload, _GONE)


def add_address(index: int, address: Address, prefix: int) -> Request:
    """Gives an interface an address; it may have it already. IPv6: usable at once, without asking the others, and one
    that is alone in its subnet brings no route, as with IPv4."""
    family = wire.AF_INET if address.version == 4 else wire.AF_INET6
    payload = wire.address_body(family, prefix, index) + wire.attribute(wire.IFA_LOCAL, address.packed)
    payload += wire.attribute(wire.IFA_ADDRESS, address.packed)
    if address.version == 6:
        alone = wire.IFA_F_NOPREFIXROUTE if prefix == 128 else 0
        payload += wire.u32(wire.IFA_FLAGS, wire.IFA_F_NODAD | alone)
    else:
        payload += _broadcast(address, prefix)
    return Request(f"give interface {index} the address {address}", wire.RTM_NEWADDR, _MADE, payload, _EXISTS)


def _broadcast(address: Address, prefix: int) -> bytes:
    """The last address of the subnet, where it is large enough to have one to spare."""
    last = ip_network((address, prefix), strict=False).broadcast_address.packed
    return wire.attribute(wire.IFA_BROADCAST, last) if prefix < 31 else b""


def delete_address(index: int, address: Address, prefix: int) -> Request:
    family = wire.AF_INET if address.version == 4 else wire.AF_INET6
    payload = wire.address_body(family, prefix, index) + wire.attribute(wire.IFA_LOCAL, address.packed)
    gone = frozenset({errno.EADDRNOTAVAIL})
    return Request(f"take address {address} from interface {index}", wire.RTM_DELADDR, 0, payload, gone)


def add_route(
    gateway: Address | None, *, to: Network | None = None, index: int = 0, replace: bool = False, onlink: bool = False
) -> Request:
    """A route, the default one without `to`; through a gateway, or straight out of an interface.

    `replace`: in the place of the one that is there. `onlink`: the gateway is on that interface, whatever its
    addresses say.
    """
    version = gateway.version if gateway else to.version if to else 4
    family = wire.AF_INET if version == 4 else wire.AF_INET6
    scope, bits = 0 if gateway else wire.SCOPE_LINK, wire.ONLINK if onlink else 0
    payload = wire.route_body(family, to.prefixlen if to else 0, scope, bits)
    payload += wire.attribute(wire.RTA_DST, to.network_address.packed) if to else b""
    payload += wire.attribute(wire.RTA_GATEWAY, gateway.packed) if gateway else b""
    payload += wire.u32(wire.RTA_OIF, index) if index else b""
    where = to or "everywhere"
    flags = wire.CREATE | wire.REPLACE if replace else _MADE
    return Request(f"add a route to {where} through {gateway or index}", wire.RTM_NEWROUTE, flags, payload, _EXISTS)


def delete_route(to: Network, gateway: Address | None = None, *, index: int = 0) -> Request:
    """Takes the route to a network away, if it leads through this gateway or interface; none is fine."""
    family = wire.AF_INET if to.version == 4 else wire.AF_INET6
    payload = wire.route_body(family, to.prefixlen) + wire.attribute(wire.RTA_DST, to.network_address.packed)
    payload += wire.attribute(wire.RTA_GATEWAY, gateway.packed) if gateway else b""
    payload += wire.u32(wire.RTA_OIF, index) if index else b""
    return Request(f"delete the route to {to}", wire.RTM_DELROUTE, 0, payload, _NO_ROUTE)


def delete_default_route(version: int) -> Request:
    """Takes a default route away; none is fine."""
    payload = wire.route_body(wire.AF_INET if version == 4 else wire.AF_INET6)
    return Request(f"delete the default route of IPv{version}", wire.RTM_DELROUTE, 0, payload, _NO_ROUTE)
