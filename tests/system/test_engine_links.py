"""Links of the default bridge, and published SCTP ports, through the docker command."""

from __future__ import annotations

import pytest

from tests.support.endpoint import BUSYBOX, Endpoint

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def _sleeper(engine: Endpoint, *options: str) -> str:
    done = engine.docker("run", "-d", *options, BUSYBOX, "sleep", "100", check=True)
    return done.stdout.strip()


def _address(engine: Endpoint, identity: str) -> str:
    return str(engine.inspect(identity)["NetworkSettings"]["IPAddress"])


def test_links_tell_addresses_and_variables_and_follow_a_restart(engine: Endpoint) -> None:
    db = _sleeper(engine, "--name", "link-db", "-e", "A=1", "--expose", "80")
    web = _sleeper(engine, "--name", "link-web", "--link", "link-db:my-db")
    told = {"MY_DB_NAME=/link-web/my-db", "MY_DB_ENV_A=1", f"MY_DB_PORT=tcp://{_address(engine, db)}:80"}
    assert told <= set(engine.docker("exec", web, "env").stdout.splitlines())
    engine.docker("stop", "-t", "0", db, check=True)
    _sleeper(engine)  # takes an address
    engine.docker("start", db, check=True)
    assert f"{_address(engine, db)}\tmy-db " in engine.docker("exec", web, "cat", "/etc/hosts").stdout


def test_a_range_of_exposed_ports(engine: Endpoint) -> None:
    """As Compose sends it: `expose: ["6000-6001"]` is one key."""
    spec = {"Image": BUSYBOX, "Cmd": ["sleep", "100"], "ExposedPorts": {"6000-6001/tcp": {}}}
    body = {**spec, "HostConfig": {"PublishAllPorts": True}}
    db = engine.post("/containers/create", body, query={"name": "link-range"}).json["Id"]
    engine.docker("start", db, check=True)
    assert set(engine.inspect(db)["NetworkSettings"]["Ports"]) == {"6000/tcp", "6001/tcp"}
    web = _sleeper(engine, "--link", "link-range:db")
    told = {"DB_PORT_6000_TCP_PORT_END=6001", f"DB_PORT_6001_TCP=tcp://{_address(engine, db)}:6001"}
    assert told <= set(engine.docker("exec", web, "env").stdout.splitlines())


def test_a_link_needs_a_running_container(engine: Endpoint) -> None:
    engine.docker("create", "--name", "link-none", BUSYBOX, "true", check=True)
    done = engine.docker("run", "--name", "link-lone", "--link", "link-none", BUSYBOX, "true")
    assert done.returncode == 125
    assert "Cannot link to a non running container: /link-none AS /link-lone/link-none" in done.stderr


def test_sctp_is_published_on_ipv4(engine: Endpoint) -> None:
    identity = _sleeper(engine, "-p", "80/sctp")
    [bound] = engine.inspect(identity)["NetworkSettings"]["Ports"]["80/sctp"]
    assert bound["HostIp"] == "0.0.0.0" and int(bound["HostPort"]) > 0


def test_a_container_on_the_host_s_network_is_no_target(engine: Endpoint) -> None:
    _sleeper(engine, "--name", "link-host", "--network", "host")
    done = engine.docker("run", "--link", "link-host:tester", BUSYBOX, "true")
    assert done.returncode == 125
    assert "conflicting options: host type networking can't be used with links" in done.stderr


def test_a_link_in_a_network_of_one_s_own_may_lead_to_a_later_container(engine: Endpoint) -> None:
    engine.docker("network", "create", "link-net", check=True)
    first = ("--network", "link-net", "--name", "link-first", "--link", "link-second:later")
    _sleeper(engine, *first)
    assert engine.docker("exec", "link-first", "ping", "-c", "1", "later").returncode != 0
    _sleeper(engine, "--network", "link-net", "--name", "link-second")
    engine.docker("exec", "link-first", "ping", "-c", "1", "later", check=True)
    links = engine.inspect("link-first")["NetworkSettings"]["Networks"]["link-net"]["Links"]
    assert links == ["link-second:later"]


def test_a_link_in_a_network_of_one_s_own_is_a_name_and_no_more(engine: Endpoint) -> None:
    """As Compose sends it: in the host's part, too. Whoever is in several networks is called in the one that both
    are in, and a container that does not run keeps none from starting."""
    for name in ("link-back", "link-front"):
        engine.docker("network", "create", name, check=True)
    _sleeper(engine, "--network", "link-back", "--name", "link-api", "--expose", "80")
    engine.docker("network", "connect", "link-front", "link-api", check=True)
    engine.docker("create", "--network", "link-front", "--name", "link-done", BUSYBOX, "true", check=True)
    links = ["link-api:theapi", "link-done:done"]
    body = {
        **{"Image": BUSYBOX, "Cmd": ["sleep", "1000"]},
        "HostConfig": {"NetworkMode": "link-front", "Links": links},
        "NetworkingConfig": {"EndpointsConfig": {"link-front": {"Links": links}}},
    }
    caller = engine.post("/containers/create", body, query={"name": "link-caller"}).json["Id"]
    engine.docker("start", caller, check=True)
    front = engine.inspect("link-api")["NetworkSettings"]["Networks"]["link-front"]["IPAddress"]
    assert f"PING theapi ({front})" in engine.docker("exec", caller, "ping", "-c", "1", "theapi", check=True).stdout
    assert "theapi" not in engine.docker("exec", caller, "cat", "/etc/hosts").stdout
    assert "THEAPI" not in engine.docker("exec", caller, "env").stdout
    assert engine.inspect(caller)["HostConfig"]["Links"] is None
    done = engine.docker("rm", "--link", "link-caller/theapi")
    assert "No such container: link-caller/theapi" in done.stderr


def test_a_link_on_the_default_bridge_leads_to_who_is_on_it(engine: Endpoint) -> None:
    engine.docker("network", "create", "link-other", check=True)
    _sleeper(engine, "--network", "link-other", "--name", "link-away")
    done = engine.docker("run", "--rm", "--link", "link-away", BUSYBOX, "true")
    assert done.returncode == 125
    assert "Cannot link to /link-away, as it does not belong to the default network" in done.stderr
    engine.docker("network", "connect", "bridge", "link-away", check=True)
    engine.docker("run", "--rm", "--link", "link-away", BUSYBOX, "ping", "-c", "1", "link-away", check=True)


def test_a_link_to_who_shares_a_network_leads_to_who_has_it(engine: Endpoint) -> None:
    _sleeper(engine, "--name", "link-holder")
    _sleeper(engine, "--name", "link-guest", "--network", "container:link-holder")
    run = ("run", "--rm", "--link", "link-guest:guest", BUSYBOX)
    address = engine.inspect("link-holder")["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert f"PING guest ({address})" in engine.docker(*run, "ping", "-c", "1", "guest", check=True).stdout
    _sleeper(engine, "--name", "link-host", "--network", "host")
    _sleeper(engine, "--name", "link-lodger", "--network", "container:link-host")
    done = engine.docker("create", "--link", "link-lodger", BUSYBOX)
    assert "host type networking can't be used with links" in done.stderr


def test_a_link_to_two_that_share_each_others_network_is_refused(engine: Endpoint) -> None:
    engine.docker("create", "--name", "link-egg", "--network", "container:link-hen", BUSYBOX, "true", check=True)
    engine.docker("create", "--name", "link-hen", "--network", "container:link-egg", BUSYBOX, "true", check=True)
    done = engine.docker("create", "--link", "link-hen", BUSYBOX)
    assert "cannot link to link-hen: the containers whose network it shares" in done.stderr


def test_a_stopped_container_leaves_a_network_that_is_gone(engine: Endpoint) -> None:
    engine.docker("network", "create", "gone-net", check=True)
    identity = _sleeper(engine, "--network", "gone-net")
    engine.docker("stop", "-t", "0", identity, check=True)
    engine.docker("network", "rm", "gone-net", check=True)
    engine.docker("network", "disconnect", "-f", "gone-net", identity, check=True)
    assert "gone-net" not in engine.inspect(identity)["NetworkSettings"]["Networks"]
