"""The firewall rules of an instance, as the text of one nftables table. Pure.

::

    from outside            ┌─ guard ──┐   ┌─ arrive ─┐             ┌─ forward ─┐   ┌─ leave ─────────┐
    and from containers ───►│ no packet│──►│ to one of│─► route ───►│ see below │──►│ masquerade what │──► to the
                            │ to 127.* │   │ our own  │      │      │           │   │ leaves, and what│    container
                            │ from a   │   │ addresses│      │      │           │   │ came back to the│    or away
                            │ bridge   │   │ ? publish│      │      │           │   │ bridge it is on │
                            └──────────┘   └──────────┘      ▼      └───────────┘   └─────────────────┘
                                                           the host                          ▲
    from the host itself ──────────► depart: to one of our own addresses ? publish ──────────┘

`forward` lets through, of what is to go to a bridge of ours: what stays in its network (`meeting`), answers, published
ports, what links lead to (`linking`), the ports of routed networks, and what goes from trunk to trunk; and of what
comes from one, all but an internal network's.

The rules never change. What differs from network to network is in sets, what differs from port to port in maps:
`host4` has the ports published on one address, `any4` those on all. A network is a handful of elements, a port one;
networks are isolated from each other because none is in another's element, not by a rule for each pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from corral.model.container import BoundPort
from corral.model.network import NetworkOptions
from corral.networks.ports import ANY4, ANY6

PORT_MAPS = ("host4", "any4", "host6", "any6")
PORT_SETS = ("routed4", "routed6", "linked4")
_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}

# name -> type; "interval" ones hold subnets.
_NETWORK_SETS = {
    "bridges": "type ifname",
    "meeting": "type ifname . ifname",  # (bridge, bridge): its containers talk to each other
    "further": "type ifname",  # bridges that are only wires to the first of their network
    "internal": "type ifname",
    "trunks": "type ifname",  # networks between which all may pass
    "reachable": "type ifname",  # routed networks: they answer to ping
    "open4": "type ifname",
    "open6": "type ifname",
    "homes4": "type ipv4_addr; flags interval",  # all our subnets
    "homes6": "type ipv6_addr; flags interval",
    "masked4": "type ipv4_addr; flags interval",  # those whose addresses the outside does not see
    "masked6": "type ipv6_addr; flags interval",
}
_NETWORK_MAPS = {"sources4": "type ipv4_addr : ipv4_addr; flags interval"}
_PORT_SETS = {
    "routed4": "type ipv4_addr . inet_proto . inet_service",
    "routed6": "type ipv6_addr . inet_proto . inet_service",
    "linked4": "type ifname . ipv4_addr . ipv4_addr . inet_proto . inet_service",  # bridge, who calls, who is called
}


@dataclass(frozen=True)
class Element:
    """One entry of one map; of a set where there is no value."""

    map: str
    key: str
    value: str = ""

    @property
    def text(self) -> str:
        return f"{self.key} : {self.value}" if self.value else self.key


def plan_element(port: BoundPort, ipv4: str, ipv6: str = "") -> Element | None:
    """The map entry that leads a port to a container; None where only a relay can (see `relay`): when the families
    differ, and for ::1, which the kernel leads nowhere else.

    >>> plan_element(BoundPort(80, "tcp", "0.0.0.0", 8080), "10.64.0.2")
    Element(map='any4', key='tcp . 8080', value='10.64.0.2 . 80')
    >>> plan_element(BoundPort(53, "udp", "127.0.0.1", 53), "10.64.0.2").key
    '127.0.0.1 . udp . 53'
    >>> plan_element(BoundPort(80, "tcp", "::", 8080), "10.64.0.2") is None
    True
    """
    version = ip_address(port.host_ip).version
    target = ipv4 if version == 4 else ipv6
    if not target or port.host_ip == "::1":
        return None
    short = f"{port.protocol} . {port.host_port}"
    if port.host_ip in (ANY4, ANY6):
        return Element(f"any{version}", short, f"{target} . {port.port}")
    return Element(f"host{version}", f"{port.host_ip} . {short}", f"{target} . {port.port}")


def plan_routed(address: str, protocol: str, port: int) -> Element:
    """The entry that opens a container's own port to whoever has a route to it.

    >>> plan_routed("fd00::2", "tcp", 80)
    Element(map='routed6', key='fd00::2 . tcp . 80', value='')
    """
    return Element(f"routed{ip_address(address).version}", f"{address} . {protocol} . {port}")


def plan_linked(bridge: str, caller: str, called: str, protocol: str, port: int) -> Element:
    """The entry that lets one container call one port of another by a bridge whose containers are apart.

    >>> plan_linked("cr0", "10.64.0.3", "10.64.0.2", "tcp", 5432).text
    'cr0 . 10.64.0.3 . 10.64.0.2 . tcp . 5432'
    """
    return Element("linked4", f"{bridge} . {caller} . {called} . {protocol} . {port}")


def plan_network_elements(
    bridges: Iterable[str], subnets: Iterable[str], options: NetworkOptions, *, internal: bool
) -> list[Element]:
    """What the sets say of one network. It has several bridges when one is too small for its containers. What passes
    within a further one is judged, tracked and translated at the first, or kept apart by its ports already. But where
    frames within bridges pass the rules (br_netfilter), what is for an address of the host is translated in the
    further bridge and routed from there: the first one could not send it back by the cable on which it came.

    >>> for element in plan_network_elements(["cr0"], ["10.64.0.0/16"], NetworkOptions(icc=False), internal=False):
    ...     print(element.map, element.text)
    bridges cr0
    homes4 10.64.0.0/16
    masked4 10.64.0.0/16
    """
    found = []
    for number, name in enumerate(bridges):
        found.append(Element("bridges", name))
        found += [Element("further", name)] if number else []
        found += [Element("meeting", f"{name} . {name}")] if options.icc or number else []
        found += [Element("internal", name)] if internal else []
        found += [Element("trunks", name)] if options.trunk else []
        for version, mode in ((4, options.gateway4), (6, options.gateway6)):
            found += [Element(f"open{version}", name)] if mode == "open" and not internal else []
        if "routed" in (options.gateway4, options.gateway6) and not internal:
            found.append(Element("reachable", name))
    for subnet in subnets:
        version = ip_network(subnet).version
        found.append(Element(f"homes{version}", subnet))
        mode = options.gateway4 if version == 4 else options.gateway6
        if not options.masquerade or internal or (mode != "nat" and not options.trunk):
            continue
        if version == 4 and options.source4:
            found.append(Element("sources4", subnet, options.source4))
        else:
            found.append(Element(f"masked{version}", subnet))
    return found


def plan_add(table: str, elements: Iterable[Element]) -> str:
    """
    >>> plan_add("corral", [Element("any4", "tcp . 80", "10.64.0.2 . 80")])
    'add element inet corral any4 { tcp . 80 : 10.64.0.2 . 80 }\\n'
    """
    return "".join(f"add element inet {table} {e.map} {{ {e.text} }}\n" for e in elements)


def plan_delete(table: str, elements: Iterable[Element]) -> str:
    return "".join(f"delete element inet {table} {e.map} {{ {e.key} }}\n" for e in elements)


def plan_reset(table: str, elements: Iterable[Element]) -> str:
    """The whole table anew, whatever was there before, in one transaction."""
    return f"add table inet {table}\ndelete table inet {table}\n{_table(table)}" + plan_add(table, elements)


def plan_table(table: str) -> str:
    """The table with its ports kept and its networks forgotten, to be added anew: for a restarted daemon, whose
    containers go on serving."""
    sets = "".join(f"flush set inet {table} {name}\n" for name in _NETWORK_SETS)
    maps = "".join(f"flush map inet {table} {name}\n" for name in _NETWORK_MAPS)
    return f"add table inet {table}\nflush table inet {table}\n{_table(table)}{sets}{maps}"


def _table(table: str) -> str:
    """Protocols 1 and 58 are ICMP's, by number: names of protocols are not known where /etc/protocols is missing."""
    sets = {**_NETWORK_SETS, **_PORT_SETS}
    declared = "".join(f"\tset {name} {{ {kind}; }}\n" for name, kind in sets.items())
    declared += "".join(f"\tmap {name} {{ {kind}; }}\n" for name, kind in _NETWORK_MAPS.items())
    declared += _maps(4, "ipv4_addr") + _maps(6, "ipv6_addr")
    return f"""table inet {table} {{
{declared}
	chain publish {{
{_publish(4, "ip")}{_publish(6, "ip6")}	}}
	chain guard {{
		type filter hook prerouting priority raw; policy accept;
		iifname @further fib daddr type != local notrack
		iifname @bridges ip daddr 127.0.0.0/8 drop
		iifname @bridges ip saddr 127.0.0.0/8 drop
	}}
	chain arrive {{
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local goto publish
	}}
	chain depart {{
		type nat hook output priority -100; policy accept;
		ip6 daddr ::1 accept
		fib daddr type local goto publish
	}}
	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname . oifname @meeting accept
		iifname @trunks oifname @trunks accept
		iifname @internal drop
		oifname @bridges goto inward
	}}
	chain inward {{
		oifname @internal drop
		ct state established,related accept
		ct status dnat accept
		iifname . ip saddr . ip daddr . meta l4proto . th dport @linked4 accept
		ip daddr . meta l4proto . th dport @routed4 accept
		ip6 daddr . meta l4proto . th dport @routed6 accept
		oifname @reachable meta l4proto {{ 1, 58 }} accept
		meta nfproto ipv4 oifname @open4 iifname != @bridges accept
		meta nfproto ipv6 oifname @open6 iifname != @bridges accept
		drop
	}}
	chain leave {{
		type nat hook postrouting priority srcnat; policy accept;
		oifname @bridges goto inside
		snat ip to ip saddr map @sources4
		ip saddr @masked4 masquerade
		ip6 saddr @masked6 masquerade
	}}
	chain inside {{
		ct status dnat ip saddr @homes4 masquerade
		ct status dnat ip6 saddr @homes6 masquerade
		ip saddr 127.0.0.0/8 masquerade
	}}
}}
"""


def _maps(version: int, kind: str) -> str:
    return f"""	map host{version} {{
		type {kind} . inet_proto . inet_service : {kind} . inet_service
	}}
	map any{version} {{
		type inet_proto . inet_service : {kind} . inet_service
	}}
"""


def _publish(version: int, word: str) -> str:
    return (
        f"\t\tdnat {word} to {word} daddr . meta l4proto . th dport map @host{version}\n"
        f"\t\tdnat {word} to meta l4proto . th dport map @any{version}\n"
    )


def _count_lines(table: str) -> dict[str, int]:
    """How many rules each chain of a table's text has: its lines, but for the one that hooks it in.

    >>> _count_lines(_table("corral"))["guard"]
    3
    """
    chains = [block.split("{\n", 1) for block in table.split("\tchain ")[1:]]
    bodies = {name.strip(): body.split("\n\t}")[0].splitlines() for name, body in chains}
    return {name: sum(" hook " not in line for line in lines) for name, lines in bodies.items()}


RULES = _count_lines(_table("t"))


def count_rules(objects: list[dict[str, object]]) -> dict[str, int]:
    """The same of a table as `nft -j list` gives it.

    >>> count_rules([{"chain": {"name": "guard"}}, {"rule": {"chain": "guard"}}, {"chain": {"name": "leave"}}])
    {'guard': 1, 'leave': 0}
    """
    found: dict[str, int] = {}
    for entry in objects:
        chain, rule = entry.get("chain"), entry.get("rule")
        if isinstance(chain, dict):
            found.setdefault(chain["name"], 0)
        elif isinstance(rule, dict):
            found[rule["chain"]] = found.get(rule["chain"], 0) + 1
    return found


def parse_elements(name: str, objects: list[dict[str, object]]) -> list[Element]:
    """The entries of a map or set of concatenations as `nft -j list` gives them. Their keys end with protocol and port;
    where no /etc/protocols tells their names, protocols are numbers.

    >>> listed = [{"map": {"elem": [[{"concat": ["tcp", 80]}, {"concat": ["10.64.0.2", 80]}]]}}]
    >>> parse_elements("any4", listed)
    [Element(map='any4', key='tcp . 80', value='10.64.0.2 . 80')]
    >>> parse_elements("routed4", [{"set": {"elem": [{"concat": ["10.64.0.2", "tcp", 80]}]}}])
    [Element(map='routed4', key='10.64.0.2 . tcp . 80', value='')]
    >>> parse_elements("any6", [{"map": {"elem": [[{"concat": [17, 6]}, {"concat": ["fd00::2", 6]}]]}}])
    [Element(map='any6', key='udp . 6', value='fd00::2 . 6')]
    """
    found = []
    for entry in objects:
        body = entry.get("map") or entry.get("set")
        for element in body.get("elem", []) if isinstance(body, dict) else []:
            if isinstance(element, list):
                found.append(Element(name, _key(element[0]), _joined(element[1])))
            else:
                found.append(Element(name, _key(element)))
    return found


def _key(concatenation: dict[str, list[object]]) -> str:
    *rest, protocol, port = concatenation["concat"]
    return _joined({"concat": [*rest, _PROTOCOLS.get(str(protocol), protocol), port]})


def _joined(concatenation: dict[str, list[object]]) -> str:
    return " . ".join(str(part) for part in concatenation["concat"])
