"""What a node knows of who pulled its images, and what comes along with one that it borrows."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.cluster.kubelet.pulls import MOST_SECRETS, PullRecords, Secret, read_lent
from corral.errors import HostError

IMAGE, ID = "host:5000/a:1", "sha256:0"
MINE, YOURS = Secret("shop", "mine", "1", "aa"), Secret("bank", "yours", "2", "bb")


def records(folder: Path, lender: Path | None = None) -> PullRecords:
    return PullRecords(str(folder), str(lender) if lender else "")


def again(folder: Path, *images: tuple[str, str]) -> PullRecords:
    """After a crash, when these images are there."""
    found = records(folder)
    found.begin(lambda name: dict(images).get(name, ""), [ID, *dict(images).values()])
    return found


async def pulled(known: PullRecords, by: Secret | None, image: str = IMAGE) -> None:
    await known.intend(image)
    await known.succeeded(image, ID, by)


async def test_what_is_known_of_an_image_comes_with_it(tmp_path: Path) -> None:
    """Else a neighbour's pods could have whatever a secret has pulled next door."""
    lender, own = records(tmp_path / "1"), records(tmp_path / "2", tmp_path / "1")
    await own.borrowed(IMAGE, ID)
    assert not own.must_ask(IMAGE, ID, []), "somebody loaded it next door"
    await lender.intend(IMAGE)
    await own.borrowed(IMAGE, ID)
    assert own.must_ask(IMAGE, ID, [MINE]), "it is being pulled there, and nobody knows by whom"
    await lender.succeeded(IMAGE, ID, MINE)
    await own.borrowed(IMAGE, ID)
    for one in (own, again(tmp_path / "2")):
        assert not one.must_ask(IMAGE, ID, [MINE]) and one.must_ask(IMAGE, ID, [YOURS]) and one.must_ask(IMAGE, ID, [])


async def test_a_pull_that_ends_next_door_while_it_is_read_is_not_anybodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lender = records(tmp_path)
    await lender.intend(IMAGE)
    exists, done = os.path.exists, asyncio.Event()

    def ended(path: str) -> bool:
        found = exists(path)
        if not done.is_set():
            done.set()
            other = threading.Thread(target=lambda: asyncio.run(records(tmp_path).succeeded(IMAGE, ID, MINE)))
            other.start()
            other.join()
        return found

    monkeypatch.setattr(os.path, "exists", ended)
    found = read_lent(str(tmp_path), IMAGE, ID)
    assert found is not None and not found.access["host:5000/a"].everybody


async def test_a_secret_that_is_found_to_be_good_counts_from_then_on(tmp_path: Path) -> None:
    known = records(tmp_path)
    await pulled(known, MINE)
    changed = Secret("shop", "mine", "1", "cc")
    assert not known.must_ask(IMAGE, ID, [changed])  # the same object; it says something else since
    await known.close()
    assert not known.must_ask(IMAGE, ID, [Secret("bank", "theirs", "9", "cc")])
    assert known.must_ask(IMAGE, ID, [Secret("bank", "theirs", "8", "aa")])
    for number in range(2 * MOST_SECRETS):
        assert not known.must_ask(IMAGE, ID, [Secret("many", str(number), str(number), "cc")])
    await known.close()
    for one in (known, again(tmp_path)):
        found = one.known(ID)
        assert found is not None and len(found.access["host:5000/a"].secrets) == MOST_SECRETS


async def test_without_credentials_it_is_everybodys_for_good(tmp_path: Path) -> None:
    known = records(tmp_path)
    for by in (MINE, None, YOURS):
        await pulled(known, by)
    assert not known.must_ask(IMAGE, ID, []) and known.must_ask("host:5000/b:1", ID, [MINE]), "by that name alone"


async def test_a_name_that_somebody_gave_is_anybodys_but_for_what_is_pulled_by_it(tmp_path: Path) -> None:
    known, names = records(tmp_path), [IMAGE, "docker.io/library/built:1"]
    await pulled(known, MINE)
    assert not known.must_ask("built:1", ID, [], names) and known.must_ask(IMAGE, ID, [], names)
    assert known.must_ask("built:1", ID, [], [IMAGE]), "it is not the image's name"
    await known.intend("built:1")
    assert known.must_ask("built:1", ID, [], names), "who pulls it by that name is not known yet"
    known.begin(lambda _: ID, [ID])
    assert known.must_ask("built:1", ID, [], names) and not known.must_ask(IMAGE, ID, [MINE], names)


async def test_a_record_that_makes_no_sense_is_nobodys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await pulled(records(tmp_path), None)
    for file in tmp_path.rglob("pulled/*"):
        file.write_bytes(b"{")
    assert again(tmp_path).must_ask(IMAGE, ID, [MINE], [IMAGE])


async def test_what_cannot_be_noted_is_not_anybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = records(tmp_path)
    await known.intend(IMAGE)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _full)
        await known.succeeded(IMAGE, ID, None)
    assert known.must_ask(IMAGE, ID, [])
    known.begin(lambda name: ID if name == IMAGE else "", [ID])
    assert known.must_ask(IMAGE, ID, [])
    known.begin(lambda name: "", [])
    assert known.known(ID) is None


async def test_a_later_pull_that_fails_does_not_forget_one_whose_end_was_not_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = records(tmp_path)
    await known.intend(IMAGE)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _full)
        await known.succeeded(IMAGE, ID, MINE)
    await known.intend(IMAGE)
    known.failed(IMAGE)
    await known.close()
    for one in (known, again(tmp_path, (IMAGE, ID))):
        assert one.must_ask(IMAGE, ID, [], [IMAGE])


async def test_a_write_that_fails_does_not_forget_what_was_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = records(tmp_path)
    await pulled(known, MINE)
    await known.intend(IMAGE)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _full)
        await known.succeeded(IMAGE, ID, YOURS)
        with pytest.raises(HostError, match="no space left on device"):
            await known.intend("other:1")
    for one in (known, again(tmp_path)):
        assert not one.must_ask(IMAGE, ID, [MINE]) and one.must_ask(IMAGE, ID, [YOURS])


class Stuck:
    """A disk that answers nobody until it is let go."""

    def __init__(self) -> None:
        self.asked, self.free, self._fsync = threading.Event(), threading.Event(), os.fsync

    def fsync(self, fd: int) -> None:
        self.asked.set()
        self.free.wait(30)
        self._fsync(fd)


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    disk = Stuck()
    monkeypatch.setattr("os.fsync", disk.fsync)
    yield disk
    disk.free.set()


async def test_a_disk_that_is_stuck_holds_up_only_who_pulls(tmp_path: Path, stuck: Stuck) -> None:
    known = records(tmp_path)
    waiting = asyncio.create_task(known.intend(IMAGE))
    await asyncio.to_thread(stuck.asked.wait)
    assert known.must_ask(IMAGE, ID, []) and not known.must_ask("b:1", "sha256:1", []) and not waiting.done()
    stuck.free.set()
    await waiting


async def test_a_pull_that_is_cancelled_before_it_begins_leaves_no_intent(tmp_path: Path, stuck: Stuck) -> None:
    """What was being written is written first, and then taken back."""
    known = records(tmp_path)
    waiting = asyncio.create_task(known.intend(IMAGE))
    await asyncio.to_thread(stuck.asked.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    known.failed(IMAGE)
    assert known.is_pulling(IMAGE)
    stuck.free.set()
    await known.close()
    assert not known.is_pulling(IMAGE) and not list(tmp_path.rglob("pulling/*"))


async def test_who_is_cancelled_while_a_pull_s_end_is_noted_has_it_noted(tmp_path: Path, stuck: Stuck) -> None:
    stuck.free.set()
    known = records(tmp_path)
    await known.intend(IMAGE)
    stuck.free.clear()
    stuck.asked.clear()
    ending = asyncio.create_task(known.succeeded(IMAGE, ID, MINE))
    await asyncio.to_thread(stuck.asked.wait)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert known.must_ask(IMAGE, ID, [MINE]), "not yet"
    assert again(tmp_path / "none").known(ID) is None and list(tmp_path.rglob("pulling/*")), "a crash here finds it"
    stuck.free.set()
    await known.close()
    assert not known.must_ask(IMAGE, ID, [MINE]) and not list(tmp_path.rglob("pulling/*"))


async def test_a_pull_that_is_left_when_its_image_has_come_is_nobodys(tmp_path: Path) -> None:
    known = records(tmp_path)
    await known.intend(IMAGE)
    known.cut_off(IMAGE, ID)
    await known.close()
    for one in (known, again(tmp_path)):
        assert one.must_ask(IMAGE, ID, [MINE], [IMAGE]) and not one.must_ask("built:1", ID, [], ["built:1"])
        assert not one.is_pulling(IMAGE)


def _full(fd: int) -> None:
    raise OSError(28, "No space left on device")
