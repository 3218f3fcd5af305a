"""An engine with a builder, in the test's own process, and the busybox image."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corral.build.builder import Builder
from corral.build.request import BuildEvent, BuildFailed, BuildRequest, Built, Finished, Given, Printed, Started
from corral.engine.config import EngineConfig
from corral.engine.engine import Engine
from corral.images.digests import chain_ids
from tests.support.images import busybox_rootfs
from tests.support.leaks import Footprint

HELD = "until [ -e /c/go ]; do sleep 0.05; done"  # where a cache is mounted at /c: until `let_go`


@dataclass
class Outcome:
    """What a build said, and how it ended."""

    events: list[BuildEvent] = field(default_factory=list)
    error: BuildFailed | None = None

    @property
    def image(self) -> str:
        assert self.error is None, f"{self.error}\n{self.output}"
        return next(event.image for event in self.events if isinstance(event, Built))

    @property
    def output(self) -> str:
        return b"".join(event.data for event in self.events if isinstance(event, Printed)).decode()

    @property
    def tar(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Given))

    def cached(self) -> dict[str, bool]:
        """By what a step is called, without its number: was it there already?"""
        names = {event.vertex: event.name for event in self.events if isinstance(event, Started)}
        done = {event.vertex: event.cached for event in self.events if isinstance(event, Finished)}
        return {name.partition("] ")[2]: done[n] for n, name in names.items() if name.startswith("[") and n in done}


class Workshop:
    """`with_workshop()` makes one. `root` and `run` are the engine's directories."""

    def __init__(self, engine: Engine, builder: Builder, root: Path, run: Path) -> None:
        self.engine, self.builder, self.root, self.run = engine, builder, root, run

    async def build(self, text: str, **request: Any) -> Outcome:
        outcome = Outcome()
        try:
            async for event in self.builder.build(BuildRequest(dockerfile_text=text, **request)):
                outcome.events.append(event)
        except BuildFailed as error:
            outcome.error = error
        return outcome

    def follow(self, text: str, **request: Any) -> tuple[asyncio.Task[Outcome], asyncio.Event]:
        """A build that is under way; whether one of its processes has said something."""
        outcome, heard = Outcome(), asyncio.Event()

        async def build() -> Outcome:
            async for event in self.builder.build(BuildRequest(dockerfile_text=text, **request)):
                outcome.events.append(event)
                if isinstance(event, Printed):
                    heard.set()
            return outcome

        return asyncio.create_task(build()), heard

    def let_go(self) -> None:
        """Processes that wait for the file `go` in a cache (see HELD) wait no more."""
        for place in self.root.glob("build/caches/*/data"):
            (place / "go").touch()

    def context(self, files: dict[str, str], where: Path | None = None) -> str:
        """A directory with these files."""
        place = tempfile.mkdtemp(dir=where or self.root)
        for name, text in files.items():
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return place

    def layers(self, image: str) -> list[list[str]]:
        """The paths in each layer of an image but its base's."""
        found = []
        for chain in chain_ids(self.engine.images.get(image).diff_ids)[1:]:
            layer = self.engine.images.layers.get(chain)
            assert layer is not None
            top = self.engine.images.layers.dir_of(layer)
            paths = [os.path.relpath(f"{at}/{n}", top) for at, dirs, names in os.walk(top) for n in [*dirs, *names]]
            found.append(sorted(paths))
        return found

    async def left(self) -> dict[str, list[str]]:
        """What processes, mounts and directories there are that belong to builds."""
        await self.engine.parts.afterwork.drain()
        found = Footprint.of([str(self.root), str(self.run)])
        return {
            "mounts": sorted(found.mounts),
            "processes": sorted(found.processes),
            "bundles": os.listdir(self.run / "c"),
            "scratch": os.listdir(self.run / "b"),
            "roots": os.listdir(self.root / "images/rootfs"),
        }


CLEAN: dict[str, list[str]] = {"mounts": [], "processes": [], "bundles": [], "scratch": [], "roots": []}


@contextlib.contextmanager
def directories() -> Any:
    """(root, run), removed at the end. Not in pytest's own: sockets have short paths."""
    root, run = Path(tempfile.mkdtemp(prefix="bw", dir="/var/tmp")), Path(tempfile.mkdtemp(prefix="bw", dir="/run"))
    try:
        yield root, run
    finally:
        shutil.rmtree(root)
        shutil.rmtree(run)


@contextlib.asynccontextmanager
async def opened(root: Path, run: Path, **config: Any) -> AsyncIterator[Workshop]:
    """An engine on these directories, as a daemon opens it; all that it has on the host is gone at the end."""
    engine = await Engine.open(EngineConfig(root=str(root), run=str(run), **config))
    try:
        builder = await Builder.open(engine)
        try:
            yield Workshop(engine, builder, root, run)
        finally:
            await builder.close()
    finally:
        await engine.teardown()


@contextlib.asynccontextmanager
async def with_workshop() -> AsyncIterator[Workshop]:
    """One with the busybox image."""
    with directories() as (root, run):
        async with opened(root, run) as workshop:
            await add_busybox(workshop)
            yield workshop


async def add_busybox(workshop: Workshop) -> None:
    async def tar() -> AsyncIterator[bytes]:
        yield busybox_rootfs()

    await workshop.engine.images.import_rootfs(tar(), ref="busybox")
