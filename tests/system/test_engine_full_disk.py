"""A full disk: requests say so, nothing is lost, and what removes things makes room."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from corral.linux.limits import parse_kernel
from tests.support.cgroups import value
from tests.support.endpoint import BUSYBOX, Endpoint
from tests.support.instance import Instance, instance
from tests.support.wait import eventually

MEMORY = {"v1": "memory.limit_in_bytes", "v2": "memory.max"}

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


def _create(engine: Endpoint, name: str) -> Any:
    return engine.post("/containers/create", {"Image": BUSYBOX, "Cmd": ["true"]}, query={"name": name})


@contextmanager
def _disk(image: Path, megabytes: int, block: int = 4096) -> Iterator[Path]:
    place = Path("/tmp/cr-small")
    place.mkdir(exist_ok=True)
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", str(block), str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, on a loop device: too small for a reserve."""
    with _disk(tmp_path / "disk", 24) as place:
        yield place


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """One that has room for a reserve."""
    with _disk(tmp_path / "disk", 160) as place:
        yield place


@pytest.fixture
def disk_of_small_blocks(tmp_path: Path) -> Iterator[Path]:
    """One whose blocks are smaller than a page of memory, so that one page of a file may be there in part."""
    with _disk(tmp_path / "disk", 48, 1024) as place:
        yield place


def _fill(disk: Path) -> Path:
    """To the last block; the file to delete."""
    ballast = disk / "ballast"
    with open(ballast, "ab", buffering=0) as file:
        for size in (1 << 20, 65536, 512):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def test_a_full_disk(small_disk: Path) -> None:
    """Requests fail in words that say why; what was there stays; with room again all works."""
    with instance(root=small_disk / "i") as engine:
        kept = engine.create("sh", "-c", "exit 3", name="kept")
        ballast = _fill(small_disk)
        answer = engine.post("/images/create", query={"fromSrc": "-", "repo": "more"})
        failed = [_create(engine, f"n{number}") for number in range(40)]
        assert any("no space left on device" in one.message for one in failed if one.status != 201), failed[-1]
        assert engine.inspect("kept")["Id"] == kept
        assert engine.get("/_ping").status == 200
        made = {one.json["Id"] for one in failed if one.status == 201}
        ballast.unlink()
        listed = {container["Id"] for container in engine.get("/containers/json", query={"all": 1}).json}
        assert listed == made | {kept}, "what was refused is not there, what was acknowledged is"
        engine.post(f"/containers/{kept}/start")
        assert engine.wait(kept) == 3 and answer.status
        engine.remove_everything()


def test_room_is_made_by_ending_containers_on_a_full_disk(small_disk: Path) -> None:
    """Their monitors cannot write how they ended; their ends are noticed all the same, and at once."""
    with instance(root=small_disk / "i") as engine:
        ids = [engine.create("sleep", "1000", name=name) for name in ("stopped", "killed", "removed")]
        for id in ids:
            assert engine.post(f"/containers/{id}/start").status == 204
        ballast = _fill(small_disk)
        began = time.monotonic()
        engine.post(f"/containers/{ids[0]}/stop", query={"t": 1})
        engine.post(f"/containers/{ids[1]}/kill")
        engine.delete(f"/containers/{ids[2]}", query={"force": 1})
        assert time.monotonic() - began < 20, "nobody waits in vain for an exit event"
        eventually(
            lambda: [engine.inspect(id)["State"]["Status"] for id in ids[:2]] == ["exited"] * 2, "both have ended"
        )
        ballast.unlink()
        engine.remove_everything()
        assert engine.get("/containers/json", query={"all": 1}).json == []


@pytest.mark.skipif(parse_kernel(os.uname().release) < (6, 15), reason="the kernel does not tell it before 6.15")
def test_the_exit_code_of_what_ends_on_a_full_disk_is_its_own(small_disk: Path) -> None:
    """Its monitor cannot write it; the daemon asks the kernel."""
    with instance(root=small_disk / "i") as engine:
        script = "trap 'exit 7' TERM; trap 'exit 23' USR1; echo ready; while :; do sleep 0.1; done"
        stopped, ended = (engine.create("sh", "-c", script, name=name) for name in ("stopped", "ended"))
        for id in (stopped, ended):
            assert engine.post(f"/containers/{id}/start").status == 204
            eventually(lambda id=id: "ready" in engine.output(id), "its traps are set")
        ballast = _fill(small_disk)
        engine.post(f"/containers/{stopped}/stop", query={"t": 60})
        engine.post(f"/containers/{ended}/kill", query={"signal": "USR1"})
        status = lambda: [engine.inspect(id)["State"]["Status"] for id in (stopped, ended)]  # noqa: E731
        eventually(lambda: status() == ["exited"] * 2, "both have ended")
        assert [engine.inspect(id)["State"]["ExitCode"] for id in (stopped, ended)] == [7, 23]
        ballast.unlink()
        engine.remove_everything()


def test_errors_name_what_could_not_be_written(small_disk: Path) -> None:
    """No request's path, no connection that breaks off, and no tracebacks in the log of the lines it has lost."""
    with instance(root=small_disk / "i") as engine:
        running = engine.create("sleep", "1000", name="running")
        assert engine.post(f"/containers/{running}/start").status == 204
        archive = engine.get(f"/images/{BUSYBOX}/get").body
        ballast = _fill(small_disk)
        loaded = engine.post("/images/load", archive, headers={"Content-Type": "application/x-tar"})
        assert loaded.status == 200 and b"no space left on device" in loaded.body and b'"errorDetail"' in loaded.body
        committed = engine.post("/commit", query={"container": running, "repo": "more"})
        assert committed.status == 500 and f"{small_disk}/i/images" in committed.message, committed.message
        tagged = [engine.post(f"/images/{BUSYBOX}/tag", query={"repo": f"{n}" + "x" * 200}) for n in range(200)]
        assert any(one.message == f"write {small_disk}/i/images/images.db: no space left on device" for one in tagged)
        # Frozen or thawed it is, recorded or not.
        assert engine.post(f"/containers/{running}/pause").status == 204
        assert engine.post(f"/containers/{running}/unpause").status == 204
        ballast.unlink()
        assert "Logging error" not in engine.log and "Traceback" not in engine.log
        engine.remove_everything()


def test_what_could_not_be_recorded_of_an_update_is_not_there(small_disk: Path) -> None:
    """Neither in what is shown, nor for the next start, nor in the kernel."""
    with instance(root=small_disk / "i") as engine:
        running = engine.create("sleep", "1000", name="running", HostConfig={"Memory": 64 << 20})
        assert engine.post(f"/containers/{running}/start").status == 204
        pid = engine.inspect(running)["State"]["Pid"]
        ballast = _fill(small_disk)
        memory, answer = 64 << 20, None
        for size in range(65, 200):
            answer = engine.post(f"/containers/{running}/update", {"Memory": size << 20, "MemorySwap": -1})
            if answer.status != 200:
                break
            memory = size << 20
        assert answer and answer.status == 500 and "no space left on device" in answer.message, answer
        assert engine.inspect(running)["HostConfig"]["Memory"] == memory
        assert value(pid, "memory", **MEMORY) == str(memory)
        ballast.unlink()
        engine.remove_everything()


def _two_beside_networks(engine: Instance) -> tuple[str, str, int, list[str]]:
    """A container that runs, with its process, one that does not, and networks that neither is in."""
    running, idle = (engine.create("sleep", "1000", name=name) for name in ("running", "idle"))
    assert engine.post(f"/containers/{running}/start").status == 204
    names = [f"n{number}" for number in range(12)]
    for name in names:
        assert engine.post("/networks/create", {"Name": name}).status == 201
    return running, idle, engine.inspect(running)["State"]["Pid"], names


def test_a_network_that_could_not_be_recorded_is_not_joined(small_disk: Path) -> None:
    with instance(root=small_disk / "i") as engine:
        running, idle, pid, names = _two_beside_networks(engine)
        ballast = _fill(small_disk)
        for one in (running, idle):
            joined, failed = {"bridge"}, ""
            for name in names:
                answer = engine.post(f"/networks/{name}/connect", {"Container": one})
                if answer.status != 200:
                    failed = name
                    break
                joined.add(name)
            assert failed and "no space left on device" in answer.message, answer
            assert {*engine.inspect(one)["NetworkSettings"]["Networks"]} == joined
            assert engine.get(f"/networks/{failed}").json["Containers"] == {}
            if one == running:
                devices = Path(f"/proc/{pid}/net/dev").read_text()
                assert len(re.findall(r"\beth\d+:", devices)) == len(joined)
        ballast.unlink()
        for one in (running, idle):
            assert engine.post(f"/networks/{failed}/connect", {"Container": one}).status == 200
        assert list(engine.get(f"/networks/{failed}").json["Containers"]) == [running]
        engine.remove_everything()


def test_a_network_that_could_not_be_left_by_the_record_is_not_left(small_disk: Path) -> None:
    """What the record says is what is shown and what is so, for this daemon and the next."""
    with instance(root=small_disk / "i") as engine:
        running, idle, pid, names = _two_beside_networks(engine)
        for name, one in itertools.product(names, (running, idle)):
            assert engine.post(f"/networks/{name}/connect", {"Container": one}).status == 200
        ballast = _fill(small_disk)

        def places(one: str) -> dict[str, str]:
            return {name: end["IPAddress"] for name, end in engine.inspect(one)["NetworkSettings"]["Networks"].items()}

        def cables() -> int:
            return len(re.findall(r"\beth\d+:", Path(f"/proc/{pid}/net/dev").read_text()))

        left = {}
        for one in (idle, running):
            joined, failed = places(one), ""
            for name in names:
                answer = engine.post(f"/networks/{name}/disconnect", {"Container": one})
                if answer.status != 200:
                    failed = name
                    break
                del joined[name]
            assert failed and "no space left on device" in answer.message, answer
            assert places(one) == joined
            left[one] = joined
        assert cables() == len(left[running])
        assert running in engine.get(f"/networks/{failed}").json["Containers"]
        hosts = Path(f"/proc/{pid}/root/etc/hosts").read_text()
        assert all(f"{address}\t" in hosts for address in left[running].values()), hosts
        engine.kill_daemon()
        ballast.unlink()
        engine.up()
        assert {one: places(one) for one in (idle, running)} == left
        assert cables() == len(left[running])
        for one in (idle, running):
            assert engine.post(f"/networks/{failed}/disconnect", {"Container": one}).status == 200
        assert cables() == len(left[running]) - 1
        engine.remove_everything()


def _free(disk: Path) -> int:
    found = subprocess.run(["stat", "-f", "-c", "%a", str(disk)], check=True, capture_output=True, text=True)
    return int(found.stdout)


def _leave(engine: Instance) -> tuple[str, str]:
    """A container that runs and one that has ended and written a lot: their ids."""
    running = engine.create("sleep", "1000", name="running", StopTimeout=1)
    large = engine.create("dd", "if=/dev/zero", "of=/large", "bs=1M", "count=20", name="large")
    for id in (running, large):
        assert engine.post(f"/containers/{id}/start").status == 204
    assert engine.wait(large) == 0
    return running, large


def test_room_is_made_by_removing_what_has_ended(disk: Path) -> None:
    """The record of a removal needs a little of the disk itself: that is what the reserve is for."""
    with instance(root=disk / "i") as engine:
        running, large = _leave(engine)
        assert (disk / "i/reserve").stat().st_blocks >= 8 << 11
        ballast = _fill(disk)
        assert _free(disk) == 0
        answer = engine.delete(f"/containers/{large}")
        assert answer.status == 204, answer.message
        assert not (disk / "i/reserve").exists()
        assert "is given up" in engine.log
        ballast.unlink()
        assert engine.delete(f"/containers/{running}", query={"force": 1}).status == 204
        assert (disk / "i/reserve").exists(), "with room again there is a reserve again"


def test_a_daemon_comes_up_on_a_full_disk(disk: Path) -> None:
    with instance(root=disk / "i") as engine:
        running, large = _leave(engine)
        engine.kill_daemon()
        ballast = _fill(disk)
        assert _free(disk) == 0
        engine.up("--kubernetes", "--kubernetes-address=127.0.0.1:0")
        assert engine.inspect(running)["State"]["Running"]
        assert engine.delete(f"/containers/{large}").status == 204
        assert engine.post(f"/containers/{running}/stop").status == 204
        assert engine.inspect(running)["State"]["Status"] == "exited"
        engine.kill_daemon()
        ballast.unlink()
        engine.up()


def test_who_fills_the_disk_with_a_log_is_removed(small_disk: Path) -> None:
    """There is no reserve, or the log has taken that, too."""
    with instance(root=small_disk / "i") as engine:
        config = {"LogConfig": {"Type": "json-file", "Config": {"max-size": "1g"}}}
        loud = engine.run("yes", "0123456789" * 20, HostConfig=config)
        eventually(lambda: _free(small_disk) == 0, "the disk is full")
        answer = engine.delete(f"/containers/{loud}", query={"force": 1})
        assert answer.status == 204, answer.message
        eventually(
            lambda: _free(small_disk) > 0, "the log is gone"
        )  # what is left of a container goes after the answer
        engine.remove_everything()


def test_whoever_fills_the_disk_again_finds_a_reserve_again(disk: Path) -> None:
    """As soon as there is room: the next one may write without end, too."""
    with instance(root=disk / "i") as engine:
        for name in ("first", "second"):
            greedy = engine.run("sh", "-c", "while :; do cat /dev/zero > /fill; done", name=name)
            eventually(lambda: _free(disk) == 0, "the disk is full")
            answer = engine.delete(f"/containers/{greedy}", query={"force": 1})
            assert answer.status == 204, answer.message
            eventually((disk / "i/reserve").exists, "there is a reserve again")


def test_without_a_reserve_the_full_disk_is_named(small_disk: Path) -> None:
    with instance(root=small_disk / "i") as engine:
        running = engine.create("sleep", "1000", name="running")
        assert engine.post(f"/containers/{running}/start").status == 204
        engine.kill_daemon()
        ballast = _fill(small_disk)
        done = engine.corral("up", "--detach", "--kubernetes", "--kubernetes-address=127.0.0.1:0")
        assert done.returncode == 1
        assert "no space left on device" in done.stderr
        assert f"The disk that is mounted at {small_disk} is full (0 of " in done.stderr
        assert "then start again" in done.stderr
        ballast.unlink()
        engine.up()
        assert engine.inspect(running)["State"]["Running"]
        engine.remove_everything()


@pytest.mark.parametrize("left", [0, 12, 20])
def test_a_disk_without_room_for_a_whole_page(disk_of_small_blocks: Path, left: int) -> None:
    """Nobody is killed for a write into a mapped file: all that ends it, and all that begins, says how it went."""
    with instance(root=disk_of_small_blocks / "i") as engine:
        running = engine.create("sleep", "1000", name="running")
        assert engine.post(f"/containers/{running}/start").status == 204
        engine.kill_daemon()
        for index in disk_of_small_blocks.rglob("*-shm"):  # who eats the disk is faster than who would use it again
            index.unlink()
        ballast = _fill(disk_of_small_blocks)
        os.truncate(ballast, ballast.stat().st_size - (left << 10))
        os.sync()
        for words in (("up", "--detach"), ("down", "--all")):
            done = engine.corral(*words)
            assert done.returncode in (0, 1), f"{words}: {done}"
            assert done.returncode == 0 or "no space left on device" in done.stderr, f"{words}: {done}"
        ballast.unlink()
        engine.up()
        assert engine.inspect(running)["State"]["Status"] == "exited"
        engine.remove_everything()


def test_a_kubeconfig_that_cannot_be_written_is_no_reason_not_to_start(tmp_path: Path) -> None:
    with instance() as engine:
        engine.down()
        draft = Path(engine.root) / "run/kubeconfig.new"
        draft.mkdir(parents=True)
        engine.up("--kubernetes", "--kubernetes-address=127.0.0.1:0")
        assert engine.get("/_ping").status == 200
        assert f"there is no kubeconfig: write {draft.with_name('kubeconfig')}: " in engine.log
        draft.rmdir()
