"""Random operations on networks, volumes and containers, and what must hold whenever nobody is at work.

`Work` sends them and notes what was acknowledged; `check` compares that with what the daemon knows and with what the
containers really have. Names are never used twice, so that what is in doubt (a request that a kill met) is told apart.
"""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_interface, ip_network
from typing import Any

from tests.support.endpoint import BUSYBOX, Answer, Endpoint
from tests.support.kills import until_killed
from tests.support.outside import within

MOST = {"network": 6, "volume": 6, "container": 10}  # of each to carry along
CLOSED = 9  # a port at which no gateway listens
_numbers = itertools.count(1)


@dataclass
class Known:
    """What was acknowledged: names of what is there, and of what is gone for good."""

    there: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in MOST})
    gone: set[str] = field(default_factory=set)
    members: dict[tuple[str, str], bool] = field(default_factory=dict)  # (container, network) -> whether it is in it
    begun: Counter[tuple[str, str]] = field(default_factory=Counter)  # requests about that
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    prunes: Counter[str] = field(default_factory=Counter)  # of each kind, begun and ended: odd while one goes on
    lock: threading.Lock = field(default_factory=threading.Lock)

    def made(self, kind: str, name: str, prunes: int) -> None:
        """`prunes` is what was counted before it was asked for: what a prune met on its way is in doubt."""
        with self.lock:
            if prunes == self.prunes[kind] and not prunes % 2:
                self.there[kind].add(name)

    def claim(self, kind: str, name: str) -> bool:
        """From now on in doubt; False if another has claimed it."""
        with self.lock:
            mine = name in self.there[kind]
            self.there[kind].discard(name)
            for pair in [pair for pair in self.members if name in pair]:
                del self.members[pair]
            return mine

    def count(self, kind: str) -> int:
        return len(self.there[kind])


class Quota:
    """Lets a number of operations begin, then says so: the moment for a kill is in the midst of the last."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self._lock = threading.Lock()
        self.reached = threading.Event()

    def begin(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left <= 0:
                self.reached.set()


class Work:
    """One client. `Known` is shared by all of them."""

    def __init__(self, engine: Endpoint, known: Known, quota: Quota, seed: int) -> None:
        self.engine, self.known, self.quota, self.random = engine, known, quota, random.Random(seed)
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (4, self.create_network),
            (2, self.remove_network),
            (5, self.connect),
            (4, self.disconnect),
            (6, self.run),
            (2, self.restart),
            (3, self.remove_container),
            (3, self.execute),
            (2, self.create_volume),
            (2, self.remove_volume),
            (1, self.prune),
            (1, self.compose),
        ]

    def __call__(self) -> None:
        try:
            until_killed([(weight, self._counted(action)) for weight, action in self._actions], self.random)
        finally:
            self.quota.reached.set()  # nobody is to wait for one who has failed

    def _counted(self, action: Callable[[], None]) -> Callable[[], None]:
        def act() -> None:
            self.quota.begin()
            action()

        return act

    def _ask(self, method: str, path: str, body: object = None, **query: object) -> Answer:
        """Whatever several clients do at once, none of it is the daemon's fault."""
        answer = self.engine.request(method, path, body, query=query or None, version="v1.47")
        assert answer.status < 500 or b"already" in answer.body, (method, path, body, answer)
        return answer

    def _some(self, kind: str) -> str | None:
        with self.known.lock:
            names = sorted(self.known.there[kind])
        return self.random.choice(names) if names else None

    # -- networks ----------------------------------------------------------------------------------------------

    def create_network(self) -> None:
        if self.known.count("network") < MOST["network"]:
            self._make_network(f"n{next(_numbers)}")

    def _make_network(self, name: str) -> None:
        body: dict[str, Any] = {"Name": name, "EnableIPv6": self.random.random() < 0.3}
        body["Internal"] = self.random.random() < 0.2
        if self.random.random() < 0.3:
            body["Options"] = {"com.docker.network.bridge.enable_icc": "false"}
        self._make("network", name, body)

    def _make(self, kind: str, name: str, body: object) -> bool:
        prunes = self.known.prunes[kind]
        query = {"name": name} if kind == "container" else {}
        done = self._ask("POST", f"/{kind}s/create", body, **query).status == 201
        if done:
            self.known.made(kind, name, prunes)
        return done

    def remove_network(self) -> None:
        if name := self._some("network"):
            self._remove("network", name, f"/networks/{name}")

    def _remove(self, kind: str, name: str, path: str, **query: object) -> None:
        prunes = self.known.prunes[kind]
        if self.known.claim(kind, name):
            status = self._ask("DELETE", path, **query).status
            if status == 204 and kind != "volume":  # a container that wants it makes it again
                self.known.gone.add(name)
            elif status not in (204, 404):
                self.known.made(kind, name, prunes)  # it is in use, and stays

    def connect(self) -> None:
        network, container = self._some("network"), self._some("container")
        if network and container:
            how = {"Aliases": [f"alias{self.random.randrange(4)}"]} if self.random.random() < 0.5 else {}
            self._member(network, container, "connect", {"EndpointConfig": how})

    def disconnect(self) -> None:
        network, container = self._some("network"), self._some("container")
        if network and container:
            self._member(network, container, "disconnect", {"Force": self.random.random() < 0.3})

    def _member(self, network: str, container: str, verb: str, body: dict[str, object]) -> None:
        """Which of two at the same time came last, nobody knows."""
        pair = container, network
        with self.known.lock:
            self.known.members.pop(pair, None)
            alone = self.known.begun[pair] == self.known.ended[pair]
            self.known.begun[pair] += 1
            turn = self.known.begun[pair]
        answer = self._ask("POST", f"/networks/{network}/{verb}", {"Container": container, **body})
        with self.known.lock:
            self.known.ended[pair] += 1
            alone = alone and self.known.begun[pair] == turn
            both = network in self.known.there["network"] and container in self.known.there["container"]
            if answer.status == 200 and both and alone:
                self.known.members[pair] = verb == "connect"

    # -- containers --------------------------------------------------------------------------------------------

    def run(self) -> None:
        if self.known.count("container") < MOST["container"]:
            network = self._some("network") if self.random.random() < 0.7 else None
            self._run(f"c{next(_numbers)}", network or "bridge", self._some("volume"))

    def _run(self, name: str, network: str, volume: str | None, *aliases: str) -> None:
        host: dict[str, Any] = {"NetworkMode": network, "Binds": [f"{volume}:/v"] if volume else []}
        body: dict[str, Any] = {"Image": BUSYBOX, "Cmd": ["sleep", "1000"], "HostConfig": host}
        if self.random.random() < 0.4:
            port = f"80/{self.random.choice(['tcp', 'udp'])}"
            host["PortBindings"], body["ExposedPorts"] = {port: [{"HostPort": ""}]}, {port: {}}
        if self.random.random() < 0.2:
            body["Volumes"] = {"/anonymous": {}}
        if aliases:
            body["NetworkingConfig"] = {"EndpointsConfig": {network: {"Aliases": list(aliases)}}}
        if self._make("container", name, body):
            self._ask("POST", f"/containers/{name}/start")

    def restart(self) -> None:
        if name := self._some("container"):
            self._ask("POST", f"/containers/{name}/{self.random.choice(['stop', 'restart', 'start'])}", t=0)

    def remove_container(self) -> None:
        if name := self._some("container"):
            self._remove("container", name, f"/containers/{name}", force=1, v=1)

    def execute(self) -> None:
        if name := self._some("container"):
            made = self._ask("POST", f"/containers/{name}/exec", {"Cmd": ["true"], "AttachStdout": True})
            if made.status == 201:
                self._ask("POST", f"/exec/{made.json['Id']}/start", {"Detach": False})

    # -- volumes, and several at once --------------------------------------------------------------------------

    def create_volume(self) -> None:
        if self.known.count("volume") < MOST["volume"]:
            self._make_volume(f"v{next(_numbers)}")

    def _make_volume(self, name: str) -> None:
        self._make("volume", name, {"Name": name})

    def remove_volume(self) -> None:
        if name := self._some("volume"):
            self._remove("volume", name, f"/volumes/{name}")

    def prune(self) -> None:
        """What a prune takes is in doubt until it has answered."""
        kind = self.random.choice(list(MOST))
        with self.known.lock:
            if self.known.prunes[kind] % 2:
                return
            self.known.prunes[kind] += 1
            doubtful = set(self.known.there[kind])
        for name in doubtful:
            self.known.claim(kind, name)
        filters = {"filters": {"all": {"true": True}}} if kind == "volume" else {}
        self._ask("POST", f"/{kind}s/prune", **filters)
        self.known.prunes[kind] += 1

    def compose(self) -> None:
        """What compose does: a network and a volume of a project's own, two services, and all of it taken down."""
        project = f"p{next(_numbers)}"
        network, volume, services = f"{project}_default", f"{project}_data", (f"{project}-db", f"{project}-web")
        self._make_network(network)
        self._make_volume(volume)
        for service in services:
            self._run(service, network, volume, service.partition("-")[2])
        for service in services:
            self._remove("container", service, f"/containers/{service}", force=1, v=1)
        self._remove("network", network, f"/networks/{network}")
        self._remove("volume", volume, f"/volumes/{volume}")


# -- what must hold ----------------------------------------------------------------------------------------------


def check(engine: Endpoint, known: Known) -> None:
    """Nobody is at work now. What is there and was never acknowledged is taken in: it must be as whole as the rest."""
    networks = {n["Name"]: n for n in (engine.get(f"/networks/{m['Id']}").json for m in engine.get("/networks").json)}
    volumes = {volume["Name"] for volume in engine.get("/volumes").json["Volumes"] or ()}
    listed = engine.get("/containers/json", query={"all": 1}).json
    containers = {one["Names"][0].removeprefix("/"): engine.inspect(one["Id"]) for one in listed}
    for counted in (known.prunes, known.begun, known.ended):
        counted.clear()
    found = {"network": set(networks) - {"bridge", "host", "none"}, "volume": volumes, "container": set(containers)}
    for kind, names in found.items():
        lost, back = known.there[kind] - names, known.gone & names
        assert not lost, f"acknowledged, and gone: {kind} {lost}"
        assert not back, f"removed, and back: {kind} {back}"
        known.there[kind] = {name for name in names if len(name) < 64}  # anonymous volumes go with their containers
    for (container, network), member in known.members.items():
        assert (network in _places(containers[container])) == member, (container, network, member)
    running = {name: one for name, one in containers.items() if one["State"]["Status"] == "running"}
    _check_records(networks, running)
    _check_volumes(containers, volumes)
    for container in running.values():
        _check_inside(networks, container)


def _places(container: Any) -> dict[str, Any]:
    return dict(container["NetworkSettings"]["Networks"])


def _check_records(networks: dict[str, Any], running: dict[str, Any]) -> None:
    """Both sides tell the same of every endpoint, and no address is told twice."""
    theirs = {
        (network["Name"], identity, end["EndpointID"], end["MacAddress"], end["IPv4Address"], end["IPv6Address"])
        for network in networks.values()
        for identity, end in network["Containers"].items()
    }
    ours = {
        (network, one["Id"], end["EndpointID"], end["MacAddress"], _wide(end, ""), _wide(end, "6"))
        for one in running.values()
        for network, end in _places(one).items()
    }
    assert theirs == ours, f"only in networks: {theirs - ours}; only in containers: {ours - theirs}"
    given = [(place[0], address) for place in theirs for address in place[4:] if address]
    given += [
        (network["Name"], f"{pool['Gateway']}/{ip_network(pool['Subnet']).prefixlen}")
        for network in networks.values()
        for pool in network["IPAM"]["Config"] or ()
    ]
    twice = [address for address, times in Counter(given).items() if times > 1]
    assert not twice, f"given twice: {twice}"


def _wide(end: Any, family: str) -> str:
    """An endpoint's address as networks tell it: with its prefix length."""
    if family:
        return f"{end['GlobalIPv6Address']}/{end['GlobalIPv6PrefixLen']}" if end["GlobalIPv6Address"] else ""
    return f"{end['IPAddress']}/{end['IPPrefixLen']}" if end["IPAddress"] else ""


def _check_volumes(containers: dict[str, Any], volumes: set[str]) -> None:
    wanted = {mount["Name"] for one in containers.values() for mount in one["Mounts"] if mount["Type"] == "volume"}
    assert wanted <= volumes, f"in use, and gone: {wanted - volumes}"


def _check_inside(networks: dict[str, Any], container: Any) -> None:
    """A container has the addresses that it is told to have, and its networks' gateways answer it."""
    gateways = []
    for name, end in _places(container).items():
        inside = networks[name]["Internal"]
        for address, told in ((end["IPAddress"], end["Gateway"]), (end["GlobalIPv6Address"], end["IPv6Gateway"])):
            if address:
                own = _gateway_beside(networks[name], address)
                assert told == ("" if inside else own), (container["Name"], name, told, own)
                gateways.append((address, own))
    namespace = f"/proc/{container['State']['Pid']}/ns/net"
    within(namespace, lambda: [_answers(*pair) for pair in gateways])


def _gateway_beside(network: Any, address: str) -> str:
    pools = network["IPAM"]["Config"]
    return str(next(p["Gateway"] for p in pools if ip_interface(address).ip in ip_network(p["Subnet"])))


def _answers(address: str, gateway: str) -> None:
    """Bound to the container's own address, so it must be there; refused by the gateway, so that is reached."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as caller:
        caller.settimeout(5)
        try:
            caller.bind((address, 0))
            caller.connect((gateway, CLOSED))
        except ConnectionRefusedError:
            return
        except OSError as error:
            raise AssertionError(f"{gateway} from {address}: {error}") from error
