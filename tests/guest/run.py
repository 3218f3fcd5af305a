"""The guest's whole run: made, switched on once for each of its boots, and followed by whoever wants to see it."""

from __future__ import annotations

import os
import queue
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.guest import image, machine, payload
from tests.support import ahead

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"


def _without_colours(line: str) -> str:
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|c)", "", line)


class Run:
    """`boots`: pytest's arguments at each. What the console says is kept until `follow` asks for it."""

    def __init__(self, boots: Sequence[Sequence[str]], *, silence: float) -> None:
        self.boots, self._silence = boots, silence
        self._said: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
        self._begun = threading.Lock()

    def begin(self) -> None:
        """Once, in a thread of its own."""
        if self._begun.acquire(blocking=False):
            ahead.SESSION.thread(self._record)

    def follow(self) -> Iterator[str]:
        """The console's lines from the very first, as they come, to the end of the last boot; for one reader.

        :raises TimeoutError: it hung; AssertionError: what it needs could not be made.
        """
        self.begin()
        while (said := self._said.get()) is not None:
            if isinstance(said, BaseException):
                raise said
            yield said

    def _record(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="corral-guest-") as folder:
                for line in self._lines(Path(folder)):
                    self._said.put(_without_colours(line))
        except BaseException as error:
            self._said.put(error)
        self._said.put(None)

    def _lines(self, folder: Path) -> Iterator[str]:
        disk, second = folder / "disk.img", folder / "payload.img"
        # First of all: it is this moment's checkout that is tested.
        payload.make_payload(CHECKOUT, CACHE, second, payload.script(self.boots, {"CI": "true"}))
        kernel = image.guest_image(CACHE)
        ahead.run(["cp", "--sparse=always", kernel / "disk.img", disk], timeout=300)
        for boot in range(1, len(self.boots) + 1):
            yield from machine.run(kernel, disk, second, boot=boot, silence=self._silence)


def asked_for() -> list[str]:
    """Other tests than the usual, to work on the guest itself: CORRAL_GUEST_ARGS."""
    return os.environ.get("CORRAL_GUEST_ARGS", "").split()
