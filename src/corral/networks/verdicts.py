"""What firewall chains of others do with a packet of ours, as far as interfaces and the state of its connection say.
Pure.

A rule that looks at anything else (addresses, ports, marks, sets) may mean this packet or not: it is passed over.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

_DROPS = ("drop", "reject")
_JUMPS = ("jump", "goto")
_DEPTH = 16  # of jumps, as in the kernel


@dataclass(frozen=True)
class Packet:
    comes: str  # the interface
    goes: str
    state: str = "new"
    translated: bool = False


@dataclass
class Table:
    """One table: its chains' rules in nft's JSON. `base` has the chains at the forward hook and their policies."""

    name: str  # "ip filter"
    tool: str = ""  # that has made it, where it is iptables
    base: dict[str, str] = field(default_factory=dict)
    rules: dict[str, list[list[Any]]] = field(default_factory=dict)


def read_table(name: str, listed: Iterable[dict[str, Any]]) -> Table:
    """From `nft -j list table`.

    >>> chain = {"name": "FORWARD", "hook": "forward", "policy": "drop"}
    >>> read_table("ip filter", [{"chain": chain}, {"rule": {"chain": "FORWARD", "expr": [{"accept": None}]}}])
    Table(name='ip filter', tool='', base={'FORWARD': 'drop'}, rules={'FORWARD': [[{'accept': None}]]})
    """
    table = Table(name)
    for entry in listed:
        if chain := entry.get("chain"):
            table.rules.setdefault(chain["name"], [])
            if chain.get("hook") == "forward":
                table.base[chain["name"]] = chain.get("policy", "accept")
        elif rule := entry.get("rule"):
            table.rules.setdefault(rule["chain"], []).append(rule["expr"])
    return table


def read_iptables(name: str, tool: str, listed: str) -> Table:
    """From `iptables -S`: nft tells nothing of what iptables' own matches ask for, and does not see the rules of
    iptables-legacy at all.

    >>> read_iptables("ip filter", "iptables-legacy", "-P FORWARD DROP\\n-A FORWARD -i cn+ -j ACCEPT").rules
    {'FORWARD': [[{'match': {'op': '==', 'left': {'meta': {'key': 'iifname'}}, 'right': 'cn*'}}, {'accept': None}]]}
    """
    table = Table(name, tool)
    for line in listed.splitlines():
        verb, chain, *words = shlex.split(line)
        rules = table.rules.setdefault(chain, [])
        if (verb, chain) == ("-P", "FORWARD"):
            table.base[chain] = words[0].lower()
        elif verb == "-A":
            rules.append(_read_rule(words))
    return table


def _read_rule(words: list[str]) -> list[Any]:
    found: list[Any] = []
    rest, negated = iter(words), False
    for word in rest:
        if word == "!":
            negated = True
            continue
        if word in ("-i", "-o"):
            left, right = {"meta": {"key": f"{word[1]}ifname"}}, next(rest).replace("+", "*")
            found.append({"match": {"op": "!=" if negated else "==", "left": left, "right": right}})
        elif word in ("--ctstate", "--state"):
            left, states = {"ct": {"key": "state"}}, next(rest).lower().split(",")
            found.append({"match": {"op": "!=" if negated else "==", "left": left, "right": states}})
        elif word in ("-j", "-g"):
            return [*found, _read_target(word, next(rest))]
        elif word in ("-s", "-d", "-p") or (word == "-m" and next(rest) not in ("conntrack", "state", "comment")):
            found.append({"xt": None})
        negated = False
    return found


def _read_target(word: str, target: str) -> dict[str, Any]:
    if target in ("ACCEPT", "DROP", "REJECT", "RETURN"):
        return {target.lower(): None}
    return {"jump" if word == "-j" else "goto": {"target": target}}


def drops(table: Table, packet: Packet) -> list[str]:
    """The chains at the forward hook that do not let the packet through.

    >>> inner = [[{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "cn*"}}, {"accept": None}]]
    >>> table = Table("ip filter", "", {"FORWARD": "drop"}, {"FORWARD": [[{"jump": {"target": "X"}}]], "X": inner})
    >>> drops(table, Packet("cn1", "eth0")), drops(table, Packet("eth0", "cn1"))
    ([], ['FORWARD'])
    """
    return [chain for chain, policy in table.base.items() if (_pass(table, chain, packet, 0) or policy) in _DROPS]


def _pass(table: Table, chain: str, packet: Packet, depth: int) -> str:
    """What the chain says at its end: accept, drop, reject; nothing where it returns."""
    for rule in table.rules.get(chain, ()) if depth < _DEPTH else ():
        verdict, target = _verdict(rule)
        if not verdict or not all(_holds(part, packet) for part in rule):
            continue
        if verdict == "return":
            return ""
        if verdict not in _JUMPS:
            return verdict
        said = _pass(table, target, packet, depth + 1)
        if said or verdict == "goto":
            return said
    return ""


def _verdict(rule: list[Any]) -> tuple[str, str]:
    for part in rule:
        for word, value in part.items():
            if word in ("accept", "return", *_DROPS):
                return word, ""
            if word in _JUMPS:
                return word, value["target"]
            if word == "xt" and value and value["type"] == "target":
                return ("reject", "") if value["name"] == "REJECT" else ("", "")
    return "", ""


def _holds(part: Mapping[str, Any], packet: Packet) -> bool:
    """Whether one part of a rule is true of the packet for certain."""
    if extension := part.get("xt", {}):
        return bool(extension["type"] == "target" or extension["name"] == "comment")
    if "match" not in part:
        return "vmap" not in part and "xt" not in part
    match = part["match"]
    values = _values(match["right"])
    wanted = match["op"] != "!="
    match match["left"]:
        case {"meta": {"key": "iifname" | "oifname" as key}}:
            name = packet.comes if key == "iifname" else packet.goes
            return bool(values) and any(fnmatchcase(name, value) for value in values) == wanted
        case {"ct": {"key": "state"}}:
            return bool(values) and (packet.state in values or (packet.translated and "dnat" in values)) == wanted
        case {"ct": {"key": "status"}}:
            return values == ["dnat"] and packet.translated == wanted
    return False


def _values(right: Any) -> list[str]:
    """What a match compares with; nothing where that cannot be told, as of a named set.

    >>> _values("cn*"), _values({"set": ["established", "related"]}), _values("@bridges")
    (['cn*'], ['established', 'related'], [])
    """
    values = right["set"] if isinstance(right, dict) and "set" in right else right
    values = values if isinstance(values, list) else [values]
    return values if all(isinstance(value, str) and not value.startswith("@") for value in values) else []


def mentions(table: Table, *names: str) -> bool:
    """Whether a chain of one of these names is there."""
    return any(name in table.rules for name in names)
