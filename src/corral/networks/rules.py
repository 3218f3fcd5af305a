"""The firewall rules of an instance, as the text of one nftables table. Pure.

::

    from outside            ┌─ guard ──┐   ┌─ arrive ─┐             ┌─ forward ─┐   ┌─ leave ─────────┐
    and from containers ───►│ no packet│──►│ to one of│─► route ───►│ replies,  │──►│ masquerade what │──► to the
                            │ to 127.* │   │ our own  │      │      │ published │   │ leaves, and what│    container
                            │ from the │   │ addresses│      │      │ ports, to │   │ came back to the│    or away
                            │ bridge   │   │ ? publish│      │      │ outside   │   │ bridge it is on │
                            └──────────┘   └──────────┘      ▼      └───────────┘   └─────────────────┘
                                                           the host                          ▲
    from the host itself ──────────► depart: to one of our own addresses ? publish ──────────┘

`publish` looks the packet's protocol and port up in maps: `host4` for ports published on one address, `any4` for
those on all. A port published or withdrawn is one element of one map; the rules themselves never change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from corral.model.container import BoundPort
from corral.networks.ports import ANY4, ANY6


@dataclass(frozen=True)
class Table:
    """What the rules depend on. `subnet6` is "" without IPv6."""

    name: str
    bridge: str
    subnet: str
    subnet6: str = ""
    icc: bool = True


@dataclass(frozen=True)
class Element:
    """One entry of one map."""

    map: str
    key: str
    value: str


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


def plan_add(table: str, elements: Iterable[Element]) -> str:
    """
    >>> plan_add("corral", [Element("any4", "tcp . 80", "10.64.0.2 . 80")])
    'add element inet corral any4 { tcp . 80 : 10.64.0.2 . 80 }\\n'
    """
    return "".join(f"add element inet {table} {e.map} {{ {e.key} : {e.value} }}\n" for e in elements)


def plan_delete(table: str, elements: Iterable[Element]) -> str:
    return "".join(f"delete element inet {table} {e.map} {{ {e.key} }}\n" for e in elements)


def plan_reset(table: Table, elements: Iterable[Element]) -> str:
    """The whole table anew, whatever was there before, in one transaction."""
    return f"add table inet {table.name}\ndelete table inet {table.name}\n{_table(table)}" + plan_add(
        table.name, elements
    )


def plan_table(table: Table) -> str:
    """The table with its maps' contents kept: for a restarted daemon, whose containers go on serving."""
    return f"add table inet {table.name}\nflush table inet {table.name}\n{_table(table)}"


def _table(table: Table) -> str:
    families = [(4, "ip", "ipv4_addr", table.subnet)]
    if table.subnet6:
        families.append((6, "ip6", "ipv6_addr", table.subnet6))
    maps = "".join(_maps(version, kind) for version, _, kind, _ in families)
    publish = "".join(_publish(version, word) for version, word, _, _ in families)
    leave = "".join(_leave(word, subnet, table.bridge) for _, word, _, subnet in families)
    return f"""table inet {table.name} {{
{maps}
	chain publish {{
{publish}	}}
	chain guard {{
		type filter hook prerouting priority raw; policy accept;
		iifname "{table.bridge}" ip daddr 127.0.0.0/8 drop
		iifname "{table.bridge}" ip saddr 127.0.0.0/8 drop
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
		oifname != "{table.bridge}" accept
		ct state established,related accept
		ct status dnat accept
		iifname "{table.bridge}" {"accept" if table.icc else "drop"}
		drop
	}}
	chain leave {{
		type nat hook postrouting priority srcnat; policy accept;
{leave}		oifname "{table.bridge}" ip saddr 127.0.0.0/8 masquerade
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


def _leave(word: str, subnet: str, bridge: str) -> str:
    # The second: a container that calls a published port is answered by way of the host, not straight.
    return (
        f'\t\t{word} saddr {subnet} oifname != "{bridge}" masquerade\n'
        f'\t\t{word} saddr {subnet} oifname "{bridge}" ct status dnat masquerade\n'
    )


def parse_elements(name: str, objects: list[dict[str, object]]) -> list[Element]:
    """The entries of a map as `nft -j list map` gives them.

    >>> listed = [{"map": {"elem": [[{"concat": ["tcp", 80]}, {"concat": ["10.64.0.2", 80]}]]}}]
    >>> parse_elements("any4", listed)
    [Element(map='any4', key='tcp . 80', value='10.64.0.2 . 80')]
    """
    found = []
    for entry in objects:
        body = entry.get("map")
        pairs = body.get("elem", []) if isinstance(body, dict) else []
        for key, value in pairs:
            found.append(Element(name, _joined(key), _joined(value)))
    return found


def _joined(concatenation: dict[str, list[object]]) -> str:
    return " . ".join(str(part) for part in concatenation["concat"])
