"""Firewall rules of others that stop what Corral forwards. Looked for, never touched: `corral doctor` tells.

A packet must pass all chains of a hook: an accept in ours does not save it from theirs. So they are asked about the
packets that matter (see `verdicts`), and who made them is told in that program's own language to let them pass. Where
br_netfilter is loaded, frames between ports of one bridge are among them.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from corral.errors import CorralError
from corral.linux.nftables import Nft
from corral.networks.verdicts import Packet, Table, drops, mentions, read_iptables, read_table
from corral.networks.wires import filtered_versions

_OUTSIDE = "another"  # an interface that no rule names
_SECONDS = 5.0
_VERSIONS = {"ip": {4}, "ip6": {6}}  # of IP that a family's tables see; the others see both
_IPTABLES = {"ip filter": "iptables-nft", "ip6 filter": "ip6tables-nft"}
_LEGACY = (
    ("ip filter", "iptables-legacy", "/proc/net/ip_tables_names"),
    ("ip6 filter", "ip6tables-legacy", "/proc/net/ip6_tables_names"),
)


@dataclass(frozen=True)
class Blocked:
    """A chain that drops something: what containers begin, what calls their ports, what goes from one container of a
    network to another.
    """

    table: Table
    chain: str
    outward: bool
    inward: bool
    between: bool = False

    @property
    def place(self) -> str:
        return f"{self.table.name} {self.chain}" + (f" ({self.tool})" if self.tool else "")

    @property
    def tool(self) -> str:
        """The command that changes it, where that is not what is usual."""
        return self.table.tool if self.table.tool.endswith("-legacy") else ""


def forward_advice(own: str, bridges: Iterable[str]) -> list[str]:
    """What to type where foreign chains drop what is forwarded for containers; empty when nothing does. A `*` at the
    end of a bridge's name stands for anything.
    """
    names = list(bridges)
    try:
        tables = [*_nft_tables(own), *_legacy_tables()]
    except CorralError as error:
        return [f"the firewall's rules cannot be listed: {error.message}"]
    filtered = filtered_versions()
    return plan_advice([found for table in tables for found in find_blocked(table, names, filtered)], names)


def _nft_tables(own: str) -> list[Table]:
    with contextlib.closing(Nft()) as nft:
        names = forwarding_tables(nft.json("list chains"), own)
        return [
            _iptables(name, _IPTABLES.get(name, "")) or read_table(name, nft.json(f"list table {name}"))
            for name in names
        ]


def _legacy_tables() -> list[Table]:
    """Of the old interface, where it is in use: to list a table there would make it."""
    found = []
    for name, tool, path in _LEGACY:
        with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
            if "filter" in file.read().split() and (table := _iptables(name, tool)):
                found.append(table)
    return found


def _iptables(name: str, tool: str) -> Table | None:
    """None: this tool is not there, or cannot read the table."""
    if not tool:
        return None
    try:
        done = subprocess.run([tool, "-S"], capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return read_iptables(name, tool, done.stdout)


def forwarding_tables(objects: Iterable[dict[str, object]], own: str) -> list[str]:
    """Pure: the tables of others with a chain at the forward hook, as "family table", from `nft -j list chains`.

    >>> theirs = {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}
    >>> forwarding_tables([{"metainfo": {}}, {"chain": theirs}], "corral")
    ['ip filter']
    """
    found: dict[str, None] = {}
    for entry in objects:
        chain = entry.get("chain")
        if not isinstance(chain, dict) or chain.get("hook") != "forward" or chain["family"] == "bridge":
            continue
        if chain["table"] != own and not chain["table"].startswith(f"{own}_"):
            found[f"{chain['family']} {chain['table']}"] = None
    return list(found)


def find_blocked(table: Table, bridges: Sequence[str], filtered: Set[int] = frozenset()) -> list[Blocked]:
    """Pure: the chains of a table that drop what is forwarded from or to any of our bridges, or inside one: that
    passes them only in the versions of IP that are `filtered`.

    >>> [found.place for found in find_blocked(Table("ip filter", "", {"FORWARD": "drop"}), ["corral0"])]
    ['ip filter FORWARD']
    """
    outward, inward, between = set[str](), set[str](), set[str]()
    seen = filtered & _VERSIONS.get(table.name.partition(" ")[0], {4, 6})
    for bridge in (name.replace("*", "0") for name in bridges):
        outward.update(drops(table, Packet(bridge, _OUTSIDE)))
        inward.update(drops(table, Packet(_OUTSIDE, bridge, translated=True)))
        inward.update(drops(table, Packet(bridge, _OUTSIDE, "established", translated=True)))
        for state in ("new", "established") if seen else ():
            between.update(drops(table, Packet(bridge, bridge, state)))
    return [
        Blocked(table, chain, chain in outward, chain in inward, chain in between)
        for chain in sorted(outward | inward | between)
    ]


def plan_advice(blocked: Iterable[Blocked], bridges: Sequence[str]) -> list[str]:
    """Pure: one line for each program that is to be told something.

    >>> [said] = plan_advice([Blocked(Table("ip filter"), "FORWARD", True, False)], ["cn*"])
    >>> said.partition(": ")[2]
    'iptables -I FORWARD -i cn+ -j ACCEPT; iptables -I FORWARD -o cn+ -j ACCEPT'
    """
    grouped: dict[str, list[Blocked]] = {}
    for each in blocked:
        grouped.setdefault(_fix(each, bridges), []).append(each)
    return [f"{_what(group)}; to let them: {fix}" for fix, group in grouped.items()]


def _what(group: Sequence[Blocked]) -> str:
    places = ", ".join(each.place for each in group)
    chains = f"the chain {places} drops" if len(group) == 1 else f"the chains {places} drop"
    lost = ["containers cannot reach out"] if any(each.outward for each in group) else []
    lost += ["published ports are not reached from outside"] if any(each.inward for each in group) else []
    lost += ["containers of one network cannot reach each other"] if any(each.between for each in group) else []
    return f"{chains} forwarded packets, {' and '.join([', '.join(lost[:-1]), lost[-1]] if lost[1:] else lost)}"


def _fix(blocked: Blocked, bridges: Sequence[str]) -> str:
    """firewalld and ufw keep what they are told for the next boot; rules by hand are kept by nobody."""
    table, names = blocked.table, [bridge.replace("*", "+") for bridge in bridges]
    if table.name == "inet firewalld" or mentions(table, "FORWARD_ZONES", "FORWARD_IN_ZONES"):
        added = " ".join(f"--add-interface={name}" for name in names)
        return f"firewall-cmd --permanent --zone=trusted {added} && firewall-cmd --reload"
    if mentions(table, "ufw-user-forward", "ufw6-user-forward"):
        return "; ".join(f"ufw route allow {way} on {name}" for name in names for way in ("in", "out"))
    if table.name in ("ip filter", "ip6 filter"):
        tool = blocked.tool or ("iptables" if table.name == "ip filter" else "ip6tables")
        chain = "DOCKER-USER" if mentions(table, "DOCKER-USER") else blocked.chain
        return "; ".join(f"{tool} -I {chain} -{way} {name} -j ACCEPT" for name in names for way in "io")
    where = f"{table.name} {blocked.chain}"
    return "; ".join(f'nft insert rule {where} {way}ifname "{name}" accept' for name in bridges for way in "io")
