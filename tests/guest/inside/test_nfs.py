"""Inside the guest: volumes on a real NFS server, which is this machine's own. Other kernels may have no NFS at all."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corral.cluster.client.protocol import Collection
from corral.linux.mounts import mount_points
from tests.guest.inside.service import run, show, systemctl
from tests.support.endpoint import LONG, Answer, Endpoint
from tests.support.kubelet import Node, container, open_node
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.in_guest, pytest.mark.timeout(60)]

EXPORT = Path("/srv/nfs")
SERVER = "nas.example"
SETTINGS = "[nfsd]\nvers3=n\nthreads=2\nlease-time=10\ngrace-time=10\n"
CLAIMS = Collection("", "v1", "persistentvolumeclaims")
VOLUMES = Collection("", "v1", "persistentvolumes")


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    assert show("ActiveState", "nfs-server") == "inactive", "it would cost each boot seconds"
    EXPORT.mkdir(mode=0o755)
    for file, text in (
        ("/etc/nfs.conf.d/corral.conf", SETTINGS),
        ("/etc/exports.d/corral.exports", f"{EXPORT} 127.0.0.0/8(rw,no_root_squash,insecure,no_subtree_check)\n"),
    ):
        Path(file).parent.mkdir(exist_ok=True)
        Path(file).write_text(text)
    hosts = Path("/etc/hosts")
    before = hosts.read_text()
    hosts.write_text(f"{before}127.0.0.1 {SERVER}\n")
    systemctl("start", "nfs-server")
    yield
    systemctl("stop", "nfs-server")
    hosts.write_text(before)


@contextmanager
def away() -> Iterator[None]:
    """The server hears nobody, as when its cable is out."""
    rule = "table inet away { chain in { type filter hook input priority -300; tcp dport 2049 drop; }; }"
    subprocess.run(["nft", "-f", "-"], input=rule, text=True, check=True)
    try:
        yield
    finally:
        run("nft", "delete", "table", "inet", "away")


def _create(engine: Endpoint, name: str, device: str = f":{EXPORT}", o: str = f"addr={SERVER},rw,nfsvers=4") -> None:
    options = ("type=nfs", f"o={o}", f"device={device}")
    engine.docker("volume", "create", "--driver", "local", *(f"-o={one}" for one in options), name, check=True)


def _mounted(end: str) -> list[str]:
    return [point for point in mount_points(Path("/proc/self/mountinfo").read_text()) if point.endswith(end)]


def _using(name: str) -> dict[str, object]:
    return {"HostConfig": {"Binds": [f"{name}:/v"]}}


def test_it_is_mounted_while_somebody_uses_it(engine: Endpoint) -> None:
    _create(engine, "data")
    assert not _mounted("/data/_data")
    code, said = engine.result("sh", "-c", "grep ' /v ' /proc/mounts; echo one >/v/file", **_using("data"))
    assert code == 0 and said.startswith(f":{EXPORT} /v nfs4 rw,") and "addr=127.0.0.1" in said
    assert (EXPORT / "file").read_text() == "one\n"
    eventually(lambda: not _mounted("/data/_data"), "it is unmounted")
    writer, reader = (engine.run("sleep", "1000", **_using("data")) for _ in range(2))
    assert len(_mounted("/data/_data")) == 1
    assert engine.execute(writer, "sh", "-c", "echo two >>/v/file")[0] == 0
    assert engine.execute(reader, "cat", "/v/file") == (0, "one\ntwo\n")
    engine.remove(writer)
    assert engine.execute(reader, "cat", "/v/file") == (0, "one\ntwo\n"), "it stays for the other"
    assert len(_mounted("/data/_data")) == 1
    engine.remove(reader)
    eventually(lambda: not _mounted("/data/_data"), "it is unmounted after its last user")
    assert engine.delete("/volumes/data").status == 204
    assert (EXPORT / "file").read_text() == "one\ntwo\n", "the volume goes, the server's files stay"


@pytest.mark.parametrize(
    ("device", "more", "reason", "code"),
    [(f":{EXPORT}", ",port=4", "connection refused", 125), (":/srv/nothing", "", "no such file or directory", 127)],
)
def test_what_the_server_does_not_give(engine: Endpoint, device: str, more: str, reason: str, code: int) -> None:
    """The exit code is the client's, who reads the words."""
    _create(engine, "away", device, f"addr={SERVER},rw,nfsvers=4{more}")
    done = engine.docker("run", "--rm", "-v", "away:/v", "busybox", "true")
    place = engine.get("/volumes/away").json["Mountpoint"]
    failure = f"failed to mount local volume: mount {device}:{place}, data: addr=127.0.0.1,nfsvers=4{more}: {reason}"
    assert done.returncode == code and f"error while mounting volume '{place}': {failure}" in done.stderr
    assert not _mounted("/away/_data") and engine.get("/containers/json", query={"all": 1}).json == []
    assert engine.delete("/volumes/away").status == 204


def test_a_silent_server_holds_up_only_those_that_ask_it(engine: Endpoint) -> None:
    _create(engine, "slow", o=f"addr={SERVER},rw,nfsvers=4,noac")
    engine.run("sleep", "1000", **_using("slow"))
    second = engine.create("sleep", "1000", **_using("slow"))
    answers: list[Answer] = []
    start = threading.Thread(target=lambda: answers.append(engine.post(f"/containers/{second}/start")))
    with away():
        start.start()
        assert engine.result("echo", "alive") == (0, "alive\n"), "others run as ever"
        assert len(engine.get("/containers/json").json) == 1
        assert start.is_alive(), "it waits for the server"
    start.join(LONG)
    assert [answer.status for answer in answers] == [204]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with open_node() as made:
        yield made


async def _claim(node: Node, name: str, **spec: object) -> dict[str, object]:
    """A volume of the pod's, by a claim that is bound to a PersistentVolume on the server."""
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    nfs = {"server": SERVER, "path": str(EXPORT)}
    volume = {**common, "capacity": {"storage": "1Gi"}, "nfs": nfs, **spec}
    await node.client.create(VOLUMES, {"metadata": {"name": name}, "spec": volume})
    asked = {**common, "resources": {"requests": {"storage": "1Gi"}}, "volumeName": name}
    claim = await node.client.create(CLAIMS, {"metadata": {"name": name}, "spec": asked}, "default")
    await node.client.update(CLAIMS, {**claim, "status": {"phase": "Bound"}}, subresource="status")
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


async def test_pods(node: Node) -> None:
    inline = {"name": "inline", "nfs": {"server": SERVER, "path": str(EXPORT), "readOnly": True}}
    volumes = [await _claim(node, "claimed", mountOptions=["nfsvers=4.1"]), inline]
    mounts = [{"name": "claimed", "mountPath": "/c"}, {"name": "inline", "mountPath": "/i"}]
    await node.create("web", container(volumeMounts=mounts), volumes=volumes)
    await node.running("web")
    said = await node.ask("web", "sh", "-c", "echo pod >/c/of-pod; cat /i/of-pod; touch /i/x 2>&1; cat /proc/mounts")
    assert said.startswith("pod\ntouch: /i/x: Read-only file system\n") and "vers=4.1" in said
    assert len(_mounted("/nfs/claimed")) == len(_mounted("/nfs/inline")) == 1
    await node.delete("web")
    assert not _mounted("/nfs/claimed") and not _mounted("/nfs/inline")
    assert (EXPORT / "of-pod").read_text() == "pod\n"
    broken = await _claim(node, "broken", mountOptions=["port=4", "retry=0"])
    await node.create("late", container(volumeMounts=[{"name": "broken", "mountPath": "/b"}]), volumes=[broken])
    await node.told("late", "FailedMount", "mount.nfs: Connection refused")
    assert not _mounted("/nfs/broken")
