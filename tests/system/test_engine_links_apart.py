"""Links between containers of a default bridge that keeps its containers apart (`--icc=false`), through the docker
command: what a link opens, and for how long."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.support.endpoint import BUSYBOX
from tests.support.instance import Instance, instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

SERVE = ("sh", "-c", "nc -ll -p 81 -e echo db & exec nc -ll -p 80 -e echo db")
SLEEP = ("sleep", "1000")


@pytest.fixture
def apart() -> Iterator[Instance]:
    with instance("--icc=false") as made:
        yield made


def _run(engine: Instance, name: str, *options: str, command: tuple[str, ...] = SLEEP) -> None:
    engine.docker("run", "-d", "--name", name, *options, BUSYBOX, *command, check=True)


def _greeted(engine: Instance, caller: str, called: str, port: int = 80, *, seconds: int = 30) -> bool:
    """By address; `called` may be a name that the caller's hosts file has."""
    lines = engine.docker("exec", caller, "cat", "/etc/hosts", check=True).stdout.splitlines()
    address = next((line.split()[0] for line in lines if called in line.split()), called)
    done = engine.docker("exec", caller, "nc", "-w", str(seconds), address, str(port))
    assert done.returncode in (0, 1), done
    return done.stdout == "db\n"


def _kept_out(engine: Instance, caller: str, called: str, port: int = 80) -> bool:
    return not _greeted(engine, caller, called, port, seconds=2)


def _address(engine: Instance, name: str, network: str = "bridge") -> str:
    return str(engine.inspect(name)["NetworkSettings"]["Networks"][network]["IPAddress"])


def _come(engine: Instance, name: str, network: str = "bridge") -> None:
    """Its server answers: the host reaches everybody."""
    address = _address(engine, name, network)
    eventually(lambda: _served(address), f"{name} serves")


def _served(address: str) -> bool:
    try:
        with socket.create_connection((address, 80), 2) as connection:
            return connection.recv(3) == b"db\n"
    except OSError:
        return False


def test_links_through_the_lives_of_containers_and_daemons(apart: Instance) -> None:
    _run(apart, "db", "--expose", "80", command=SERVE)
    _come(apart, "db")
    _run(apart, "web", "--link", "db:database")
    _run(apart, "other")
    assert _greeted(apart, "web", "database")
    assert _kept_out(apart, "web", "database", 81)
    assert _kept_out(apart, "other", _address(apart, "db"))

    first = _address(apart, "db")
    apart.docker("stop", "-t", "0", "db", check=True)
    apart.kill_daemon()  # the next one does not know that db would like to have the same address again
    apart.up()
    _run(apart, "taker", command=SERVE)
    apart.docker("start", "db", check=True)
    assert _address(apart, "db") != first
    _come(apart, "db")
    assert _greeted(apart, "web", "database")
    assert _kept_out(apart, "web", _address(apart, "taker"))

    apart.docker("restart", "-t", "0", "web", check=True)
    assert _greeted(apart, "web", "database")
    apart.kill_daemon()
    apart.up()
    assert _greeted(apart, "web", "database")
    assert _kept_out(apart, "other", _address(apart, "db"))
    apart.docker("rm", "--link", "/web/database", check=True)
    assert _kept_out(apart, "web", _address(apart, "db"))


def test_what_is_opened_goes_with_the_container(apart: Instance) -> None:
    _run(apart, "db", "--expose", "80", command=SERVE)
    _come(apart, "db")
    _run(apart, "web", "--link", "db")
    assert _greeted(apart, "web", "db")
    address = _address(apart, "web")
    apart.docker("rm", "-f", "web", check=True)
    for number in range(3):  # one of them may have its address
        _run(apart, f"heir{number}")
        assert _kept_out(apart, f"heir{number}", _address(apart, "db")), address


def test_a_link_in_a_network_of_one_s_own_opens_nothing(apart: Instance) -> None:
    apart.docker("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "shop", check=True)
    _run(apart, "db", "--network", "shop", "--expose", "80", command=SERVE)
    _come(apart, "db", "shop")
    _run(apart, "web", "--network", "shop", "--link", "db:database")
    assert _kept_out(apart, "web", _address(apart, "db", "shop"))
