"""Garbage: nothing is collected while a daemon is loaded; what is made later is."""

from __future__ import annotations

import gc
import weakref

from corral.daemon.serve import settle


class Knot:
    def __init__(self) -> None:
        self.itself = self


def test_what_is_made_after_the_start_is_collected() -> None:
    before = gc.get_freeze_count()
    gc.disable()
    try:
        settle()
        assert gc.isenabled() and gc.get_freeze_count() > before
        knot = weakref.ref(Knot())
        gc.collect()
        assert knot() is None
    finally:
        gc.enable()
        gc.unfreeze()
