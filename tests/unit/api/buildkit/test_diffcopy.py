"""A client's files as a tar: in whatever order they come, and whatever a client makes of the protocol."""

from __future__ import annotations

import io
import random
import tarfile
from typing import Any

import pytest

from corral.api.buildkit.diffcopy import (
    AHEAD,
    DATA,
    DIRECTORY,
    ERROR,
    LINK,
    MANY,
    SOCKET,
    STAT,
    Receiver,
)
from corral.api.buildkit.schema import message
from corral.build.sent import END
from corral.errors import InvalidInput

Files = dict[str, tuple[int, bytes | str]]


def told(path: str, mode: int, content: bytes | str) -> Any:
    size = {"size": len(content)} if isinstance(content, bytes) else {"linkname": content}
    return message("Packet", type=STAT, stat={"path": path, "mode": mode, **size})


def data(number: int, content: bytes) -> Any:
    return message("Packet", type=DATA, ID=number, data=content)


class Sender:
    """A client that sends what it is asked for, in pieces, in an order of its own."""

    def __init__(self, files: Files, seed: int) -> None:
        self.contents = [content for _, content in files.values()]
        self.random = random.Random(seed)
        self.left: dict[int, list[bytes]] = {}
        self.most = 0

    def ask(self, numbers: list[int]) -> None:
        for number in numbers:
            content = self.contents[number]
            assert isinstance(content, bytes)
            step = 1 << 15
            self.left[number] = [content[at : at + step] for at in range(0, len(content), step)] + [b""]
        self.most = max(self.most, len(self.left))

    def next(self) -> Any:
        number = self.random.choice(sorted(self.left)[:4])
        piece = self.left[number].pop(0)
        if not self.left[number]:
            del self.left[number]
        return data(number, piece)


def received(files: Files, seed: int = 0) -> tuple[bytes, Sender]:
    receiver, sender, out = Receiver(), Sender(files, seed), io.BytesIO()

    def advance() -> None:
        while True:
            sender.ask(receiver.plan())
            pieces = receiver.pieces()
            out.writelines(pieces)
            if not pieces:
                return

    for path, (mode, content) in files.items():
        receiver.take(told(path, mode, content))
        advance()
        if sender.left and sender.random.random() < 0.5:
            receiver.take(sender.next())
            advance()
    receiver.take(message("Packet", type=STAT))
    advance()
    while not receiver.done:
        receiver.take(sender.next())
        advance()
    return out.getvalue() + END, sender


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order(seed: int) -> None:
    chance = random.Random(seed)
    files: Files = {"d": (DIRECTORY | 0o755, b"")}
    for number in range(300):
        size = chance.choice((0, 1, 511, 512, 513, 40_000))
        files[f"d/{number:03}"] = (0o644, chance.randbytes(size))
    files["large"] = (0o600, b"l" * (AHEAD + 5))
    files["link"] = (LINK | 0o777, "large")
    files["socket"] = (SOCKET | 0o700, b"")
    files["twin"] = (0o600, "large")
    made, sender = received(files, seed)
    assert sender.most <= MANY
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        assert archive.getnames() == [path for path in files if path != "socket"]
        for path, (_, content) in files.items():
            if isinstance(content, bytes) and path not in ("d", "socket"):
                file = archive.extractfile(path)
                assert file is not None and file.read() == content
        assert (archive.getmember("link").linkname, archive.getmember("twin").islnk()) == ("large", True)


@pytest.mark.parametrize("path", ["", "/etc/x", "..", "../x", "a/../../x", "a\0b"])
def test_paths_that_lead_out(path: str) -> None:
    receiver = Receiver()
    receiver.take(told(path, 0o644, b"x"))
    with pytest.raises(InvalidInput, match="invalid path"):
        receiver.plan()


def test_files_that_change_meanwhile() -> None:
    """One that has grown is cut; a small one that has shrunk is as it is; of a large one it is too late."""
    for size, sent, kept in ((3, b"abcdef", b"abc"), (3, b"a", b"a"), (3, b"", b"")):
        receiver = Receiver()
        receiver.take(told("f", 0o644, b"x" * size))
        receiver.take(message("Packet", type=STAT))
        assert receiver.plan() == [0]
        for piece in (sent, b"") if sent else (b"",):
            receiver.take(data(0, piece))
        with tarfile.open(fileobj=io.BytesIO(b"".join(receiver.pieces()) + END)) as archive:
            file = archive.extractfile("f")
            assert file is not None and file.read() == kept
    receiver = Receiver()
    receiver.take(told("f", 0o644, b"x" * (AHEAD + 1)))
    assert receiver.plan() == [0]
    receiver.take(data(0, b"a"))
    assert receiver.pieces()
    receiver.take(data(0, b""))
    with pytest.raises(InvalidInput, match="f became smaller while it was sent"):
        receiver.pieces()


def test_what_was_not_asked_for() -> None:
    receiver = Receiver()
    receiver.take(told("f", 0o644, b"x"))
    with pytest.raises(InvalidInput, match="was not asked for"):
        receiver.take(data(0, b"x"))
    assert receiver.plan() == [0]
    receiver.take(data(0, b"x"))
    receiver.take(data(0, b""))
    with pytest.raises(InvalidInput, match="was not asked for"):
        receiver.take(data(0, b"more"))


def test_an_error_of_the_sender() -> None:
    with pytest.raises(InvalidInput, match="error from sender: open x: permission denied"):
        Receiver().take(message("Packet", type=ERROR, data=b"open x: permission denied"))


def test_names_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.api.buildkit.diffcopy.TOLD", 10_000)
    receiver = Receiver()
    with pytest.raises(InvalidInput, match="too many files"):
        for number in range(10_000):
            receiver.take(told(f"f{number}", 0o644, b"x"))
