"""Firewall rules of others that stop what Corral forwards. Looked for, never touched: `corral doctor` tells."""

from __future__ import annotations

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


def forward_advice(own: str, bridge: str) -> list[str]:
    """What to type where a foreign chain drops what containers send; empty when nothing does."""
    nft = Nft()
    try:
        chains = dropping_chains(nft.json("list chains"), own)
    except CorralError as error:
        return [f"the firewall's rules cannot be listed: {error.message}"]
    finally:
        nft.close()
    return [advice(chain, bridge) for chain in chains]


def advice(chain: str, bridge: str) -> str:
    """Pure.

    >>> advice("ip filter FORWARD", "corral0").partition(": ")[2]
    'iptables -I FORWARD -i corral0 -j ACCEPT; iptables -I FORWARD -o corral0 -j ACCEPT'
    """
    family, table, name = chain.split(" ")
    if (family, table) in (("ip", "filter"), ("ip6", "filter")):
        tool = "iptables" if family == "ip" else "ip6tables"
        target = "DOCKER-USER" if name == "DOCKER-FORWARD" else name
        fix = f"{tool} -I {target} -i {bridge} -j ACCEPT; {tool} -I {target} -o {bridge} -j ACCEPT"
    else:
        fix = f"nft insert rule {chain} iifname {bridge} accept; nft insert rule {chain} oifname {bridge} accept"
    return f"the chain {chain} drops forwarded packets by default, containers cannot reach out; to let them: {fix}"
