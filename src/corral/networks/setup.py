"""Making the default network at the daemon's start: what was chosen before is read, what is missing is chosen."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

import msgspec

from corral.errors import Unsupported, from_oserror
from corral.kit.clock import Clock
from corral.networks.addresses import parse_nameservers
from corral.networks.choose import plan_lines, plan_network
from corral.networks.config import Chosen, NetworkConfig
from corral.networks.names import InstanceNames
from corral.networks.wires import Lines, Wires, one_at_a_time

log = logging.getLogger("corral")


def make_network(
    wires: Wires, config: NetworkConfig, names: InstanceNames, state: str, clock: Clock
) -> tuple[Chosen, Lines]:
    """Bridge and rules, as a former daemon left them or new. Blocks. `state` is the file that remembers."""
    os.makedirs(os.path.dirname(state), exist_ok=True)
    with one_at_a_time():
        taken = [*wires.taken(), *parse_nameservers(_read("/etc/resolv.conf"))]
        before = load(state)
        chosen = plan_network(config, before, taken, names, clock.now(), up=wires.bridge_exists())
        if chosen.subnet6:
            check_ipv6_forwarding()
        if chosen != before:
            save(state, chosen)
        lines = plan_lines(config, chosen, names, wires.uplink_mtu())
        wires.set_up(lines, [])
    return chosen, lines


def check_ipv6_forwarding() -> None:
    if _read("/proc/sys/net/ipv6/conf/all/forwarding").strip() != "1":
        raise Unsupported(
            "IPv6 networks need net.ipv6.conf.all.forwarding=1 (and accept_ra=2 on an uplink that is configured by "
            "router advertisements): set it with sysctl, or turn ipv6 off"
        )


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # the host does without it
        return ""


def load(path: str) -> Chosen | None:
    text = _read(path)
    try:
        return msgspec.json.decode(text, type=Chosen) if text else None
    except msgspec.DecodeError as error:
        log.warning("%s is unreadable, a subnet is chosen anew: %s", path, error)
        return None


def save(path: str, chosen: Chosen) -> None:
    try:
        with open(f"{path}.new", "wb") as file:
            file.write(msgspec.json.encode(chosen))
            file.flush()
            os.fsync(file.fileno())
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise from_oserror(f"write {path}", error) from error


def forget(path: str) -> None:
    """The next start chooses anew."""
    with suppress(FileNotFoundError):
        os.unlink(path)
