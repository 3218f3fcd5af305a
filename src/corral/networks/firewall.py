"""The rules on the real host. Everything here blocks."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress

from corral.errors import HostError
from corral.linux.conntrack import forget_udp
from corral.linux.nftables import Nft
from corral.model.container import BoundPort
from corral.networks.rules import (
    PORT_MAPS,
    PORT_SETS,
    RULES,
    Element,
    count_rules,
    parse_elements,
    plan_add,
    plan_delete,
    plan_reset,
    plan_table,
)

log = logging.getLogger("corral")


class Firewall:
    """One instance's table."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._nft = Nft()

    def close(self) -> None:
        self._nft.close()

    def apply(self, networks: list[Element], ports: list[Element]) -> None:
        """Makes the table as it is to be; ports that are led already are led on without a gap."""
        try:
            self._nft.run(plan_table(self.table) + plan_add(self.table, [*networks, *ports]))
        except HostError as error:  # a table of another shape, or a map with contradicting entries
            log.info("rules of table %s are made anew: %s", self.table, error.message)
            self._nft.run(plan_reset(self.table, [*networks, *ports]))

    def add(self, elements: Iterable[Element]) -> None:
        if text := plan_add(self.table, elements):
            self._nft.run(text)

    def take_back(self, elements: list[Element]) -> None:
        """As `add`, in place of what a daemon that was killed in the middle of a change left under the same keys."""
        try:
            self.add(elements)
        except HostError:
            keys = {(element.map, element.key) for element in elements}
            stale = [each for each in self.listed() if (each.map, each.key) in keys and each not in elements]
            self.change(stale, elements)

    def change(self, gone: Iterable[Element], come: Iterable[Element]) -> None:
        """At one moment for all packets."""
        if text := plan_delete(self.table, gone) + plan_add(self.table, come):
            self._nft.run(text)

    def withdraw(self, elements: list[Element]) -> None:
        """Takes entries out; those that are gone (somebody flushed the rules) are fine."""
        if not elements:
            return
        try:
            self._nft.run(plan_delete(self.table, elements))
        except HostError:
            for element in elements:
                with suppress(HostError):  # one transaction fails as a whole; now each by itself
                    self._nft.run(plan_delete(self.table, [element]))

    def forget_flows(self, ports: Iterable[BoundPort]) -> None:
        """After UDP ports were published or withdrawn: senders that never paused are led anew."""
        for port in ports:
            if port.protocol == "udp":
                try:
                    forget_udp(port.host_port, port.host_ip)
                except HostError as error:  # such senders are stuck, everybody else is not
                    log.warning("%s", error.message)

    def listed(self) -> list[Element]:
        """The entries for containers' ports that are there."""
        found: list[Element] = []
        for name in (*PORT_MAPS, *PORT_SETS):
            kind = "set" if name in PORT_SETS else "map"
            found += parse_elements(name, self._nft.json(f"list {kind} inet {self.table} {name}"))
        return found

    def complete(self) -> bool:
        """Whether the table is there."""
        try:
            self.listed()
        except HostError:
            return False
        return True

    def whole(self) -> bool:
        """Whether each chain has as many rules as it is to have."""
        try:
            listed = self._nft.json(f"list table inet {self.table}")
        except HostError:
            return False
        return count_rules(listed) == RULES

    def did(self, port: int) -> bool:
        """Whether it was us who changed something (see `Nft.did`)."""
        return self._nft.did(port)

    def tear_down(self) -> None:
        self._nft.run(f"add table inet {self.table}\ndelete table inet {self.table}\n")
