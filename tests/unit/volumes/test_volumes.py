from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from corral.errors import Conflict, InvalidInput, NotFound
from corral.kit.clock import ManualClock
from corral.model.volume import Volume
from corral.volumes import Volumes, disk
from corral.volumes.plan import ANONYMOUS_LABEL


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return Volumes(str(tmp_path / "volumes"), ManualClock(5))


def left(volumes: Volumes) -> list[str]:
    return sorted(os.listdir(volumes.root))


async def test_a_volume_is_made_and_is_there_after_a_restart(volumes: Volumes) -> None:
    made = await volumes.create("data", labels={"a": "b"})
    assert made == Volume("data", "local", f"{volumes.root}/data/_data", 5, {"a": "b"})
    assert os.stat(made.mountpoint).st_mode & 0o7777 == 0o755
    assert Volumes(volumes.root).get("data") == made
    assert volumes.exists("data")
    assert not volumes.exists("other")


async def test_making_one_that_exists_gives_that_one(volumes: Volumes) -> None:
    first = await volumes.create("data", labels={"a": "b"})
    assert await volumes.create("data", labels={"c": "d"}) == first
    many = await asyncio.gather(*(volumes.create("many") for _ in range(10)))
    assert all(each is many[0] for each in many)


async def test_a_caller_who_is_cancelled_leaves_no_half_made_volume(volumes: Volumes) -> None:
    waiting = asyncio.ensure_future(volumes.create("data"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    made = await volumes.create("data")
    assert os.path.isdir(made.mountpoint)
    await volumes.remove("data")
    assert left(volumes) == []


async def test_anonymous_ones_have_64_digits_and_a_label(volumes: Volumes) -> None:
    made = await volumes.create()
    assert len(made.name) == 64
    assert made.anonymous
    assert made.labels == {ANONYMOUS_LABEL: ""}
    named = await volumes.create("0" * 64, anonymous=True)
    assert named.labels == {ANONYMOUS_LABEL: ""}
    assert [v.name for v in volumes.list()] == sorted([made.name, named.name])


async def test_a_name_may_be_as_long_as_a_file_s(volumes: Volumes) -> None:
    name = "a" * 255
    assert (await volumes.create(name)).name == name
    await volumes.remove(name)
    assert not os.listdir(volumes.root)


async def test_bad_requests_leave_nothing(volumes: Volumes) -> None:
    for arguments in ({"name": "../x"}, {"name": "x1", "options": {"foo": ""}}, {"name": "x1", "driver": "nope"}):
        with pytest.raises((InvalidInput, NotFound)):
            await volumes.create(**arguments)  # type: ignore[arg-type]
    assert left(volumes) == []


async def test_removing(volumes: Volumes) -> None:
    made = await volumes.create("data")
    (Path(made.mountpoint) / "deep").mkdir()
    (Path(made.mountpoint) / "deep" / "file").write_text("x")
    with pytest.raises(Conflict, match=r"^remove data: volume is in use - \[c1, c2\]$"):
        await volumes.remove("data", force=True, users=lambda _: ["c1", "c2"])
    await volumes.remove("data")
    assert not volumes.exists("data")
    assert left(volumes) == []
    with pytest.raises(NotFound, match=r"^get data: no such volume$"):
        await volumes.remove("data")
    await volumes.remove("data", force=True)


async def test_one_whose_directory_was_removed_by_hand_can_be_removed(volumes: Volumes) -> None:
    made = await volumes.create("data")
    shutil.rmtree(Path(made.mountpoint).parent)
    await volumes.remove("data")
    assert volumes.list() == [] and left(volumes) == []
    assert os.path.isdir((await volumes.create("data")).mountpoint)


async def test_one_that_is_used_stays(volumes: Volumes) -> None:
    await volumes.create("data")
    assert await volumes.acquire("data", "c1") == volumes.get("data").mountpoint
    volumes.restore("data", "c2")
    await volumes.release("data", "c1")
    await volumes.release("data", "c1")
    with pytest.raises(Conflict, match=r"in use - \[c2\]"):
        await volumes.remove("data")
    await volumes.release("data", "c2")
    await volumes.remove("data")
    await volumes.release("data", "c2")
    with pytest.raises(NotFound):
        await volumes.acquire("data", "c1")


async def test_pruning_counts_bytes_once_and_asks_who_may_go(volumes: Volumes) -> None:
    for name in ("used", "wanted", "other"):
        await volumes.create(name)
    inside = Path(volumes.get("wanted").mountpoint)
    (inside / "file").write_bytes(bytes(1000))
    os.link(inside / "file", inside / "again")
    assert await volumes.size("wanted") == 1000
    removed = await volumes.prune(lambda v: v.name != "other", lambda name: ["c1"] if name == "used" else [])
    assert removed == (["wanted"], 1000)
    assert [v.name for v in volumes.list()] == ["other", "used"]


async def test_one_that_is_taken_while_others_are_pruned_stays(volumes: Volumes) -> None:
    for name in ("first", "second"):
        await volumes.create(name)
    users = {"first": [], "second": [[], ["c1"]]}  # nobody when it is looked at, somebody when it is to go
    removed = await volumes.prune(lambda v: True, lambda name: users[name].pop(0) if users[name] else [])
    assert removed == (["first"], 0)
    assert volumes.exists("second")


async def test_what_was_half_made_or_half_removed_is_swept_away(volumes: Volumes) -> None:
    await volumes.create("data")
    root = Path(volumes.root)
    for name in (".new-x", ".gone-y"):
        (root / name / "_data").mkdir(parents=True)
    (root / "data" / "_new" / "half").mkdir(parents=True)
    (root / "not-a-volume").mkdir()
    again = Volumes(volumes.root)
    assert [v.name for v in again.list()] == ["data"]
    assert left(again) == ["data", "not-a-volume"]
    assert os.listdir(root / "data") != []
    assert not (root / "data" / "_new").exists()


async def test_a_damaged_description_hides_nobodys_data(volumes: Volumes, caplog: pytest.LogCaptureFixture) -> None:
    made = await volumes.create("data", labels={"a": "b"})
    (Path(made.mountpoint) / "file").write_text("x")
    (Path(volumes.root) / "data" / "opts.json").write_text('{"name": ')
    again = Volumes(volumes.root)
    assert again.get("data").mountpoint == made.mountpoint
    assert again.get("data").labels == {}
    assert "data" in caplog.text


_CHILD = textwrap.dedent("""
    import asyncio, os, sys
    from corral.volumes import Volumes, disk

    async def main():
        volumes, n = Volumes(sys.argv[1]), 0
        while True:
            n += 1
            await volumes.create(f"v{n}", labels={"n": str(n)})
            os.write(1, f"+{n}\\n".encode())
            if n % 2:
                await volumes.remove(f"v{n}")
                os.write(1, f"-{n}\\n".encode())

    asyncio.run(main())
""")


@pytest.mark.parametrize("acknowledged", [1, 2, 35, 150])
def test_kill_9_leaves_each_volume_whole_or_gone(tmp_path: Path, acknowledged: int) -> None:
    root = str(tmp_path / "volumes")
    child = subprocess.Popen([sys.executable, "-c", _CHILD, root], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    lines = [child.stdout.readline() for _ in range(acknowledged)]
    child.kill()
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    volumes = Volumes(root)
    made = {int(line[1:]) for line in lines if line[0] == "+"}
    removed = {int(line[1:]) for line in lines if line[0] == "-"}
    there = {int(v.labels["n"]) for v in volumes.list()}
    assert made - removed - {max(made)} <= there
    assert not removed & there
    assert all(not name.startswith(".") for name in left(volumes))


async def test_who_waited_for_a_removed_volume_and_who_comes_later_make_it_once(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock goes with the volume: who waited for the old one must not work beside who takes the new one."""
    await volumes.create("data")
    loop, making = asyncio.get_running_loop(), 0
    reached = {"bury": asyncio.Event(), "create": asyncio.Event()}
    go_on = {"bury": threading.Event(), "create": threading.Event()}
    bury, create = disk.bury, disk.create

    def stop_at(name: str) -> None:
        loop.call_soon_threadsafe(reached[name].set)
        go_on[name].wait(10)

    def slow_bury(root: str, name: str) -> str:
        stop_at("bury")
        return bury(root, name)

    def slow_create(root: str, volume: Volume) -> None:
        nonlocal making
        making += 1
        stop_at("create")
        create(root, volume)

    monkeypatch.setattr(disk, "bury", slow_bury)
    monkeypatch.setattr(disk, "create", slow_create)
    removal = asyncio.create_task(volumes.remove("data"))
    await reached["bury"].wait()
    waiting = asyncio.create_task(volumes.create("data"))
    await asyncio.sleep(0)
    go_on["bury"].set()
    await removal
    await reached["create"].wait()
    late = asyncio.create_task(volumes.create("data"))
    await asyncio.sleep(0)
    go_on["create"].set()
    assert await waiting is await late
    assert making == 1 and os.path.isdir(volumes.get("data").mountpoint)
