"""Networks that somebody made, over the API: what survives the daemon, what a container keeps, what is told."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.endpoint import Endpoint
from tests.support.instance import Instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

IFNAME = "com.docker.network.endpoint.ifname"
SERVER = ("sh", "-c", "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w")


def _create(engine: Endpoint, name: str, **more: object) -> str:
    return str(engine.post("/networks/create", {"Name": name, **more}).json["Id"])


def _run(engine: Endpoint, network: str, *command: str, name: str, **endpoint: object) -> str:
    return engine.run(
        *(command or ("sleep", "100")),
        name=name,
        version="v1.51",
        HostConfig={"NetworkMode": network},
        NetworkingConfig={"EndpointsConfig": {network: endpoint}},
    )


def test_networks_and_names_outlive_a_killed_daemon(fresh: Instance) -> None:
    _create(fresh, "shop", Labels={"tier": "front"})
    web, other = _run(fresh, "shop", *SERVER, name="web", Aliases=["www"]), _run(fresh, "shop", name="other")
    eventually(lambda: fresh.execute(other, "wget", "-qO-", "http://www/") == (0, "hello\n"), "an answer by name")
    before = fresh.get("/networks/shop").json
    fresh.kill_daemon()
    fresh.up()
    assert fresh.get("/networks/shop").json == before
    assert fresh.execute(other, "wget", "-qO-", "http://www/") == (0, "hello\n")
    assert fresh.inspect(web)["NetworkSettings"]["Networks"]["shop"]["Aliases"] == ["www", web[:12]]
    fresh.post("/networks/shop/disconnect", {"Container": "web"})
    assert fresh.execute(other, "nslookup", "www")[0] != 0
    fresh.down(everything=True)
    fresh.up()
    assert fresh.get("/networks/shop").json["Labels"] == {"tier": "front"}


def test_a_container_that_was_half_way_out_of_a_network_is_in_it_again(fresh: Instance) -> None:
    """Its daemon was killed after the cable had gone, and before it could note, or tell anybody, that it had."""
    _create(fresh, "shop")
    one = _run(fresh, "shop", name="one")
    two = _run(fresh, "shop", name="two")
    assert fresh.post("/networks/bridge/connect", {"Container": one}).status == 200
    pid = fresh.inspect(one)["State"]["Pid"]
    fresh.kill_daemon()
    subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", "link", "del", "eth0"], check=True)
    fresh.up()
    place = fresh.inspect(one)["NetworkSettings"]["Networks"]["shop"]
    assert place["IPAddress"] != fresh.inspect(two)["NetworkSettings"]["Networks"]["shop"]["IPAddress"]
    assert place["IPAddress"] in fresh.execute(one, "ip", "addr")[1]
    assert fresh.get("/networks/shop").json["Containers"][one]["EndpointID"] == place["EndpointID"]
    assert fresh.execute(two, "ping", "-c", "1", "-W", "5", "one")[0] == 0


def test_one_that_does_not_run_and_joins_already_goes_on_as_it_was(engine: Endpoint) -> None:
    """testcontainers connects what it has just created with the bridge that it is in."""
    _create(engine, "shop")
    idle = engine.create("true", HostConfig={"NetworkMode": "shop"})
    before = engine.inspect(idle)["NetworkSettings"]
    answer = engine.post("/networks/shop/connect", {"Container": idle, "EndpointConfig": {"Aliases": ["lazy"]}})
    assert answer.status == 200, answer
    assert engine.inspect(idle)["NetworkSettings"] == before
    engine.post(f"/containers/{idle}/start")
    assert engine.wait(idle) == 0


def test_a_container_in_several_networks_from_its_creation(engine: Endpoint) -> None:
    ids = {name: _create(engine, name) for name in ("front", "back")}
    ends = {"front": {}, "back": {"GwPriority": 1, "MacAddress": "02:00:00:00:00:09"}}
    one = engine.run(
        "sleep",
        "100",
        version="v1.51",
        HostConfig={"NetworkMode": ids["front"]},
        NetworkingConfig={"EndpointsConfig": ends},
    )
    shown = engine.inspect(one)["NetworkSettings"]["Networks"]
    assert {name: end["NetworkID"] for name, end in shown.items()} == ids
    assert shown["back"]["MacAddress"] == "02:00:00:00:00:09"
    _, routes = engine.execute(one, "ip", "route")
    assert f"default via {shown['back']['Gateway']} dev eth1" in routes
    assert "eth0" in engine.execute(one, "ip", "-o", "addr", "show", "to", shown["front"]["IPAddress"])[1]
    engine.post(f"/containers/{one}/restart", query={"t": 0})
    assert set(engine.inspect(one)["NetworkSettings"]["Networks"]) == {"front", "back"}
    engine.post(f"/containers/{one}/rename", query={"name": "renamed"})
    _, answer = engine.execute(one, "nslookup", "renamed.back")
    assert engine.inspect(one)["NetworkSettings"]["Networks"]["back"]["IPAddress"] in answer


def test_a_container_whose_network_was_removed_joins_another_in_its_place(fresh: Instance) -> None:
    for name in ("old", "new"):
        _create(fresh, name)
    id = fresh.create("sleep", "100", name="web", HostConfig={"NetworkMode": "old"})
    assert fresh.delete("/networks/old").status == 204
    start = f"/containers/{id}/start"
    assert fresh.post(start).message == "network old not found"
    assert fresh.post("/networks/new/connect", {"Container": "web"}).status == 200
    assert fresh.post(start).message == "network old not found"
    assert fresh.post("/networks/old/disconnect", {"Container": "web"}).status == 200
    assert fresh.post(start).status == 204
    assert [*fresh.inspect(id)["NetworkSettings"]["Networks"]] == ["new"]
    assert fresh.execute(id, "nslookup", "web")[0] == 0


def test_none_is_left_for_other_networks(fresh: Instance) -> None:
    """As people do whose container was started with `--network none` at first."""
    _create(fresh, "shop")
    runs = fresh.run("sleep", "100", name="alone", HostConfig={"NetworkMode": "none"})
    fresh.run("sleep", "100", name="hosted", HostConfig={"NetworkMode": "host"})
    refused = fresh.post("/networks/shop/connect", {"Container": "alone"})
    assert "networks in private (none) mode" in refused.json["message"]
    for name in ("alone", "hosted"):
        network, place = next(iter(fresh.inspect(name)["NetworkSettings"]["Networks"].items()))
        [there] = fresh.get(f"/networks/{network}").json["Containers"].values()
        assert (there["Name"], there["EndpointID"]) == (name, place["EndpointID"])
    assert fresh.post("/networks/none/disconnect", {"Container": "alone"}).status == 200
    assert fresh.get("/networks/none").json["Containers"] == {}
    assert fresh.docker("ps", "-q", "--filter", "network=none").stdout == ""
    again = fresh.post("/networks/none/disconnect", {"Container": "alone"})
    assert again.status == 403 and "is not connected to the network none" in again.json["message"]
    fresh.kill_daemon()
    fresh.up()
    for network in ("shop", "bridge"):
        assert fresh.post(f"/networks/{network}/connect", {"Container": "alone"}).status == 200
    assert "eth1" in fresh.execute(runs, "ip", "-o", "-4", "addr")[1]
    fresh.docker("restart", "-t", "0", "alone", check=True)
    assert [*fresh.inspect(runs)["NetworkSettings"]["Networks"]] == ["shop", "bridge"]
    assert fresh.execute(runs, "nslookup", "alone")[0] == 0
    fresh.docker("network", "disconnect", "bridge", "alone", check=True)
    fresh.docker("network", "disconnect", "shop", "alone", check=True)
    fresh.docker("restart", "-t", "0", "alone", check=True)
    assert fresh.inspect(runs)["NetworkSettings"]["Networks"] == {}
    fresh.docker("create", "--name", "later", "--network", "none", "busybox", "sleep", "100", check=True)
    fresh.docker("network", "disconnect", "none", "later", check=True)
    fresh.docker("network", "connect", "shop", "later", check=True)
    fresh.docker("start", "later", check=True)
    assert "eth0" in fresh.execute("later", "ip", "-o", "-4", "addr")[1]


def test_what_is_told(engine: Endpoint) -> None:
    shop = _create(engine, "shop")
    one = engine.run("sleep", "100")
    engine.post("/networks/shop/connect", {"Container": one})
    engine.post("/networks/shop/disconnect", {"Container": one})
    engine.delete("/networks/shop")
    filters = json.dumps({"type": ["network"], "network": [shop]})
    text = engine.get("/events", query={"since": "0.1", "until": "0s", "filters": filters}).body.decode()
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["Action"] for event in events] == ["create", "connect", "disconnect", "destroy"]
    assert events[1]["Actor"]["Attributes"] == {"container": one, "name": "shop", "type": "bridge"}


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (
            {"com.docker.network.bridge.enable_icc": "perhaps"},
            400,
            "failed to parse com.docker.network.bridge.enable_icc",
        ),
        ({"com.docker.network.bridge.gateway_mode_ipv4": "x"}, 400, "unknown gateway mode x"),
        ({"com.docker.network.bridge.trusted_host_interfaces": "x"}, 501, "trusted_host_interfaces is not offered"),
        ({"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}, 400, "only be used for an internal network"),
        ({"com.docker.network.bridge.name": "lo"}, 409, "interface lo is no bridge of ours"),
    ],
)
def test_options_that_cannot_be(engine: Endpoint, options: dict[str, str], status: int, message: str) -> None:
    answer = engine.post("/networks/create", {"Name": "bad", "Options": options})
    assert answer.status == status and message in answer.message
    assert engine.get("/networks/bad").status == 404


@pytest.mark.parametrize("routed", [4, 6])
def test_ports_of_routed_networks_are_shown_without_a_number(engine: Endpoint, routed: int) -> None:
    options = {f"com.docker.network.bridge.gateway_mode_ipv{routed}": "routed"}
    _create(engine, "routed", EnableIPv6=True, Options=options)
    ports = {"80/tcp": [{"HostPort": "0"}]}
    identity = engine.run("sleep", "100", HostConfig={"NetworkMode": "routed", "PortBindings": ports})
    published, *others = engine.inspect(identity)["NetworkSettings"]["Ports"]["80/tcp"]
    assert published["HostPort"] != "" and published["HostIp"] == ("::" if routed == 4 else "0.0.0.0")
    assert others == [{"HostIp": "0.0.0.0" if routed == 4 else "::", "HostPort": ""}]
    [listed] = engine.get("/containers/json", query={"filters": {"id": [identity]}}).json
    shown = {one["IP"]: one.get("PublicPort") for one in listed["Ports"]}
    assert shown == {published["HostIp"]: int(published["HostPort"]), others[0]["HostIp"]: None}


@pytest.mark.parametrize(
    ("options", "peers"),
    [
        ({"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}, 2),
        ({"com.docker.network.bridge.inhibit_ipv4": "true"}, 2),
        ({}, 1),  # the other one is the host's
    ],
)
def test_networks_of_two_addresses(engine: Endpoint, options: dict[str, str], peers: int) -> None:
    subnet = {"Config": [{"Subnet": "10.231.8.0/31"}]}
    _create(engine, "pair", IPAM=subnet, Internal=True, Options=options)
    names = ["pair-0", "pair-1"]
    for name in names[:peers]:
        identity = engine.create("sleep", "100", name=name, HostConfig={"NetworkMode": "pair"})
        assert engine.post(f"/containers/{identity}/start").status == 204
    if peers == 2:
        code, text = engine.execute("pair-0", "ping", "-c", "1", "-W", "60", "pair-1")
        assert code == 0, text
    else:
        code, text = engine.execute("pair-0", "ping", "-c", "1", "-W", "60", "10.231.8.0")
        assert code == 0, text
    identity = engine.create("sleep", "100", HostConfig={"NetworkMode": "pair"})
    answer = engine.post(f"/containers/{identity}/start")
    assert answer.status == 500 and "no available IPv4 addresses" in answer.message, answer


def test_a_place_that_a_network_does_not_have_is_refused_before_the_start(engine: Endpoint) -> None:
    _create(engine, "shop", IPAM={"Config": [{"Subnet": "10.231.7.0/24"}]})
    one = engine.create("sleep", "100")
    how = {"IPAMConfig": {"IPv4Address": "10.9.9.9"}}
    answer = engine.post("/networks/shop/connect", {"Container": one, "EndpointConfig": how}, version="v1.51")
    assert answer.status == 400 and "no configured subnet or ip-range contain the IP address 10.9.9.9" in answer.message
    assert "shop" not in engine.inspect(one)["NetworkSettings"]["Networks"]
    assert engine.post("/networks/create", {"Name": "default"}).status == 403


def test_an_address_in_a_subnet_that_nobody_configured_is_refused(fresh: Instance) -> None:
    """Also by a daemon that only reads what the network was asked to be."""
    _create(fresh, "shop")
    chosen = fresh.get("/networks/shop").json["IPAM"]["Config"][0]["Subnet"]
    own = _create(fresh, "own", IPAM={"Config": [{"Subnet": "10.231.7.0/24"}]})
    one = fresh.create("sleep", "100", name="one")
    how = {"IPAMConfig": {"IPv4Address": f"{chosen.rpartition('.')[0]}.77"}}
    create = {
        "Image": "busybox",
        "HostConfig": {"NetworkMode": "shop"},
        "NetworkingConfig": {"EndpointsConfig": {"shop": how}},
    }
    for _ in range(2):
        body = {"Container": one, "EndpointConfig": how}
        for answer in (
            fresh.post("/networks/shop/connect", body, version="v1.51"),
            fresh.post("/containers/create", create, version="v1.51"),
        ):
            assert (answer.status, answer.message) == (
                400,
                "invalid config for network shop: invalid endpoint settings:\n"
                "user specified IP address is supported only when connecting to networks with user configured subnets",
            )
        fresh.kill_daemon()
        fresh.up()
    body = {"Container": one, "EndpointConfig": {"IPAMConfig": {"IPv4Address": "10.231.7.9"}}}
    assert fresh.post(f"/networks/{own}/connect", body).status == 200


@pytest.mark.parametrize(
    ("main", "other", "message"),
    [
        ("bridge", "host", "cannot connect container to host network - container must be created in host network mode"),
        ("host", "bridge", "cannot be connected to any other network"),
        ("none", "bridge", "one of the networks in private (none) mode"),
        ("bridge", "none", "one of the networks in private (none) mode"),
    ],
)
def test_networks_that_do_not_go_together(engine: Endpoint, main: str, other: str, message: str) -> None:
    body = {
        "Image": "busybox",
        "Cmd": ["true"],
        "HostConfig": {"NetworkMode": main},
        "NetworkingConfig": {"EndpointsConfig": {main: {}, other: {}}},
    }
    answer = engine.post("/containers/create", body, version="v1.51")
    assert answer.status == 400 and message in answer.message, answer


def test_a_container_without_ipv6_has_no_address_of_it(engine: Endpoint) -> None:
    """By a sysctl of its own, or by one of its place in the network."""
    _create(engine, "six", EnableIPv6=True)
    _create(engine, "six-too", EnableIPv6=True)
    off = {"com.docker.network.endpoint.sysctls": "net.ipv6.conf.IFNAME.disable_ipv6=1"}
    one = engine.run(
        "sleep", "100", version="v1.51",
        HostConfig={"NetworkMode": "six", "Sysctls": {"net.ipv6.conf.all.disable_ipv6": "1"}},
    )  # fmt: skip
    engine.post("/networks/six-too/connect", {"Container": one})
    two, with_it = _run(engine, "six", name="off", DriverOpts=off), _run(engine, "six", name="on")
    for identity, names in ((one, ("six", "six-too")), (two, ("six",))):
        places = engine.inspect(identity)["NetworkSettings"]["Networks"]
        assert [(places[name]["GlobalIPv6Address"], places[name]["GlobalIPv6PrefixLen"]) for name in names] == [
            ("", 0) for _ in names
        ]
        assert "inet6" not in engine.execute(identity, "ip", "addr", "show", "eth0")[1]
    assert engine.inspect(with_it)["NetworkSettings"]["Networks"]["six"]["GlobalIPv6Address"]
    local = lambda: "fe80:" in engine.execute(with_it, "ip", "addr", "show", "eth0")[1]  # noqa: E731
    eventually(local, "the kernel has noticed that its cable is plugged in")


def test_a_name_that_is_taken_harms_nobody(engine: Endpoint) -> None:
    """Neither an interface of the container's in another network, nor one that it has made for itself."""
    for name in ("front", "back", "far"):
        _create(engine, name)
    one = engine.run(
        *("sleep", "100"),
        version="v1.51",
        HostConfig={"NetworkMode": "front", "CapAdd": ["NET_ADMIN"]},
        NetworkingConfig={"EndpointsConfig": {"front": {}, "back": {"DriverOpts": {IFNAME: "eth0"}}}},
    )
    _, before = engine.execute(one, "ip", "-o", "-4", "addr")
    assert "eth0" in before and "eth1" in before
    for name, said in (("eth0", "in network back; give another"), ("lo", "no name for an"), ("a/b", "no name for an")):
        answer = engine.post(
            "/networks/far/connect", {"Container": one, "EndpointConfig": {"DriverOpts": {IFNAME: name}}}
        )
        assert answer.status in (400, 403) and said in answer.json["message"]
    inside = ("nsenter", "-t", str(engine.inspect(one)["State"]["Pid"]), "-n", "ip", "link")
    subprocess.run([*inside, "add", "eth2", "type", "bridge"], check=True)
    own = {"Container": one, "EndpointConfig": {"DriverOpts": {IFNAME: "eth2"}}}
    assert "file exists" in engine.post("/networks/far/connect", own).json["message"]
    assert engine.execute(one, "ip", "-o", "-4", "addr")[1] == before
    assert engine.post("/networks/far/connect", {"Container": one}).status == 200
    assert "eth3" in engine.execute(one, "ip", "-o", "-4", "addr")[1]
    prefix = {"com.docker.network.container_iface_prefix": "much-too-long-a-one"}
    refused = engine.post("/networks/create", {"Name": "long", "Options": prefix})
    assert refused.status == 400 and "no name for an interface" in refused.json["message"]


def test_a_broken_interface_keeps_nobody_from_leaving_a_network(engine: Endpoint) -> None:
    _create(engine, "first")
    _create(engine, "second")
    identity = engine.run(
        "sleep", "100", version="v1.51", HostConfig={"NetworkMode": "first", "CapAdd": ["NET_ADMIN"]},
    )  # fmt: skip
    engine.post("/networks/second/connect", {"Container": identity})
    assert engine.execute(identity, "ip", "link", "set", "eth1", "down")[0] == 0
    assert engine.post("/networks/first/disconnect", {"Container": identity}).status == 200
    assert engine.post("/networks/first/connect", {"Container": identity}).status == 200
    assert sorted(engine.inspect(identity)["NetworkSettings"]["Networks"]) == ["first", "second"]
