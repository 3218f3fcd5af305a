"""Networks in which the host has no address (gateway mode "isolated"), through the docker command."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.endpoint import BUSYBOX
from tests.support.instance import Instance

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

BRIDGE = "com.docker.network.bridge.name"
MODE = "com.docker.network.bridge.gateway_mode_ipv"
SUBNET, SUBNET6 = "10.231.9.0/24", "fd00:231:9::/64"


def _create(engine: Instance, *modes: str, subnets: bool = True) -> str:
    """The name of its bridge."""
    options = [word for mode in modes for word in ("-o", f"{MODE}{mode}")]
    pools = ("--ipv6", "--subnet", SUBNET, "--subnet", SUBNET6) if subnets else ()
    engine.docker("network", "create", "--internal", *pools, *options, "-o", f"{BRIDGE}=cr-alone", "alone", check=True)
    return "cr-alone"


def _ip(*words: str) -> list[dict[str, object]]:
    done = subprocess.run(["ip", "-j", *words], capture_output=True, text=True, check=True)
    found: list[dict[str, object]] = json.loads(done.stdout or "[]")
    return found


def _addresses(interface: str) -> list[str]:
    [link] = _ip("address", "show", "dev", interface)
    return sorted(str(info["local"]) for info in link["addr_info"])  # type: ignore[attr-defined]


def _run(engine: Instance, name: str) -> dict[str, str]:
    engine.docker("run", "-d", "--name", name, "--network", "alone", BUSYBOX, "sleep", "1000", check=True)
    found: dict[str, str] = engine.inspect(name)["NetworkSettings"]["Networks"]["alone"]
    return found


def _pings(engine: Instance, caller: str, called: str, *, six: bool = False, seconds: int = 30) -> bool:
    family = "-6" if six else "-4"
    return engine.docker("exec", caller, "ping", family, "-c", "1", "-W", str(seconds), called).returncode == 0


def test_containers_are_among_themselves(fresh: Instance) -> None:
    bridge = _create(fresh, "4=isolated", "6=isolated")
    one, two = _run(fresh, "one"), _run(fresh, "two")
    assert (one["IPAddress"], two["IPAddress"]) == ("10.231.9.1", "10.231.9.2")  # no address is the host's
    assert one["Gateway"] == one["IPv6Gateway"] == ""
    shown = fresh.get("/networks/alone").json["IPAM"]["Config"]
    assert [pool.get("Gateway", "") for pool in shown] == ["", ""]
    for six in (False, True):
        assert _pings(fresh, "one", "two", six=six)
    assert "default" not in fresh.docker("exec", "one", "ip", "route").stdout

    def alone() -> None:
        assert _addresses(bridge) == []
        assert not [route for route in _ip("route") + _ip("-6", "route") if route.get("dev") == bridge]

    alone()
    fresh.kill_daemon()
    fresh.up()
    alone()
    assert _pings(fresh, "two", "one")
    fresh.docker("restart", "-t", "0", "one", check=True)
    alone()
    assert _pings(fresh, "two", "one")


@pytest.mark.parametrize(("isolated", "kept"), [("4", ["fd00:231:9::1", "fe80::1"]), ("6", ["10.231.9.1"])])
def test_one_family_is_isolated(fresh: Instance, isolated: str, kept: list[str]) -> None:
    bridge = _create(fresh, f"{isolated}=isolated")
    _run(fresh, "one")
    _run(fresh, "two")
    assert _addresses(bridge) == kept
    for six in (False, True):
        assert _pings(fresh, "one", "two", six=six)


def test_the_host_is_out_of_reach(fresh: Instance) -> None:
    """Even for who asks on the wire for the host's other addresses: what it says finds no way back."""
    _create(fresh, "4=isolated", subnets=False)
    options = ("--network", "alone", "--cap-add", "NET_ADMIN")
    fresh.docker("run", "-d", "--name", "one", *options, BUSYBOX, "sleep", "1000", check=True)
    host = fresh.get("/networks/bridge").json["IPAM"]["Config"][0]["Gateway"]
    fresh.docker("exec", "one", "ip", "route", "add", host, "dev", "eth0", check=True)
    assert not _pings(fresh, "one", host, seconds=2)


def test_it_needs_an_internal_network(fresh: Instance) -> None:
    done = fresh.docker("network", "create", "-o", f"{MODE}4=isolated", "alone")
    assert done.returncode == 1
    assert "gateway mode 'isolated' can only be used for an internal network" in done.stderr
