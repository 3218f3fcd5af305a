"""The daemon with its cluster in an etcd that asks for everything: TLS, the client's certificate, user and password."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.daemon.cluster_network import plan_table
from tests.support import certificates
from tests.support.etcd import EtcdServer
from tests.support.fleet import KUBECTL
from tests.support.instance import Instance
from tests.support.ports import free_port
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.peers, pytest.mark.timeout(180)]


class Secured:
    """An etcd, and the words with which `corral up` is let in."""

    def __init__(self, folder: Path) -> None:
        self.server, self.client = certificates.make(folder / "tls"), certificates.make(folder / "tls", "client")
        self.password = folder / "password"
        self.password.write_text("secret\n")
        self.etcd = EtcdServer(folder, self.server, self.client[0])

    def words(self, **changed: str) -> list[str]:
        away = f"127.0.0.1:{free_port()}"  # a member that is down just now
        found = {"store": f"etcd://{away},{self.etcd.endpoint}/blue", "store-tlscacert": str(self.server[0]),
            "store-tlscert": str(self.client[0]), "store-tlskey": str(self.client[1]), "store-user": "corral",
            "store-password": str(self.password)}  # fmt: skip
        found |= {key.replace("_", "-"): value for key, value in changed.items()}
        return [f"--{key}={value}" for key, value in found.items()]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    made = Secured(tmp_path)
    with made.etcd as etcd:
        identity = (made.server[0].read_bytes(), made.client[1].read_bytes(), made.client[0].read_bytes())
        asyncio.run(etcd.require_login("corral", "secret", "/blue/", identity))
        yield made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Instance]:
    made = Instance(tmp_path / "i", "--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}")
    try:
        yield made
    finally:
        made.down(everything=True)
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert plan_table(str(made.root)) not in tables, "the proxy's rules go, wherever the objects are"


def kubectl(engine: Instance, *words: str) -> str:
    config = ["--kubeconfig", str(engine.root / "run/kubeconfig")]
    done = subprocess.run([str(KUBECTL()), *config, *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_a_cluster_lives_in_an_etcd_that_asks_who_comes(secured: Secured, engine: Instance) -> None:
    engine.up(*secured.words())
    kubectl(engine, "create", "configmap", "kept", "--from-literal=a=1")
    engine.down()
    secured.etcd.kill()
    secured.etcd.start()
    engine.up(*secured.words())
    assert kubectl(engine, "get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "1"
    secured.etcd.kill()  # under a daemon that runs: its token is none any more
    secured.etcd.start()
    # A write over a connection that breaks may have been made, so it is not made again: the one who asks is told.
    marks = itertools.count()
    mark = ("annotate", "--overwrite", "configmap", "kept")
    eventually(lambda: kubectl(engine, *mark, f"n={next(marks)}"), "etcd is written to again", seconds=30, step=0.5)
    kubectl(engine, "create", "configmap", "later", "--from-literal=a=2")
    assert kubectl(engine, "get", "configmap", "later", "-o", "jsonpath={.data.a}") == "2"
    # Who works in the daemon has outlived it, too: controllers, scheduler, kubelet.
    kubectl(engine, "create", "deployment", "web", "--image=nothing/here")
    placed = ("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[*].status.containerStatuses[*].name}")
    eventually(lambda: kubectl(engine, *placed) == "here", "a pod of the deployment is tried", seconds=30, step=0.5)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"store_user": "nobody"}, "authentication failed"),
        ({"store_tlscert": "", "store_tlskey": ""}, "cannot be reached"),
        ({"store_password": "/nowhere"}, "store-password: read /nowhere"),
    ],
)
def test_who_is_not_let_in_is_told_why(secured: Secured, engine: Instance, changed: dict[str, str], text: str) -> None:
    done = engine.corral("up", "--detach", *engine.flags, *secured.words(**changed))
    assert done.returncode != 0 and text in done.stderr + engine.log, done.stderr


def test_servers_over_one_etcd_have_one_range_of_services(secured: Secured, engine: Instance, tmp_path: Path) -> None:
    """Else the second one's pods would ask a name server of another family, which is nowhere."""
    four, six = "10.126.0.0/16", "fd00:10:126::/112"
    subnet = "--kubernetes-service-subnet"
    engine.up(*secured.words(), f"{subnet}={four}")
    engine.down(everything=True)
    other = Instance(tmp_path / "o", "--kubernetes=true", f"--kubernetes-address=127.0.0.1:{free_port()}")

    def cidrs() -> str:
        return kubectl(other, "get", "servicecidr", "kubernetes", "-o", "jsonpath={.spec.cidrs}")

    def name_server() -> str:
        return kubectl(other, "-n", "kube-system", "get", "service", "kube-dns", "-o", "jsonpath={.spec.clusterIP}")

    try:
        for asked in ((), (f"{subnet}={six}",)):
            other.up(*secured.words(), *asked)
            assert (f"the default ServiceCIDR [{four}] does not match, and stays" in other.log) == bool(asked)
            assert cidrs() == f'["{four}"]'
            eventually(lambda: name_server() == "10.126.0.10", "the name server's Service is there", seconds=20)
            assert "services kube-dns:" not in other.log, "it could not be kept"
            other.down()
        other.up(*secured.words(), f"{subnet}={four}", f"{subnet}={six}")
        assert cidrs() == f'["{four}","{six}"]', "a second family may come"
    finally:
        other.down(everything=True)
