"""Volumes exported, imported and cloned by our own command; killed daemons; volumes with options and their users."""

from __future__ import annotations

import http.client
import io
import os
import socket
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.linux import mounts
from corral.volumes.copy import copy_tree
from tests.support.endpoint import Answer
from tests.support.instance import Instance
from tests.support.instance import instance as running_instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root]

FILL = (
    "cd /d && echo text > file && ln file same && ln -s file link && mkfifo pipe && mkdir -m 1777 deep && "
    "chown 5:6 deep file && chmod 4755 file && dd if=/dev/zero of=holes bs=1 count=1 seek=30000000 2>/dev/null && "
    "chown 7:8 . && chmod 700 ."
)


@pytest.fixture(scope="module")
def shared() -> Iterator[Instance]:
    with running_instance() as made:
        yield made


@pytest.fixture
def here(shared: Instance) -> Iterator[Instance]:
    yield shared
    shared.remove_everything()


def data(here: Instance, name: str) -> Path:
    return here.root / "volumes" / name / "_data"


def look(place: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in (place, *sorted(place.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        links = status.st_nlink if not path.is_dir() else 0
        about = (status.st_mode, status.st_uid, status.st_gid, links, int(status.st_mtime), hash(content))
        xattrs = {
            key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
        }
        found[str(path.relative_to(place))] = (*about, xattrs, os.readlink(path) if path.is_symlink() else "")
    return found


def test_out_and_in_again_and_doubled_everything_is_as_it_was(here: Instance, tmp_path: Path) -> None:
    here.corral("volume", "create", "--label", "tier=db", "first", check=True)
    here.corral("run", "--rm", "-v", "first:/d", "busybox", "sh", "-c", FILL, check=True)
    os.setxattr(data(here, "first") / "deep", "user.note", b"kept")
    archive = tmp_path / "first.tar"
    here.corral("volume", "export", "-o", str(archive), "first", check=True)
    assert archive.stat().st_size < 1 << 20  # holes stay holes
    here.corral("volume", "import", "--label", "copy", "second", str(archive), check=True)
    here.corral("volume", "clone", "first", "third", check=True)
    before = look(data(here, "first"))
    assert "deep" in before and before["."][1:3] == (7, 8)
    for name in ("second", "third"):
        assert look(data(here, name)) == before
        assert (data(here, name) / "holes").stat().st_blocks < 100
    labels = {v["Name"]: v["Labels"] for v in here.get("/volumes").json["Volumes"]}
    assert labels == {"first": {"tier": "db"}, "second": {"copy": ""}, "third": {"tier": "db"}}
    with tarfile.open(archive) as others:  # another reader finds the same
        assert others.extractfile("./holes").read() == bytes(30_000_001)  # type: ignore[union-attr]


def test_what_cannot_be_is_refused_and_leaves_nothing(here: Instance, tmp_path: Path) -> None:
    here.corral("volume", "create", "there", check=True)
    junk = tmp_path / "junk"
    junk.write_bytes(b"no archive" * 100)
    for words, message in (
        (("import", "there", str(junk)), "create there: there is a volume of this name"),
        (("import", "new", str(junk)), "invalid tar header"),
        (("import", "new", os.devnull), "import volume new: no archive came, not a byte"),
        (("import", "../new", str(junk)), "includes invalid characters"),
        (("clone", "there", "there"), "there is a volume of this name"),
        (("clone", "nowhere", "new"), "get nowhere: no such volume"),
        (("export", "nowhere"), "get nowhere: no such volume"),
    ):
        done = here.corral("volume", *words)
        assert (done.returncode, message in done.stderr) == (1, True), (words, done)
    assert sorted(os.listdir(here.root / "volumes")) == ["there"]


def _begin_import(here: Instance, name: str) -> socket.socket:
    """An import that has sent a file's header and a part of it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("large")
        entry.size = 1 << 24
        tar.addfile(entry, io.BytesIO(b"x" * entry.size))
    link = socket.socket(socket.AF_UNIX)
    link.connect(str(here.socket))
    part = out.getvalue()[: 1 << 20]
    link.sendall(
        f"POST /corral/volumes/{name}/import HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-tar\r\n".encode()
    )
    link.sendall(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(part), part))
    staged = here.root / "volumes" / f".new-{name}" / "_data" / "large"
    eventually(lambda: staged.exists() and staged.stat().st_size > 0, f"{staged} grows")
    return link


def test_an_import_whose_client_goes_vanishes(here: Instance) -> None:
    link = _begin_import(here, "half")
    assert here.get("/volumes").json["Volumes"] == []
    link.close()
    eventually(lambda: os.listdir(here.root / "volumes") == [], "nothing is left")
    assert here.corral("volume", "create", "half").returncode == 0


def test_an_import_whose_daemon_is_killed_vanishes(fresh: Instance) -> None:
    with _begin_import(fresh, "half"):
        fresh.kill_daemon()
        fresh.up()
        assert os.listdir(fresh.root / "volumes") == []


def test_a_copy_of_one_moment(here: Instance) -> None:
    here.corral("run", "-d", "--name", "writer", "-v", "busy:/d", "busybox", "sleep", "100", check=True)
    here.corral("run", "-d", "--name", "other", "busybox", "sleep", "100", check=True)
    since = here.get("/info").json["SystemTime"]
    here.corral("volume", "clone", "--pause", "busy", "still", check=True)
    heard = here.corral("events", "--since", since, "--until", here.get("/info").json["SystemTime"]).stdout
    actions = [line.split(" container ")[1].split()[0] for line in heard.splitlines() if " container " in line]
    assert actions == ["pause", "unpause"]
    assert here.inspect("writer")["State"]["Status"] == "running"


def test_a_volume_is_not_removed_while_it_is_read(here: Instance) -> None:
    here.corral("volume", "create", "read", check=True)
    (data(here, "read") / "large").write_bytes(os.urandom(1 << 24))
    connection: http.client.HTTPConnection = here.connection()
    connection.request("GET", "/corral/volumes/read/export")
    response = connection.getresponse()
    response.read(1)
    refused = here.delete("/volumes/read", query={"force": 1})
    assert refused.status == 409 and "volume is in use - [export" in refused.message
    connection.close()
    eventually(lambda: here.delete("/volumes/read").status == 204, "it can be removed")


def test_a_mounted_volume_survives_a_killed_daemon_and_goes_with_its_last_user(fresh: Instance) -> None:
    fresh.docker("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "ram", check=True)
    place = str(data(fresh, "ram"))
    for name in ("one", "two"):
        fresh.docker("run", "-d", "--name", name, "-v", "ram:/v", "busybox", "sleep", "1000", check=True)
    fresh.docker("exec", "one", "sh", "-c", "echo kept > /v/f", check=True)
    fresh.kill_daemon()
    fresh.up()
    assert fresh.docker("exec", "two", "cat", "/v/f", check=True).stdout == "kept\n"
    fresh.docker("rm", "-f", "one", check=True)
    assert fresh.docker("run", "--rm", "-v", "ram:/v", "busybox", "cat", "/v/f", check=True).stdout == "kept\n"
    assert mounts.is_mount(place)
    refused = fresh.docker("volume", "rm", "-f", "ram")
    assert refused.returncode == 1 and "volume is in use - [" in refused.stderr
    fresh.docker("rm", "-f", "two", check=True)
    eventually(lambda: not mounts.is_mount(place), "it is unmounted")
    fresh.docker("volume", "rm", "ram", check=True)


def test_a_part_of_a_volume(here: Instance) -> None:
    fill = "mkdir -p /v/a/b; echo x > /v/a/b/f; ln -s /etc /v/out"
    here.docker("run", "--rm", "-v", "whole:/v", "busybox", "sh", "-c", fill, check=True)

    def create(subpath: str, *words: str, **query: str) -> Answer:  # by the API: an old client has no such option
        part = {"Type": "volume", "Source": "whole", "Target": "/s", "VolumeOptions": {"Subpath": subpath}}
        body = {"Image": "busybox", "Cmd": words, "HostConfig": {"Mounts": [part], "AutoRemove": not query}}
        return here.post("/containers/create", body, query=query, version="v1.51")

    def says(subpath: str, *words: str) -> str:
        return here.docker("start", "-a", create(subpath, *words).json["Id"], check=True).stdout

    before = here.footprint()
    assert says("a/b", "cat", "/s/f") == "x\n"
    assert says("a/b/f", "cat", "/s") == "x\n"
    out = here.post(f"/containers/{create('out', 'true').json['Id']}/start")
    assert out.status == 400 and "path concatenation escapes the base directory" in out.message, out
    refused = create("../x", "true")
    assert refused.status == 400 and "subpath must be a relative path" in refused.message, refused
    assert create("a/b", "true", name="still").status == 201
    assert here.docker("cp", "still:/s/f", "-", check=True).stdout.count("x\n") == 1
    eventually(lambda: not here.footprint().beyond(before).get("mounts"), "no part stays mounted")


@pytest.mark.peers
def test_where_the_file_system_can_copies_share_their_blocks(tmp_path: Path) -> None:
    disk, place = tmp_path / "disk", tmp_path / "place"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(200 << 20)
    subprocess.run(["mkfs.btrfs", "-q", str(disk)], check=True)
    subprocess.run(["mount", "-o", "loop", str(disk), str(place)], check=True)
    try:
        (place / "source").mkdir()
        (place / "target").mkdir()
        (place / "source" / "large").write_bytes(os.urandom(60 << 20))
        os.sync()
        before = os.statvfs(place).f_bfree
        source, target = (os.open(place / name, os.O_RDONLY | os.O_DIRECTORY) for name in ("source", "target"))
        try:
            copy_tree(source, target)
        finally:
            os.close(source)
            os.close(target)
        os.sync()
        assert (place / "target" / "large").read_bytes() == (place / "source" / "large").read_bytes()
        used = (before - os.statvfs(place).f_bfree) * os.statvfs(place).f_bsize
        assert used < 10 << 20
    finally:
        subprocess.run(["umount", str(place)], check=True)
