"""Networks of containers: none, host, another's, the bridge; published ports from here, from inside, from outside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoint import Endpoint
from tests.support.outside import ask_tcp, ask_udp, from_outside, outside_host, udp_echo
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

# nc of busybox: a program for each connection.
GREETER = ("nc", "-ll", "-p", "80", "-e", "sh", "-c", "echo hello from $HOSTNAME")


def _published(
    engine: Endpoint, *bindings: dict[str, str], port: str = "80/tcp", command: Any = GREETER, **more: Any
) -> str:
    host = {"PortBindings": {port: list(bindings)}, **more}
    return engine.run(*command, ExposedPorts={port: {}}, HostConfig=host, Hostname="greeter")


def _host_port(engine: Endpoint, identity: str, port: str = "80/tcp") -> int:
    return int(engine.inspect(identity)["NetworkSettings"]["Ports"][port][0]["HostPort"])


def _says_hello(address: str, port: int) -> bool:
    return ask_tcp(address, port) == b"hello from greeter\n"


@pytest.fixture
def outside() -> Iterator[str]:
    with outside_host() as address:
        yield address


def test_none_has_only_a_loopback(engine: Endpoint) -> None:
    code, text = engine.result("ip", "-o", "addr", HostConfig={"NetworkMode": "none"})
    assert code == 0 and "127.0.0.1" in text and {line.split()[1] for line in text.splitlines()} == {"lo"}


def test_host_shares_the_hosts(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100", HostConfig={"NetworkMode": "host"})
    pid = engine.inspect(identity)["State"]["Pid"]
    assert Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    assert engine.execute(identity, "hostname")[1].strip() == socket.gethostname()


def test_another_containers(engine: Endpoint) -> None:
    first = engine.run("sleep", "100", Hostname="first")
    second = engine.run("sleep", "100", HostConfig={"NetworkMode": f"container:{first}"})
    assert engine.execute(second, "hostname")[1] == "first\n"
    pids = [engine.inspect(identity)["State"]["Pid"] for identity in (first, second)]
    assert len({str(Path(f"/proc/{pid}/ns/net").readlink()) for pid in pids}) == 1


def test_the_bridge_gives_an_address_and_a_way_out(engine: Endpoint) -> None:
    identity = engine.run("sleep", "100")
    network = engine.inspect(identity)["NetworkSettings"]["Networks"]["bridge"]
    _, text = engine.execute(identity, "ip", "-o", "addr")
    assert f"{network['IPAddress']}/{network['IPPrefixLen']}" in text
    assert f"default via {network['Gateway']} " in engine.execute(identity, "ip", "route")[1]
    assert network["MacAddress"] in engine.execute(identity, "cat", "/sys/class/net/eth0/address")[1]
    assert engine.execute(identity, "ping", "-c", "1", "-w", "5", network["Gateway"])[0] == 0


def test_containers_reach_each_other(engine: Endpoint) -> None:
    server = engine.run(*GREETER, Hostname="greeter")
    address = engine.inspect(server)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    client = engine.run("sleep", "100")
    eventually(
        lambda: engine.execute(client, "nc", "-w", "3", address, "80") == (0, "hello from greeter\n"), "an answer"
    )


def test_every_address_is_given_once(engine: Endpoint) -> None:
    identities = [engine.run("sleep", "100") for _ in range(5)]
    found = [engine.inspect(identity)["NetworkSettings"]["Networks"]["bridge"] for identity in identities]
    assert len({network["IPAddress"] for network in found}) == 5 == len({network["MacAddress"] for network in found})


def test_a_published_port_from_the_host_itself(engine: Endpoint) -> None:
    identity = _published(engine, {"HostIp": "", "HostPort": ""})
    port = _host_port(engine, identity)
    eventually(lambda: _says_hello("127.0.0.1", port), "an answer on the loopback")


def test_a_published_port_from_another_host(engine: Endpoint, outside: str) -> None:
    identity = _published(engine, {"HostIp": "", "HostPort": ""})
    port = _host_port(engine, identity)
    eventually(lambda: from_outside(lambda: _says_hello(outside, port)), "an answer to the outside")


def test_a_port_on_one_address_is_on_no_other(engine: Endpoint, outside: str) -> None:
    identity = _published(engine, {"HostIp": "127.0.0.1", "HostPort": ""})
    port = _host_port(engine, identity)
    eventually(lambda: _says_hello("127.0.0.1", port), "an answer on the loopback")
    with pytest.raises(OSError):
        from_outside(lambda: ask_tcp(outside, port, seconds=1))


def test_hairpin_through_the_hosts_address(engine: Endpoint, outside: str) -> None:
    """A container reaches a published port of another one, and its own, by the host's address."""
    identity = _published(engine, {"HostIp": "", "HostPort": ""})
    port = _host_port(engine, identity)
    client = engine.run("sleep", "100")
    for asker in (client, identity):
        eventually(
            lambda asker=asker: (
                engine.execute(asker, "nc", "-w", "3", outside, str(port)) == (0, "hello from greeter\n")
            ),
            "an answer",
        )


def test_udp(engine: Endpoint, outside: str) -> None:
    identity = _published(engine, {"HostIp": "", "HostPort": ""}, port="53/udp", command=("sleep", "100"))
    port = _host_port(engine, identity, "53/udp")
    with udp_echo(f"/proc/{engine.inspect(identity)['State']['Pid']}/ns/net", 53):
        assert ask_udp("127.0.0.1", port, b"from here") == b"from here"
        assert from_outside(lambda: ask_udp(outside, port, b"from outside")) == b"from outside"


def test_a_range_of_host_ports(engine: Endpoint) -> None:
    ports = {_host_port(engine, _published(engine, {"HostPort": "28100-28102"})) for _ in range(3)}
    assert ports == {28100, 28101, 28102}


def test_a_taken_port_is_refused_and_nothing_stays(engine: Endpoint) -> None:
    _published(engine, {"HostIp": "127.0.0.1", "HostPort": "28090"})
    loser = engine.create(
        "true",
        ExposedPorts={"80/tcp": {}},
        HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "28090"}]}},
    )
    answer = engine.post(f"/containers/{loser}/start")
    assert answer.status == 500 and "port is already allocated" in answer.message
    assert "Bind for 127.0.0.1:28090 failed" in answer.message
    assert engine.inspect(loser)["State"]["Status"] == "created"
    assert engine.inspect(loser)["State"]["Pid"] == 0


def test_a_port_that_another_program_has_is_refused(engine: Endpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        identity = engine.create(
            "true",
            ExposedPorts={"80/tcp": {}},
            HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}},
        )
        answer = engine.post(f"/containers/{identity}/start")
        assert answer.status == 500 and str(port) in answer.message


def test_a_port_is_free_again_after_the_stop(engine: Endpoint) -> None:
    for _ in range(3):
        identity = _published(engine, {"HostPort": "28091"})
        eventually(lambda: _says_hello("127.0.0.1", 28091), "an answer")
        engine.post(f"/containers/{identity}/stop", query={"t": 0})
        with pytest.raises(OSError):
            ask_tcp("127.0.0.1", 28091, seconds=1)


def test_a_port_without_a_binding_is_published_somewhere(engine: Endpoint) -> None:
    identity = _published(engine)
    assert _host_port(engine, identity) > 0
    assert engine.inspect(identity)["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": ""}]}
    eventually(lambda: _says_hello("127.0.0.1", _host_port(engine, identity)), "an answer")


def test_publish_all(engine: Endpoint) -> None:
    identity = engine.run(*GREETER, ExposedPorts={"80/tcp": {}, "81/tcp": {}}, HostConfig={"PublishAllPorts": True})
    ports = engine.inspect(identity)["NetworkSettings"]["Ports"]
    assert int(ports["80/tcp"][0]["HostPort"]) > 1024 and int(ports["81/tcp"][0]["HostPort"]) > 1024


def test_names_and_resolvers(engine: Endpoint) -> None:
    host = {"ExtraHosts": ["db:1.2.3.4", "gate:host-gateway"], "Dns": ["9.9.9.9"], "DnsSearch": ["a.b"]}
    identity = engine.run("sleep", "100", Hostname="me", HostConfig=host)
    gateway = engine.inspect(identity)["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    _, hosts = engine.execute(identity, "cat", "/etc/hosts")
    assert "1.2.3.4\tdb" in hosts and f"{gateway}\tgate" in hosts and "\tme" in hosts
    _, resolvers = engine.execute(identity, "cat", "/etc/resolv.conf")
    assert "nameserver 9.9.9.9" in resolvers and "search a.b" in resolvers


def test_the_predefined_networks(engine: Endpoint) -> None:
    found = {network["Name"]: network["Driver"] for network in engine.get("/networks").json}
    assert found == {"bridge": "bridge", "host": "host", "none": "null"}
    identity = engine.run("sleep", "100")
    assert identity in engine.get("/networks/bridge").json["Containers"]
