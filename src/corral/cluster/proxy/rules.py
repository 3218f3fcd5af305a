"""The proxy's tables on a real node. Everything here blocks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from corral.cluster.proxy.flows import plan_flows, plan_forgotten, plan_lost
from corral.cluster.proxy.ledger import Change
from corral.cluster.proxy.tables import plan_removal
from corral.errors import HostError
from corral.linux.conntrack import forget_led_to, forget_udp, forget_unanswered, led_to
from corral.linux.nftables import Nft

log = logging.getLogger("corral.proxy")

_PROTOCOLS = {"tcp": "6", "udp": "17", "sctp": "132"}


class Rules:
    """One node's, in the network namespace of the thread that made it."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._nft = Nft()

    def close(self) -> None:
        self._nft.close()

    def run(self, text: str) -> None:
        """One transaction. HostError: nothing was done."""
        self._nft.run(text)

    def forget(self, change: Change, *, sticky: bool) -> None:
        """After a change: what still goes to endpoints that are gone. `sticky`: clients may be remembered."""
        for flow in plan_flows(change):
            try:
                forget_udp(flow.port, flow.host_ip, flow.led_to)
            except HostError as error:  # such senders are stuck, everybody else is not
                log.warning("%s", error.message)
        lost = plan_lost(change)
        if sticky and lost:
            for key in plan_forgotten(lost, self._sticky()):
                with suppress(HostError):  # its time has come meanwhile
                    self._nft.run(f"delete element inet {self.table} sticky4 {{ {key} }}\n")

    def forget_unanswered(self, led_to: Mapping[tuple[str, int], Collection[str]]) -> None:
        """Connections without an answer: by the address and port that they began towards, where they were led."""
        try:
            forget_unanswered(led_to)
        except HostError as error:
            log.warning("%s", error.message)

    def forget_ended(self, gone: Collection[str], is_gone: Callable[[str], bool] | None = None) -> None:
        """What is led to addresses that no pod has any more: `gone`, and with `is_gone` whichever it says so of."""
        try:
            others = filter(is_gone, led_to()) if is_gone is not None else ()
            forget_led_to({*gone, *others})
        except HostError as error:
            log.warning("%s", error.message)

    def _sticky(self) -> list[tuple[str, str]]:
        return parse_sticky(self._nft.json(f"list map inet {self.table} sticky4"))

    def present(self) -> bool:
        """Whether both tables are there.

        They are found by their chains: for a list of tables libnftables reads all that is in them, everybody's, and
        begins anew as long as anything changes meanwhile, which on a busy host is for ever.
        """
        return {"inet", "bridge"} <= parse_families(self._nft.json("list chains"), self.table)

    def did(self, port: int) -> bool:
        """Whether it was us who changed something (see `Nft.did`)."""
        return self._nft.did(port)

    def remove(self) -> None:
        self._nft.run(plan_removal(self.table))


def parse_families(objects: list[dict[str, Any]], table: str) -> set[str]:
    """Pure: the families in which a table of this name has a chain, from `nft -j list chains`.

    >>> chains = [("inet", "corral_services"), ("bridge", "corral_services"), ("ip", "nat")]
    >>> listed = [{"chain": {"family": family, "table": table, "name": "out"}} for family, table in chains]
    >>> sorted(parse_families([{"metainfo": {}}, *listed], "corral_services"))
    ['bridge', 'inet']
    """
    chains = [entry["chain"] for entry in objects if "chain" in entry]
    return {chain["family"] for chain in chains if chain["table"] == table}


def parse_sticky(objects: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Pure: (key, target) of each remembered client, from `nft -j list map`.

    >>> key = {"elem": {"val": {"concat": ["10.1.0.9", "10.96.0.1", "tcp", 80]}, "timeout": 10800}}
    >>> parse_sticky([{"map": {"elem": [[key, {"concat": ["10.1.0.2", 8080]}]]}}])
    [('10.1.0.9 . 10.96.0.1 . 6 . 80', '10.1.0.2 . 8080')]
    """
    found = []
    for entry in objects:
        for key, target in (entry.get("map") or {}).get("elem", ()):
            parts = key.get("elem", {}).get("val", key)["concat"]
            client, address, protocol, port = (str(part) for part in parts)
            number = _PROTOCOLS.get(protocol, protocol)
            found.append((f"{client} . {address} . {number} . {port}", " . ".join(map(str, target["concat"]))))
    return found
