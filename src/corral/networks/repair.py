"""Hearing of what others take away from bridges, cables and rules, and having it made again.

Most of what is heard was our own doing, or has been mended by the time that somebody looks, so a repair begins with a
look at what is there. `docs/networks.md` lists what comes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from corral.kit.tasks import Tasks
from corral.linux.netlink_watch import Deleted, NetlinkWatch
from corral.model.network import Network
from corral.networks.firewall import Firewall
from corral.networks.inthread import InThread
from corral.networks.lines import Lines, plan_lines
from corral.networks.names import InstanceNames
from corral.networks.wires import Wires

log = logging.getLogger("corral")

_GOING = 0.1  # seconds: one that is deleted goes down first, and is to be mended once


class Repairs:
    """Listens from the start until `close`. `networks` are those that there are at each moment, by name; `reconcile`
    makes again whatever is missing of them."""

    def __init__(
        self,
        *,
        names: InstanceNames,
        networks: Mapping[str, Network],
        wires: Wires,
        firewall: Firewall,
        in_thread: InThread,
        reconcile: Callable[[], Awaitable[None]],
    ) -> None:
        self._names, self._networks = names, networks
        self._wires, self._firewall = wires, firewall
        self._in_thread, self._reconcile = in_thread, reconcile
        self._tasks = Tasks()
        self._one_at_a_time = asyncio.Lock()
        self.damage: set[Deleted] = set()  # that a repair is to begin with
        self._watch = NetlinkWatch(self._deleted)

    async def close(self) -> None:
        self._watch.close()
        await self._tasks.close()

    def _deleted(self, event: Deleted) -> None:
        if not self.concerns(event):
            return
        if not self.damage:
            self._tasks.start("repair networks", self._repair())
        self.damage.add(event)

    def concerns(self, event: Deleted) -> bool:
        """What happens all the time to others' interfaces and rules ends here."""
        match event.kind:
            case "link" | "down":
                bridges = {network.bridge for network in self._networks.values() if network.bridge}
                ours = event.name in bridges or self._names.is_further(event.name)
                return ours or self._wires.has_plugged(event.name)
            case "address":
                return self._wires.holds(int(event.name))
            case "table" | "rule":
                return event.name == self._names.table
            case "element":
                return event.name == self._names.table and bool(event.by) and not self._firewall.did(event.by)
        return True

    async def _repair(self) -> None:
        async with self._one_at_a_time:
            if all(event.kind in ("down", "address") for event in self.damage):
                await asyncio.sleep(_GOING)
            damage, self.damage = self.damage, set()  # what is deleted from here on is another repair
            lines = [plan_lines(network) for network in self._networks.values() if network.driver == "bridge"]
            worst = await self._in_thread(lambda: self._worst(sorted(damage), lines))
            if worst is not None:
                log.warning("%s by another program; making it again", worst)
                await self._reconcile()

    def _worst(self, damage: list[Deleted], lines: list[Lines]) -> str | None:
        """In words; None where it was us, who make it anew, or where all is mended already."""
        bridges = rules = None
        for event in damage:
            match event.kind:
                case "link" | "down" if self._names.is_span(event.name):
                    if self._wires.is_broken(event.name):
                        return f"link {event.name} was deleted or set down"
                case "link" | "down" if self._names.veth_owner(event.name):
                    if self._wires.is_loose(event.name):
                        return f"cable {event.name} was set down or taken out of its bridge"
                case "link" | "down" | "address":
                    bridges = self._wires.whole(lines) if bridges is None else bridges
                    if not bridges:
                        return "a bridge was deleted or set down, or lost its addresses,"
                case "element":
                    return f"an element of table {event.name} was deleted"
                case "rule" | "table":  # of a table that is deleted both are told, maybe one after the other
                    rules = self._firewall.whole() if rules is None else rules
                    if not rules:
                        return f"{'a rule of ' if event.kind == 'rule' else ''}table {event.name} was deleted"
                case _:
                    return "something may have been deleted (the kernel's messages were too many)"
        return None
