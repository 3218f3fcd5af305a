"""The content store's transfers (ingests) and its collection of what nobody needs."""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import threading
import time
from pathlib import Path

import pytest

from corral.errors import Conflict, HostError, InvalidInput, NoSpace, NotFound
from corral.images import digests
from corral.images.content import KEPT, PULLS, Content


def sha512(data: bytes) -> str:
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


@pytest.fixture
def content(tmp_path: Path) -> Content:
    return Content(str(tmp_path))


def leftovers(content_root: Path) -> list[str]:
    return os.listdir(content_root / "ingest") + os.listdir(content_root / "resume")


def test_an_ingest_becomes_a_blob(content: Content, tmp_path: Path) -> None:
    with content.ingest() as scratch:
        scratch.write(b"hel")
        scratch.write(memoryview(b"lo"))
        assert scratch.offset == 5
        assert scratch.commit() == digests.of(b"hello")
    assert content.read(digests.of(b"hello")) == b"hello"
    assert content.size(digests.of(b"hello")) == 5
    assert leftovers(tmp_path) == []


def test_sha512_is_as_good(content: Content) -> None:
    for given in ("sha256", "sha512"):
        with content.ingest(algorithm=given) as scratch:
            scratch.write(b"hello" + given.encode())
            assert scratch.commit(sha512(b"hello" + given.encode())) == sha512(b"hello" + given.encode())
    assert content.read(sha512(b"hellosha256")) == b"hellosha256"
    assert sorted(content.digests()) == sorted([sha512(b"hellosha256"), sha512(b"hellosha512")])


def test_a_blob_that_is_there_already_is_kept(content: Content, tmp_path: Path) -> None:
    content.put(b"hello")
    with content.ingest("again") as scratch:
        scratch.write(b"hello")
        assert scratch.commit(digests.of(b"hello")) == digests.of(b"hello")
    assert leftovers(tmp_path) == []


def test_wrong_bytes_are_refused_with_both_digests(content: Content, tmp_path: Path) -> None:
    wanted = digests.of(b"other")
    with content.ingest("x") as scratch:
        scratch.write(b"hello")
        with pytest.raises(InvalidInput, match=f"{digests.of(b'hello')}, not {wanted}"):
            scratch.commit(wanted)
    assert leftovers(tmp_path) == content.digests() == []


def test_missing_blobs_have_no_size(content: Content) -> None:
    with pytest.raises(NotFound, match=r"blob sha256:.* is not in the store"):
        content.size(digests.of(b""))


def test_a_named_ingest_goes_on_after_a_crash(tmp_path: Path) -> None:
    content = Content(str(tmp_path))
    named, anonymous = content.ingest("pull-1"), content.ingest()
    named.write(b"hel")
    anonymous.write(b"lost")
    named.close()
    again = Content(str(tmp_path))  # without closing `anonymous`: as after a kill
    assert os.listdir(tmp_path / "ingest") == [] and again.unfinished() == ["pull-1"]
    with again.ingest("pull-1") as scratch:
        assert scratch.offset == 3
        scratch.write(b"lo")
        assert scratch.commit(digests.of(b"hello")) == digests.of(b"hello")


def test_named_ingests_wait_for_a_week(tmp_path: Path) -> None:
    content = Content(str(tmp_path))
    for name, age in (("old", KEPT + 60), ("young", KEPT - 60)):
        with content.ingest(name) as scratch:
            scratch.write(b"x")
        os.utime(tmp_path / "resume" / name, (time.time() - age,) * 2)
    assert Content(str(tmp_path)).unfinished() == ["young"]


def aged(content: Content, tmp_path: Path, name: str, size: int, age: float) -> None:
    """What is left of a transfer that was broken off so long ago."""
    with content.ingest(name) as scratch:
        scratch.write(bytes(size))
    os.utime(tmp_path / "resume" / name, (time.time() - age,) * 2)


def test_collect_forgets_old_transfers(content: Content, tmp_path: Path) -> None:
    """A restricted one looks at the given blobs alone."""
    aged(content, tmp_path, "upload-old", 7, KEPT + 60)
    aged(content, tmp_path, "pull-young", 5, KEPT - 60)
    assert content.collect([]) == (0, 0) and len(content.unfinished()) == 2
    assert content.collect() == (1, 7)
    assert content.unfinished() == ["pull-young"]


def test_transfers_are_forgotten_by_kind_unless_they_go_on(content: Content, tmp_path: Path) -> None:
    for name, size in (("pull-1", 1), ("keep-1", 10), ("upload-1", 100), ("pull-2", 1000)):
        aged(content, tmp_path, name, size, 60)
    assert content.unfinished_size(*PULLS) == 1011
    with content.ingest("pull-2") as scratch:
        assert content.forget_unfinished(time.time() - 90) == {}
        assert content.forget_unfinished(math.inf, *PULLS) == {"pull-1": 1, "keep-1": 10}
        assert scratch.offset == 1000
    assert sorted(content.unfinished()) == ["pull-2", "upload-1"]


def test_what_became_a_blob_meanwhile_is_not_written_to(content: Content, tmp_path: Path) -> None:
    """Between its opening and its lock the other one has committed."""
    scratch = content.ingest("upload-1")
    scratch.write(b"hello")
    flock = fcntl.flock

    def meanwhile(fd: int, how: int) -> None:
        scratch.commit()
        flock(fd, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", meanwhile)
        with pytest.raises(Conflict, match="upload-1 is being written by another transfer"):
            content.ingest("upload-1")
    assert content.read(digests.of(b"hello")) == b"hello"


def test_a_transfer_goes_on_while_what_is_left_is_forgotten(content: Content, tmp_path: Path) -> None:
    """Either there was something to go on with or not, but nobody is in its way."""
    stop = threading.Event()

    def forget() -> None:
        while not stop.is_set():
            content.forget_unfinished(math.inf)

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        for _ in range(300):
            with content.ingest("pull-1") as scratch:
                scratch.write(b"x")
                assert os.path.samestat(os.stat(scratch.path), os.fstat(scratch._fd))
    finally:
        stop.set()
        thread.join()


def test_strangers_beside_transfers_are_left_alone(content: Content, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "resume/pipe")
    (tmp_path / "resume/folder").mkdir()
    (tmp_path / "resume/link").symlink_to("/etc/hostname")
    assert content.forget_unfinished(math.inf) == {}


def test_what_is_forgotten_is_never_somebody_elses(content: Content, tmp_path: Path) -> None:
    """Between its look at a file and its removal that becomes a blob, and another transfer has the name."""
    aged(content, tmp_path, "pull-1", 1, 60)
    place, found = tmp_path / "resume/pull-1", tmp_path / "blob"
    flock = fcntl.flock

    def meanwhile(fd: int, how: int) -> None:
        place.rename(found)
        place.write_bytes(b"new")
        flock(fd, how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", meanwhile)
        assert content.forget_unfinished(math.inf) == {}
    assert place.read_bytes() == b"new" and found.exists()


def test_a_transfer_has_one_writer(content: Content) -> None:
    with content.ingest("x"), pytest.raises(Conflict, match="x is being written by another transfer"):
        content.ingest("x")
    content.ingest("x").cancel()
    assert content.unfinished() == []


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a\n", "x" * 201])
def test_names_of_transfers_stay_inside(content: Content, name: str) -> None:
    with pytest.raises(InvalidInput, match="not a name for a transfer"):
        content.ingest(name)


def test_truncate_starts_over(content: Content) -> None:
    with content.ingest("x") as scratch:
        scratch.write(b"hello")
        scratch.truncate(2)
        assert scratch.offset == 2
        scratch.truncate()
        scratch.write(b"other")
        assert scratch.commit() == digests.of(b"other")


def test_cancel_and_close_may_come_twice(content: Content, tmp_path: Path) -> None:
    for name in ("", "x"):
        scratch = content.ingest(name)
        scratch.write(b"x")
        scratch.cancel()
        scratch.cancel()
        scratch.close()
    assert leftovers(tmp_path) == []


def test_a_failed_write_takes_nothing(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    with content.ingest("x") as scratch:
        scratch.write(b"hel")

        def full(fd: int, data: bytes, at: int) -> int:
            if at == 3:
                return real(fd, bytes(data)[:1], at)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(NoSpace):
            scratch.write(b"lo")
        monkeypatch.undo()
        assert scratch.offset == 3
        scratch.write(b"lo")
        assert scratch.commit() == digests.of(b"hello")


def test_collect_deletes_what_nobody_needs(content: Content) -> None:
    held, pinned, loose = content.put(b"held"), content.put(b"pinned"), content.put(b"loose!")
    content.holders.append(lambda: [held])
    with content.pinned(pinned):
        assert content.collect() == (1, 6)
        assert set(content.digests()) == {held, pinned}
    assert content.collect(among=[held, loose]) == (0, 0)
    assert content.collect(among=[held, pinned]) == (1, 6)
    assert content.digests() == [held]


def test_pins_are_counted(content: Content) -> None:
    digest = content.put(b"x")
    with content.pinned(digest):
        with content.pinned(digest):
            pass
        assert content.collect() == (0, 0)
    assert content.collect() == (1, 1)


def test_collect_spares_what_is_taken_up_meanwhile(content: Content) -> None:
    """Between the listing and the deletion: pinned, recorded and unpinned again; or pushed once more."""
    first, second, third = content.put(b"1"), content.put(b"2"), content.put(b"3")

    def holder() -> list[str]:
        with content.pinned(first):
            pass
        content.put(b"2")
        return []

    content.holders.append(holder)
    assert content.collect() == (1, 1)
    assert set(content.digests()) == {first, second} and not content.has(third)
    content.holders.clear()
    assert content.collect() == (2, 2)


def test_collect_spares_what_was_pinned_before_and_is_held_by_now(content: Content) -> None:
    """Its holder comes after the holders were asked, and its pin goes before it is its turn to be deleted."""
    digest = content.put(b"x")
    held: list[str] = []
    pin = content.pinned(digest)
    pin.__enter__()

    def holder() -> list[str]:
        asked = list(held)
        held.append(digest)
        pin.__exit__(None, None, None)
        return asked

    content.holders.append(holder)
    assert content.collect() == (0, 0)
    assert content.has(digest)


def test_collect_and_pushes_at_the_same_time(content: Content) -> None:
    """Whatever is committed under a pin and then held is never lost."""
    held: set[str] = set()
    content.holders.append(lambda: list(held))
    done = threading.Event()

    def push() -> None:
        for i in range(200):
            data = f"blob {i % 7}".encode()
            digest = digests.of(data)
            with content.pinned(digest):
                content.put(data)
                held.add(digest)
            assert content.read(digest) == data
            held.discard(digest)
        done.set()

    thread = threading.Thread(target=push)
    thread.start()
    while not done.is_set():
        content.collect()
        assert thread.is_alive() or done.is_set()
    thread.join()
    content.collect()
    assert content.digests() == []


def test_strangers_in_the_store_are_left_alone(content: Content, tmp_path: Path) -> None:
    (tmp_path / "blobs/sha256/README").write_text("x")
    assert content.collect() == (0, 0)
    assert (tmp_path / "blobs/sha256/README").exists()


def test_a_disk_that_fails_to_commit_keeps_the_bytes(content: Content, monkeypatch: pytest.MonkeyPatch) -> None:
    with content.ingest("x") as scratch:
        scratch.write(b"hello")

        def fail(fd: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(HostError):
            scratch.commit()
        monkeypatch.undo()
        assert content.digests() == []
        assert scratch.commit() == digests.of(b"hello")
