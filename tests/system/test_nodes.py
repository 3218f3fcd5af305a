"""Several nodes: on this machine by `corral up --nodes`, and a machine that joins by token."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from corral.cluster.kubelet.worker.leaving import BARRIER
from tests.support.endpoint import BUSYBOX
from tests.support.instance import SETTINGS, Instance
from tests.support.machines import Machine, far_machine, machine
from tests.support.ports import free_port
from tests.support.wait import eventually
from tests.system.test_kubernetes import Admin

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

Object = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
LABELS = {"app": "web"}
SERVE = (
    "mkdir /www; hostname >/www/index.html; head -c 300000 /dev/zero >/www/big; echo serving; "
    "exec httpd -f -p 8080 -h /www"
)
SILENCE = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")


GRACE = "--kubernetes-node-grace=10"  # no node of a busy machine is taken for lost
ENOUGH = 120  # requests that one of six pods hears none of: once in 10^9 times


def flags(subnet: str) -> list[str]:
    """Short times, and addresses that no other instance here has."""
    return ["--kubernetes=true", GRACE, f"--kubernetes-service-subnet={subnet}"]


class Fleet:
    """An instance with three nodes, and short words for what is asked of it."""

    def __init__(self, engine: Instance) -> None:
        self.engine, self.admin = engine, Admin(engine)

    def with_nodes(self, count: int) -> Self:
        """Itself, once so many nodes are ready: an instance is up before the last of them has registered."""

        def there() -> bool:
            found = self.nodes()
            return len(found) == count and set(found.values()) == {"True"}

        eventually(there, lambda: f"{count} nodes are ready: {self.nodes()}", seconds=40)
        return self

    def nodes(self) -> dict[str, str]:
        """The status of each node's condition Ready."""
        found = {}
        for node in self.admin.ask("GET", "/api/v1/nodes")["items"]:
            ready = [one for one in node["status"].get("conditions", ()) if one["type"] == "Ready"]
            found[node["metadata"]["name"]] = ready[0]["status"] if ready else ""
        return found

    def names(self) -> list[str]:
        """Of the first node, the second, the third."""
        return sorted(self.nodes(), key=lambda name: (len(name), name))

    def pods(self, app: str = "web") -> list[Object]:
        found: list[Object] = self.admin.ask("GET", f"{PODS}?labelSelector=app%3D{app}")["items"]
        return found

    def serving(self) -> list[Object]:
        return [pod for pod in self.pods() if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]

    def deploy(self, replicas: int) -> str:
        """Six pods that say their names, over all nodes; the address of their Service."""
        tolerations = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0} for key in SILENCE
        ]
        probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1, "timeoutSeconds": 20}  # as when all wait
        container = {"name": "c", "image": BUSYBOX, "command": ["/bin/sh", "-c", SERVE], "readinessProbe": probe}
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        spec = {
            "containers": [{**container, "imagePullPolicy": "IfNotPresent"}],
            "tolerations": tolerations,
            "terminationGracePeriodSeconds": 0,
            "topologySpreadConstraints": [
                {**spread, "labelSelector": {"matchLabels": LABELS}, "nodeTaintsPolicy": "Honor"}
            ],
        }
        template = {"metadata": {"labels": LABELS}, "spec": spec}
        deployment = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template}
        service = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]}
        apps = "/apis/apps/v1/namespaces/default/deployments"
        self.admin.ask("POST", apps, {"metadata": {"name": "web"}, "spec": deployment})
        made = self.admin.ask(
            "POST", "/api/v1/namespaces/default/services", {"metadata": {"name": "web"}, "spec": service}
        )
        self.await_serving(replicas)
        return str(made["spec"]["clusterIP"])

    def await_serving(self, count: int, without: str = "") -> None:
        def there() -> bool:
            found = self.serving()
            return len(found) == count and without not in {pod["spec"]["nodeName"] for pod in found}

        eventually(there, lambda: str([brief(pod) for pod in self.pods()]), seconds=40)

    def answers_to_pod(self, node: str, url: str, times: int, *, after: Iterable[str] = ()) -> set[str]:
        """What a pod on the node hears that asks so often.

        It counts from when it has heard all of `after`, and nobody else: what the API says of pods is known to the
        proxies of other nodes a little later.
        """
        wanted = "\n".join(sorted(after))
        ask = f"(i=0; while [ $i -lt {times} ]; do wget -q -O - {url} || echo none; i=$((i+1)); done) | sort -u"
        more = f'[ $n -lt 20 ] && [ "$( {ask})" != "{wanted}" ]'
        first = f"n=0; while {more}; do n=$((n+1)); sleep 1; done; " if wanted else ""
        command = ["/bin/sh", "-c", f"{first}{ask} >/dev/termination-log"]
        container = {"name": "c", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": command}
        name = f"ask-{node}"
        spec = {"containers": [container], "nodeName": node, "restartPolicy": "Never"}
        self.admin.ask("POST", PODS, {"metadata": {"name": name}, "spec": spec})

        def ended() -> Object | None:
            status: Object = self.admin.ask("GET", f"{PODS}/{name}")["status"]
            return status if status.get("phase") == "Succeeded" else None

        status = eventually(ended, f"{name} has ended", seconds=90)
        assert status is not None
        self.admin.ask("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})
        return set(status["containerStatuses"][0]["state"]["terminated"]["message"].split())

    def untainted(self, node: str) -> bool:
        found = self.admin.ask("GET", f"/api/v1/nodes/{node}")
        return not found["spec"].get("taints") and self.nodes()[node] == "True"

    def cordon(self, node: str, unschedulable: bool) -> None:
        found = self.admin.ask("GET", f"/api/v1/nodes/{node}")
        self.admin.ask(
            "PUT", f"/api/v1/nodes/{node}", {**found, "spec": {**found["spec"], "unschedulable": unschedulable}}
        )

    def evict(self, node: str) -> None:
        """What `kubectl drain` does after it has cordoned the node."""
        for pod in self.serving():
            if pod["spec"]["nodeName"] == node:
                name = pod["metadata"]["name"]
                eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
                self.admin.ask("POST", f"{PODS}/{name}/eviction", eviction)


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def brief(pod: Object) -> tuple[str, str, str]:
    return pod["metadata"]["name"], pod["spec"].get("nodeName", ""), pod["status"].get("phase", "")


def kill(pid: int) -> None:
    """SIGKILL, and wait until it is gone."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 30)
    finally:
        os.close(handle)


def quick(engine: Instance) -> None:
    """Settings for an instance that is not made by `instance()`."""
    engine.root.mkdir(exist_ok=True)
    (engine.root / "config.toml").write_text(SETTINGS)


@contextmanager
def clean(engine: Instance) -> Iterator[Instance]:
    """Up, and at the end down to the last file."""
    quick(engine)
    parts = [Instance(engine.root / "nodes" / str(number)) for number in (2, 3)]
    before = [(one, one.footprint()) for one in (engine, *parts)]
    engine.up()
    try:
        yield engine
    finally:
        engine.down(everything=True)
    for one, footprint in before:
        one.assert_clean(footprint)


@contextmanager
def three_nodes(root: Path, subnet: str, *more: str) -> Iterator[Fleet]:
    """On this machine, with the image that fleets here need."""
    address = f"--kubernetes-address=127.0.0.1:{free_port()}"
    with clean(Instance(root, *flags(subnet), *more, "--nodes=3", address)) as engine:
        engine.import_image()
        yield Fleet(engine).with_nodes(3)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with three_nodes(tmp_path / "i", "10.113.0.0/16") as found:
        yield found


def test_a_fleet_over_three_nodes_outlives_the_loss_of_one(fleet: Fleet) -> None:
    first, second, third = fleet.names()
    address = fleet.deploy(6)  # the image is on the first node only: the others borrow it
    everybody = {pod["metadata"]["name"] for pod in fleet.serving()}
    assert {pod["spec"]["nodeName"] for pod in fleet.serving()} == {first, second, third}

    def ask() -> str:
        with urllib.request.urlopen(f"http://{address}/", timeout=30) as answer:
            return str(answer.read().decode().strip())

    def host_hears(names: set[str]) -> None:
        hears = lambda: {ask() for _ in range(ENOUGH)} == names  # noqa: E731
        eventually(hears, lambda: f"{address} leads to {names}", seconds=30)  # its proxy has heard of them
        assert {ask() for _ in range(ENOUGH)} == names

    host_hears(everybody)
    for node in (first, third):
        heard = fleet.answers_to_pod(node, "http://web.default.svc.cluster.local", ENOUGH, after=everybody)
        assert heard == everybody

    fleet.cordon(third, True)
    fleet.evict(third)
    fleet.await_serving(6, without=third)
    fleet.cordon(third, False)

    lost = Instance(fleet.engine.root / "nodes" / "2")
    silent = lost.pid
    os.kill(silent, signal.SIGSTOP)  # one that is killed is back before anybody misses it
    try:
        eventually(lambda: fleet.nodes()[second] == "Unknown", "the node is missed", seconds=40)
        fleet.await_serving(6, without=second)
        host_hears({pod["metadata"]["name"] for pod in fleet.serving()})
    finally:
        kill(silent)

    eventually(lambda: fleet.nodes()[second] == "True", "the node is back", seconds=60)
    eventually(lambda: len(fleet.pods()) == 6, lambda: str([brief(pod) for pod in fleet.pods()]), seconds=60)


def test_a_pod_ends_when_no_node_leads_to_it_any_more(fleet: Fleet) -> None:
    """The daemon of one node stands still, and with it the proxy: the others wait for it, but not for ever."""
    first, second, third = fleet.names()
    assert fleet.admin.raw(f"/api/v1/nodes/{second}/proxy/gone/10.9.9.9/some-uid") == b"ok"
    # Ready when it would end at once.
    command = ["/bin/sh", "-c", "trap 'exit 0' TERM; touch /up; sleep 1000 & wait"]
    probe = {"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 1, "timeoutSeconds": 20}
    container = {"name": "c", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent", "command": command}
    for node in (first, third):
        spec = {"containers": [{**container, "readinessProbe": probe}], "nodeName": node}
        labels = {"app": "web", "node": node}
        made = {"metadata": {"name": f"on-{node}", "labels": labels}, "spec": spec}
        fleet.admin.ask("POST", PODS, made)
    fleet.await_serving(2)

    ended: dict[str, float] = {}

    def look() -> bool:
        there = {pod["metadata"]["name"] for pod in fleet.pods()}
        for node in {first, third} - ended.keys():
            if f"on-{node}" not in there:
                ended[node] = time.monotonic()
        return len(ended) == 2

    late = Instance(fleet.engine.root / "nodes" / "2").pid
    os.kill(late, signal.SIGSTOP)
    try:  # both at once: nobody waits for a node that has been missed
        begun = time.monotonic()
        for node in (first, third):
            fleet.admin.ask("DELETE", f"{PODS}/on-{node}")
        eventually(look, lambda: f"gone: {ended}", seconds=25)  # less than their grace
    finally:
        os.kill(late, signal.SIGCONT)
    assert min(ended.values()) - begun > BARRIER


def test_nodes_outlive_the_first_daemon_and_go_on_with_the_next(fleet: Fleet) -> None:
    address = fleet.deploy(3)
    pids = [Instance(fleet.engine.root / "nodes" / str(number)).pid for number in (2, 3)]
    serving = {pod["metadata"]["name"] for pod in fleet.serving()}

    def answers() -> bool:
        with urllib.request.urlopen(f"http://{address}/", timeout=30) as answer:
            return bool(answer.status == 200)

    eventually(answers, "the service is known to the proxy")
    fleet.engine.kill_daemon()
    assert answers()
    fleet.engine.up()
    assert [Instance(fleet.engine.root / "nodes" / str(number)).pid for number in (2, 3)] == pids
    eventually(lambda: set(fleet.nodes().values()) == {"True"}, lambda: str(fleet.nodes()), seconds=30)
    eventually(lambda: {pod["metadata"]["name"] for pod in fleet.serving()} == serving, lambda: str(fleet.pods()))


def test_the_next_daemon_listens_where_the_last_did_or_fetches_its_nodes(tmp_path: Path) -> None:
    """No address is given, and the usual port is taken: by a test, or by whoever else is on this machine."""
    with usual_port_taken(), clean(Instance(tmp_path / "i", *flags("10.123.0.0/16"), "--nodes=2")) as engine:
        second = Instance(engine.root / "nodes" / "2")
        before, pid = Admin(engine).server, second.pid
        engine.kill_daemon()
        engine.up()
        assert (Admin(engine).server, second.pid) == (before, pid)
        engine.kill_daemon()
        with socket.create_server(("", int(before.rpartition(":")[2]))):
            engine.up()
        fleet = Fleet(engine)
        assert fleet.admin.server != before and second.pid != pid
        eventually(lambda: set(fleet.nodes().values()) == {"True"}, lambda: str(fleet.nodes()), seconds=30)


def test_a_node_whose_own_interface_was_set_down_and_up_goes_out_again(tmp_path: Path) -> None:
    """The kernel takes its routes along, and gives none back: its pods reached nobody outside for ever."""
    address = f"--kubernetes-address=127.0.0.1:{free_port()}"
    with clean(Instance(tmp_path / "i", *flags("10.124.0.0/16"), "--nodes=2", address)) as engine:
        fleet = Fleet(engine).with_nodes(2)
        netns = json.loads(Path(engine.root, "nodes", "2", "node", "join.json").read_text())["netns"]

        def ip(*words: str) -> str:
            return subprocess.run(["nsenter", f"--net={netns}", "ip", *words], capture_output=True, text=True).stdout

        before = ip("route", "show", "default")
        assert before.startswith("default via ")
        for _ in range(2):
            ip("link", "set", "eth0", "down")
            assert ip("route", "show", "default") == ""
            ip("link", "set", "eth0", "up")
            eventually(lambda: ip("route", "show", "default") == before, "the default route is there", seconds=20)
        fleet.with_nodes(2)


@contextmanager
def usual_port_taken() -> Iterator[None]:
    try:
        server = socket.create_server(("127.0.0.1", 6443))
    except OSError:
        yield
        return
    with server:
        yield


def inside(entrance: str, engine: Instance, *words: str) -> subprocess.CompletedProcess[str]:
    from tests.support.instance import corral_command

    command = ["nsenter", entrance, *corral_command(), "--root", str(engine.root), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_machine_joins_by_token(tmp_path: Path) -> None:
    with machine() as there:
        host, entrance, port = there.host, there.entrance, free_port()
        given = (f"--kubernetes-address=0.0.0.0:{port}", f"--kubernetes-node-address={host}")
        first, other = Instance(tmp_path / "i", *flags(there.services)), Instance(tmp_path / "o")
        quick(other)
        with clean(first):
            first.restart_daemon(*given)  # until now nobody elsewhere could join
            stranger = ("--token=abcdef.0123456789abcdef", "--name=other")
            early = inside(entrance, other, "join", f"https://{host}:{port}", "--ca-hash=sha256:00", *stranger)
            assert early.returncode == 1 and "lets no machine join yet: `corral token create`" in early.stderr, early
            nameless = first.corral("token", "create", f"--url=https://192.0.2.9:{port}")
            assert nameless.returncode == 1 and "corral up --kubernetes-name 192.0.2.9" in nameless.stderr, nameless
            words = first.corral("token", "create", f"--url=https://{host}:{port}", check=True).stdout.split()
            assert words[:3] == ["corral", "join", f"https://{host}:{port}"]
            unknown = inside(entrance, Instance(tmp_path / "u"), *words[1:3], *words[-2:], *stranger)
            assert unknown.returncode == 1 and "does not take the token abcdef: it has expired" in unknown.stderr
            wrong = inside(entrance, other, *words[1:-1], "sha256:00", "--name=other")
            assert wrong.returncode == 1 and "is another cluster" in wrong.stderr, wrong
            misnamed = inside(entrance, other, *words[1:], "--name=Other_1")
            assert misnamed.returncode == 1 and "name 'Other_1': a lowercase RFC 1123" in misnamed.stderr, misnamed
            fleet = Fleet(first).with_nodes(1)
            taken = inside(entrance, other, *words[1:], f"--name={fleet.names()[0]}")
            assert taken.returncode == 1 and "already exists in the cluster" in taken.stderr, taken
            try:
                done = inside(entrance, other, *words[1:], "--name=other", GRACE)
                assert done.returncode == 0, (done, other.log[-2000:])
                assert "other" in fleet.with_nodes(2).names()
                first.import_image()
                other.import_image()
                fleet.deploy(2)
                everybody = {pod["metadata"]["name"] for pod in fleet.serving()}
                for node in fleet.names():
                    assert fleet.answers_to_pod(node, "http://web", 20, after=everybody) == everybody
                requests = fleet.admin.ask("GET", "/apis/certificates.k8s.io/v1/certificatesigningrequests")["items"]
                clients = [one["spec"] for one in requests if "apiserver-client" in one["spec"]["signerName"]]
                assert [one["username"].startswith("system:bootstrap:") for one in clients] == [True]
            finally:
                assert inside(entrance, other, "down", "--all").returncode == 0
        assert other.leftovers() == []


@contextmanager
def joined(tmp_path: Path, there: Machine) -> Iterator[tuple[Instance, Instance]]:
    """A server here, and on the other machine a node of it, "other", until the end."""
    host, entrance, port = there.host, there.entrance, free_port()
    given = (f"--kubernetes-address=0.0.0.0:{port}", f"--kubernetes-node-address={host}")
    first, other = Instance(tmp_path / "i", *flags(there.services), *given), Instance(tmp_path / "o")
    quick(other)
    with clean(first):
        words = first.corral("token", "create", f"--url=https://{host}:{port}", check=True).stdout.split()
        try:
            done = inside(entrance, other, *words[1:], "--name=other", GRACE)
            assert done.returncode == 0, (done, other.log[-2000:])
            yield first, other
        finally:
            assert inside(entrance, other, "down", "--all").returncode == 0


def test_a_machine_without_a_way_out_reaches_services(tmp_path: Path) -> None:
    with machine() as there:

        def ip(*words: str) -> str:
            return subprocess.run(["ip", "-n", there.name, *words], check=True, capture_output=True, text=True).stdout

        def way() -> str:
            return ip("route", "show", there.services)

        ip("route", "del", "default")
        service = there.services.replace("0/24", "1")
        call = f"import socket; socket.create_connection(('{service}', 443), 5)"
        called = ["nsenter", there.entrance, sys.executable, "-c", call]
        with joined(tmp_path, there) as (first, other):
            reaches = lambda: subprocess.run(called, capture_output=True).returncode == 0  # noqa: E731
            eventually(reaches, lambda: f"{way()} {other.log[-2000:]}", seconds=30)
            ip("route", "del", there.services)  # as whoever sets up the machine's network anew does
            eventually(way, "the way is there again", seconds=20)
            eventually(reaches, "so are Services", seconds=20)
            assert inside(there.entrance, other, "down").returncode == 0
            ip("route", "del", there.services)
            first.down()  # where nobody says which the Services are, the node knows
            done = inside(there.entrance, other, "node", "--detach", GRACE)
            assert done.returncode == 0, (done, other.log[-2000:])
            eventually(way, "the way is there again", seconds=20)
            first.up()
        assert way() == ""
        assert other.leftovers() == []


def test_a_node_starts_its_static_pods_without_its_server(tmp_path: Path) -> None:
    with machine() as there:
        with joined(tmp_path, there) as (first, other):
            other.import_image()
            assert inside(there.entrance, other, "down").returncode == 0
            server = inside(there.entrance, other, "up", "--detach")
            assert server.returncode == 1 and "this machine has joined a cluster" in server.stderr, server
            first.down()
            container = {"name": "c", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["sleep", "600"]}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}}
            pod["spec"] = {"containers": [container], "terminationGracePeriodSeconds": 0}
            (other.root / "manifests").mkdir(exist_ok=True)
            (other.root / "manifests" / "alone.yaml").write_text(json.dumps(pod))
            done = inside(there.entrance, other, "node", "--detach", GRACE)
            assert done.returncode == 0, (done, other.log[-2000:])
            own = "io.kubernetes.pod.name=alone-other"

            def running() -> list[Object]:
                found = other.get("/containers/json", query={"filters": json.dumps({"label": [own]})}).json
                assert isinstance(found, list), found
                return found

            [before] = eventually(running, lambda: other.log[-2000:], seconds=20)
            first.up()
            fleet = Fleet(first)
            eventually(lambda: fleet.nodes()["other"] == "True", lambda: str(fleet.nodes()), seconds=40)
            path = f"{PODS}/alone-other"
            eventually(lambda: is_ready(fleet.admin.ask("GET", path)), "its mirror is there", seconds=30)
            assert [one["Id"] for one in running()] == [before["Id"]]
        assert other.leftovers() == []


def links(*kind: str) -> list[str]:
    """The names of this host's tunnels."""
    done = subprocess.run(["ip", "-o", "link", "show", "type", "vxlan"], capture_output=True, text=True, check=True)
    return [line.split()[1].rstrip(":@") for line in done.stdout.splitlines()]


def test_pods_of_machines_without_a_common_network_meet_in_a_tunnel(tmp_path: Path) -> None:
    before = set(links())
    with far_machine() as there:
        host, entrance, port = there.host, there.entrance, free_port()
        given = (f"--kubernetes-address=0.0.0.0:{port}", f"--kubernetes-node-address={host}")
        both = (*flags(there.services), "--kubernetes-service-subnet=fd00:10:115::/112")
        first, other = Instance(tmp_path / "i", *both, *given), Instance(tmp_path / "o")
        quick(other)
        with clean(first):
            fleet = Fleet(first).with_nodes(1)
            assert set(links()) == before  # one node needs none
            words = first.corral("token", "create", f"--url=https://{host}:{port}", check=True).stdout.split()
            try:
                done = inside(entrance, other, *words[1:], "--name=far", GRACE)
                assert done.returncode == 0, (done, other.log[-2000:])
                first.import_image()
                other.import_image()
                eventually(lambda: fleet.untainted("far"), "it may have pods", seconds=60)
                fleet.deploy(2)
                assert {pod["spec"]["nodeName"] for pod in fleet.serving()} == set(fleet.names())
                everybody = {pod["metadata"]["name"] for pod in fleet.serving()}
                for node in fleet.names():
                    assert fleet.answers_to_pod(node, "http://web", 20, after=everybody) == everybody
                assert len(set(links()) - before) == 1
                for pod in fleet.serving():  # more than one packet, and from the host
                    name, addresses = pod["metadata"]["name"], [one["ip"] for one in pod["status"]["podIPs"]]
                    for one, host in ((addresses[0], addresses[0]), (addresses[1], f"[{addresses[1]}]")):
                        with urllib.request.urlopen(f"http://{host}:8080/big", timeout=60) as answer:
                            assert len(answer.read()) == 300000
                        for node in fleet.names():
                            assert fleet.answers_to_pod(node, f"http://{host}:8080", 3) == {name}, (node, one)
                    assert fleet.admin.raw(f"{PODS}/{name}/log?tailLines=1").strip() == b"serving"
            finally:
                assert inside(entrance, other, "down", "--all").returncode == 0
            fleet.admin.ask("DELETE", "/api/v1/nodes/far")
            eventually(lambda: set(links()) == before, "the tunnel goes with the last node that needs it", seconds=60)
        assert other.leftovers() == []
        shown = subprocess.run(["ip", "-n", there.name, "link"], capture_output=True, text=True, check=True).stdout
        assert "vxlan" not in shown and "\n3:" not in shown, shown
