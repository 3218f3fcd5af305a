"""Which images of a node go, and when: with an engine that only lists and removes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from corral.cluster.kubelet.eviction.pressure import Observed
from corral.cluster.kubelet.garbage.collector import FILE, ImageCollector
from corral.cluster.kubelet.garbage.policy import GarbagePolicy
from corral.errors import Conflict
from corral.model.image import Image


class Engine:
    """Images "a", "b", … of ten bytes each, all pulled; `used` are a container's, `needed` cannot be removed."""

    def __init__(self, *names: str) -> None:
        self.here, self.used, self.needed = list(names), set[str](), set[str]()
        self.containers = self
        self.images = SimpleNamespace(list=self._images, remove=self._remove, origins=self)
        self.config = SimpleNamespace(root="/")

    def list(self, unlisted: bool) -> list[Any]:
        assert unlisted
        return [SimpleNamespace(image_id=id, mount_points=[]) for id in self.used]

    def manifest(self, id: str) -> Any:
        return object()

    def _images(self) -> list[Image]:
        return [Image(id, tags=[f"r/{id}:1"], digests=[f"r/{id}@sha256:0"], size=10) for id in self.here]

    async def _remove(self, id: str, **_: Any) -> None:
        if id in self.needed:
            raise Conflict(f"image {id} has dependent child images")
        self.here.remove(id)


class Told(list[str]):
    def warning(self, about: Any, reason: str, message: str) -> None:
        self.append(f"{reason}: {message}")


class World:
    """A disk of a thousand bytes that the images take up a part of; a clock that is turned by hand."""

    def __init__(self, root: Path, policy: GarbagePolicy, *names: str, other: int = 0) -> None:
        self.engine, self.told, self.time, self.other = Engine(*names), Told(), 1000.0, other
        self._root, self._policy = root, policy
        self.collector = self.begin()

    def begin(self) -> ImageCollector:
        engine, told, root = self.engine, self.told, str(self._root)
        observe, now = self.disk, lambda: self.time
        made = ImageCollector(engine, self._policy, told, "n", root, observe, now)  # type: ignore[arg-type]
        made.load()
        return made

    def disk(self) -> Observed:
        return Observed(1000 - self.other - 10 * len(self.engine.here), 1000)

    async def after(self, seconds: float) -> list[str]:
        """What is here when somebody has looked then."""
        self.time += seconds
        await self.collector.look()
        return self.engine.here


async def test_a_full_disk_loses_what_was_used_longest_ago(tmp_path: Path) -> None:
    world = World(tmp_path, GarbagePolicy(90, 87), *"abcde", other=870)
    for id in "cbad":  # "e" is somebody's who pulled it by hand
        world.collector.wanted(id)
        world.time += 1
    assert await world.after(60) == [*"abcde"]  # they have only come: pods may be starting
    assert world.told == [
        "FreeDiskSpaceFailed: Failed to garbage collect required amount of images. Attempted to free 50 bytes, "
        "but only found 0 bytes eligible to free."
    ]
    world.engine.used.add("c")
    assert await world.after(120) == ["c", "e"]


async def test_there_is_enough_again_when_the_low_threshold_is_reached(tmp_path: Path) -> None:
    world = World(tmp_path, GarbagePolicy(90, 88), *"abc", other=870)
    for id in "bca":
        world.collector.wanted(id)
        world.time += 1
    assert await world.after(500) == ["a"] and world.told == []
    assert await world.after(500) == ["a"]


async def test_what_cannot_go_is_passed_over_and_a_lack_is_told_once(tmp_path: Path) -> None:
    world = World(tmp_path, GarbagePolicy(90, 80), *"ab", other=890)
    for id in "ab":
        world.collector.wanted(id)
    world.engine.needed.add("a")
    assert await world.after(500) == ["a"]
    assert await world.after(500) == ["a"]
    assert len(world.told) == 1


async def test_what_is_old_goes_from_an_empty_disk_and_ages_are_known_after_a_restart(tmp_path: Path) -> None:
    world = World(tmp_path, GarbagePolicy(oldest=1000), *"abc")
    world.collector.wanted("a")
    world.engine.used.add("b")
    world.collector.wanted("b")
    assert await world.after(600) == [*"abc"]
    await world.collector.close()
    world.collector = world.begin()
    assert await world.after(600) == ["b", "c"]
    world.engine.used.clear()
    assert await world.after(900) == ["b", "c"]
    assert await world.after(200) == ["c"]


async def test_under_pressure_all_go_but_what_has_just_come(tmp_path: Path) -> None:
    world = World(tmp_path, GarbagePolicy(), *"abc")
    world.engine.used.add("b")
    world.collector.wanted("c")
    assert await world.collector.empty() == 1
    assert world.engine.here == ["b", "c"]
    world.time += 121
    assert await world.collector.empty() == 1


async def test_a_record_that_cannot_be_read_makes_nothing_the_nodes(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    world = World(tmp_path, GarbagePolicy(oldest=10), *"a")
    assert await world.after(500) == ["a"]
