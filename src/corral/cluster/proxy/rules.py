"""The proxy's tables on a real node. Everything here blocks."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

from corral.cluster.proxy.flows import plan_flows, plan_forgotten, plan_lost
from corral.cluster.proxy.ledger import Change
from corral.cluster.proxy.tables import plan_removal
from corral.errors import HostError
from corral.linux.conntrack import forget_udp
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

    def _sticky(self) -> list[tuple[str, str]]:
        return parse_sticky(self._nft.json(f"list map inet {self.table} sticky4"))

    def present(self) -> bool:
        """Whether both tables are there."""
        there = self._nft.run("list tables\n").splitlines()
        return all(f"table {family} {self.table}" in there for family in ("inet", "bridge"))

    def did(self, port: int) -> bool:
        """Whether it was us who changed something (see `Nft.did`)."""
        return self._nft.did(port)

    def remove(self) -> None:
        self._nft.run(plan_removal(self.table))


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
