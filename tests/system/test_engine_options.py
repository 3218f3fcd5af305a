"""Options of `docker run` whose effect, or whose refusal, only shows on a real machine."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from corral.runtime.choose import KNOWN
from corral.runtime.oci import resolve_program
from tests.support.endpoint import BUSYBOX, Endpoint

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def _run(engine: Endpoint, *words: str) -> str:
    done = engine.docker("run", "--rm", *words)
    return done.stdout + done.stderr


@pytest.fixture
def private_mount(tmp_path: Path) -> Iterator[Path]:
    """A mount whose mounts nobody else sees."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "test", tmp_path], check=True)
    subprocess.run(["mount", "--make-private", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_mounts_are_not_shared_out_of_a_private_one(engine: Endpoint, private_mount: Path) -> None:
    words = _run(engine, "-v", f"{private_mount}:/d:rslave", BUSYBOX, "true")
    assert f"path {private_mount} is mounted on {private_mount} but it is not a shared or slave mount" in words
    words = _run(engine, "--mount", f"type=bind,src={private_mount},dst=/d,bind-propagation=rshared", BUSYBOX, "true")
    assert f"path {private_mount} is mounted on {private_mount} but it is not a shared mount" in words


def test_mounts_of_the_host_show_in_a_slave(engine: Endpoint, private_mount: Path) -> None:
    subprocess.run(["mount", "--make-shared", private_mount], check=True)
    (private_mount / "in").mkdir()
    started = engine.docker("run", "-d", "-v", f"{private_mount}:/d:rslave", BUSYBOX, "sleep", "100", check=True)
    subprocess.run(["mount", "-t", "tmpfs", "test", private_mount / "in"], check=True)
    assert "/d/in" in engine.docker("exec", started.stdout.strip(), "cat", "/proc/self/mountinfo").stdout
    subprocess.run(["umount", private_mount / "in"], check=True)


def test_a_mount_of_the_hosts_cgroups_shows_what_the_host_sees(engine: Endpoint) -> None:
    """Also where the runtime is started with a part of it hidden."""
    for tree in filter(Path.exists, (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))):
        file = tree / "cgroup.controllers"
        if file.exists():
            assert _run(engine, "-v", "/sys:/sys:ro", BUSYBOX, "cat", str(file)) == file.read_text()


@pytest.mark.parametrize("runtime", [name for name in KNOWN if resolve_program(name)])
def test_a_file_is_mounted_to_be_read_only(engine: Endpoint, tmp_path: Path, runtime: str) -> None:
    """Sockets, too: many containers are given one so."""
    (tmp_path / "file").write_text("here\n")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        mounts = [word for name in ("file", "door") for word in ("-v", f"{tmp_path}/{name}:/{name}:ro")]
        script = "cat /file; [ -S /door ] && echo door; echo x >/file"
        words = _run(engine, "--runtime", runtime, *mounts, BUSYBOX, "sh", "-c", script)
    assert words.splitlines()[:2] == ["here", "door"] and "Read-only file system" in words


@pytest.mark.parametrize("runtime", [name for name in KNOWN if resolve_program(name)])
def test_what_the_host_mounts_read_only_stays_so(engine: Endpoint, private_mount: Path, runtime: str) -> None:
    subprocess.run(["mount", "-o", "remount,bind,ro,nosuid", private_mount], check=True)
    volume = f"kept-{runtime}"
    options = [word for option in ("type=none", "o=bind,ro", "device=/srv") for word in ("-o", option)]
    engine.docker("volume", "create", *options, volume, check=True)
    for source, mode in product((str(private_mount), volume), ("", ":rw")):
        words = _run(engine, "--runtime", runtime, "-v", f"{source}:/m{mode}", BUSYBOX, "touch", "/m/x")
        assert "Read-only file system" in words


def test_volumes_from_takes_modes_that_make_sense(engine: Endpoint) -> None:
    engine.docker("run", "--name", "from-me", "-v", "/vol", BUSYBOX, "true", check=True)
    assert "Read-only file system" in _run(engine, "--volumes-from", "from-me:ro,z", BUSYBOX, "touch", "/vol/a")
    assert "invalid mode: fast" in _run(engine, "--volumes-from", "from-me:fast", BUSYBOX, "true")


def test_a_commit_pauses_and_says_so(engine: Endpoint) -> None:
    engine.docker("run", "-d", "--name", "committed", BUSYBOX, "sleep", "100", check=True)
    began = time.time()
    engine.docker("commit", "committed", "made-of-it", check=True)
    engine.docker("rmi", "made-of-it", check=True)
    span = {"since": f"{began:.9f}", "until": f"{time.time():.9f}", "filters": {"container": ["committed"]}}
    lines = engine.get("/events", query=span).body.splitlines()
    assert [json.loads(line)["Action"] for line in lines] == ["pause", "unpause", "commit"]


def test_top_says_what_ps_says_first(engine: Endpoint) -> None:
    engine.docker("run", "-d", "--name", "topped", BUSYBOX, "sleep", "100", check=True)
    [line] = engine.docker("top", "topped", "-foo").stderr.strip().splitlines()
    assert line.startswith("Error response from daemon: ps: error: ")


def test_the_tag_of_a_log_is_a_template(engine: Endpoint) -> None:
    options = ("--log-opt", "tag={{.Name}}/{{.ID}}", "--log-opt", "labels=l", "--label", "l=v")
    identity = engine.docker("run", "-d", "--name", "tagged", *options, BUSYBOX, "echo", "hi", check=True).stdout
    engine.wait(identity.strip())
    details = engine.docker("logs", "--details", "tagged").stdout
    assert details == f"l=v,tag=tagged%2F{identity[:12]} hi\n"
    assert "unknown field Nope" in _run(engine, "--log-opt", "tag={{.Nope}}", BUSYBOX, "true")
    assert "error parsing regexp" in _run(engine, "--log-opt", "env-regex=(", BUSYBOX, "true")


def test_a_mount_of_an_image(engine: Endpoint) -> None:
    engine.docker("build", "-t", "shown:1", "-", input=f"FROM {BUSYBOX}\nRUN mkdir /d && echo one >/d/f", check=True)
    mount = {"Type": "image", "Source": "shown:1", "Target": "/i"}
    script = "exec 2>&1; cat /i/d/f; touch /i/new; cat /part/f; [ -x /i/bin/busybox ] && echo all"
    part = {**mount, "Target": "/part", "ImageOptions": {"Subpath": "d"}}
    id = engine.create("sh", "-c", script, version="v1.51", HostConfig={"Mounts": [mount, part]})
    assert engine.delete("/images/shown:1").status == 409
    assert engine.delete("/images/shown:1", query={"force": "1"}).status == 200
    assert (engine.post(f"/containers/{id}/start").status, engine.wait(id)) == (204, 0)
    assert engine.output(id) == "one\ntouch: /i/new: Read-only file system\none\nall\n"
    assert engine.docker("cp", f"{id}:/i/d/f", "-").stdout  # where it does not run
    engine.docker("start", "-a", id, check=True)  # once more
    shown = {each["Destination"]: each for each in engine.inspect(id)["Mounts"]}
    assert shown["/i"]["Type"] == "image" and shown["/i"]["RW"] is False
    engine.remove(id)
    missing = engine.post("/containers/create", {"Image": BUSYBOX, "HostConfig": {"Mounts": [mount]}}, version="v1.51")
    assert (missing.status, missing.message) == (404, "No such image: shown:1")
    bad = {**mount, "Source": BUSYBOX, "ImageOptions": {"Subpath": "nope"}}
    id = engine.create("true", version="v1.51", HostConfig={"Mounts": [bad]})
    assert "cannot access path" in engine.post(f"/containers/{id}/start").message
    engine.remove(id)
