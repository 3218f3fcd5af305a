"""The guest's whole run: made, switched on once for each of its boots, and followed by whoever wants to see it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.guest import image, machine, payload
from tests.support.ahead import Work

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"


def _without_colours(line: str) -> str:
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|c)", "", line)


class Run(Work[None]):
    """`boots`: pytest's arguments at each. What the console says is kept until `follow` asks for it."""

    def __init__(self, boots: Sequence[Sequence[str]], *, silence: float) -> None:
        super().__init__(self._record)
        self.boots, self._silence = boots, silence

    def begin(self) -> None:
        """In a process of its own: once."""
        super().begin()
        self._console.touch()

    @property
    def _console(self) -> Path:
        assert self._folder
        return Path(self._folder.name, "console")

    def follow(self) -> Iterator[str]:
        """The console's lines from the very first, as they come, to the end of the last boot.

        :raises AssertionError: what it needs could not be made, or it hung.
        """
        self.begin()
        pending = ""
        with self._console.open() as console:
            over = False
            while not over:
                over = self.wait(0.5)
                *lines, pending = (pending + console.read()).split("\n")
                yield from lines
        self()

    def _record(self) -> None:
        place = self._console.parent
        with self._console.open("a", buffering=1) as console, tempfile.TemporaryDirectory(dir=place) as folder:
            for line in self._lines(Path(folder)):
                print(_without_colours(line), file=console)

    def _lines(self, folder: Path) -> Iterator[str]:
        disk, second = folder / "disk.img", folder / "payload.img"
        # First of all: it is this moment's checkout that is tested.
        payload.make_payload(CHECKOUT, CACHE, second, payload.script(self.boots, {"CI": "true"}))
        kernel = image.guest_image(CACHE)
        subprocess.run(["cp", "--sparse=always", str(kernel / "disk.img"), str(disk)], check=True)
        for boot in range(1, len(self.boots) + 1):
            yield from machine.run(kernel, disk, second, boot=boot, silence=self._silence)


def asked_for() -> list[str]:
    """Other tests than the usual, to work on the guest itself: CORRAL_GUEST_ARGS."""
    return os.environ.get("CORRAL_GUEST_ARGS", "").split()
