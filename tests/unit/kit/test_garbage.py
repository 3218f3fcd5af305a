"""Garbage: nothing is collected while a daemon is loaded; what is made later is, and what lives on is put aside."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from corral.kit.garbage import Collecting


class Knot:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def before() -> Iterator[int]:
    """How many objects were put aside before the collector's start; it is ended afterwards."""
    young, aside = gc.get_threshold(), gc.get_freeze_count()
    gc.disable()
    yield aside
    gc.set_threshold(*young)
    gc.enable()


@pytest.fixture
def collecting(before: int) -> Iterator[Collecting]:
    made = Collecting(fewest=3000)
    made.start()
    yield made
    made.stop()


def test_what_is_made_after_the_start_is_collected(before: int, collecting: Collecting) -> None:
    assert gc.isenabled() and gc.get_freeze_count() > before
    knot = weakref.ref(Knot())
    gc.collect()
    assert knot() is None


@pytest.mark.usefixtures("collecting")
def test_what_lives_through_a_full_collection_is_put_aside() -> None:
    gc.collect()
    aside = gc.get_freeze_count()
    kept = [{"number": [number]} for number in range(1000)]
    gc.collect()
    assert gc.get_freeze_count() >= aside + 2000
    assert gc.get_objects(generation=2) == []
    del kept
    assert gc.get_freeze_count() < aside + 1000, "what nobody refers to is freed at once, put aside or not"


@pytest.mark.usefixtures("collecting")
def test_garbage_among_what_was_put_aside_is_found_when_as_much_has_come_to_it() -> None:
    knot = Knot()
    seen = weakref.ref(knot)
    gc.collect()
    del knot
    gc.collect()
    assert seen() is not None, "nothing has come: nothing is looked through again"
    kept = [[number] for number in range(3000)]
    gc.collect()
    gc.collect()
    assert seen() is None and len(kept) == 3000


@pytest.mark.usefixtures("collecting")
def test_the_work_grows_with_what_comes_and_not_with_what_is_there() -> None:
    kept: list[list[int]] = []
    looked = Looked()
    gc.callbacks.append(looked)
    for _ in range(200):
        kept.extend([number] for number in range(1000))
        gc.collect()
    gc.callbacks.remove(looked)
    assert looked.at < 5 * gc.get_freeze_count(), "some hundred times as much where each collection looks at all"


class Looked:
    """How many objects full collections were to look through."""

    at = 0

    def __call__(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            self.at += len(gc.get_objects(generation=2))
