"""Firewall rules of others that stop what Corral forwards. Looked for, never touched: `corral doctor` tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corral.errors import CorralError
from corral.linux.nftables import Nft


def dropping_chains(objects: list[dict[str, object]], own: str) -> list[str]:
    """Pure: the chains at the forward hook that drop by default, as "family table chain", from `nft -j list chains`.

    A packet must pass all chains of a hook: an accept in ours does not save it from theirs.

    >>> theirs = {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}
    >>> dropping_chains([{"metainfo": {}}, {"chain": theirs}], "corral")
    ['ip filter FORWARD']
    """
    found = []
    for entry in objects:
        chain = entry.get("chain")
        if not isinstance(chain, dict) or chain.get("table") == own:
            continue
        if chain.get("hook") == "forward" and chain.get("policy") == "drop":
            found.append(f"{chain['family']} {chain['table']} {chain['name']}")
    return found


def forward_advice(own: str, bridges: Iterable[str]) -> list[str]:
    """What to type where a foreign chain drops what containers send; empty when nothing does. A `*` at the end of a
    bridge's name stands for anything.
    """
    nft = Nft()
    try:
        chains = dropping_chains(nft.json("list chains"), own)
    except CorralError as error:
        return [f"the firewall's rules cannot be listed: {error.message}"]
    finally:
        nft.close()
    return [advice(chain, list(bridges)) for chain in chains]


def advice(chain: str, bridges: Sequence[str]) -> str:
    """Pure.

    >>> advice("ip filter FORWARD", ["cn*"]).partition(": ")[2]
    'iptables -I FORWARD -i cn+ -j ACCEPT; iptables -I FORWARD -o cn+ -j ACCEPT'
    """
    family, table, name = chain.split(" ")
    if (family, table) in (("ip", "filter"), ("ip6", "filter")):
        tool = "iptables" if family == "ip" else "ip6tables"
        target = "DOCKER-USER" if name == "DOCKER-FORWARD" else name
        fixes = [f"{tool} -I {target} -{way} {b.replace('*', '+')} -j ACCEPT" for b in bridges for way in "io"]
    else:
        fixes = [f'nft insert rule {chain} {way}ifname "{b}" accept' for b in bridges for way in "io"]
    fix = "; ".join(fixes)
    return f"the chain {chain} drops forwarded packets by default, containers cannot reach out; to let them: {fix}"
