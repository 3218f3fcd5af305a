"""Rounds of random work that end with SIGKILL for the daemon: what the tests of kills share.

One round: threads send requests; at some moment the daemon is killed; it is started again. What is then compared is
the test's own. The seed is printed; CORRAL_SEED repeats a run.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.support.instance import Instance

Action = Callable[[], object]


def seeded() -> tuple[int, random.Random]:
    """The seed of this run, and what comes of it."""
    seed = int(os.environ.get("CORRAL_SEED", "0")) or random.SystemRandom().getrandbits(32)
    return seed, random.Random(seed)


def until_killed(actions: Sequence[tuple[int, Action]], chance: random.Random) -> None:
    """One action after another, each as often as its weight says, until the daemon is gone.

    What the kill happens in is in doubt: either outcome is right.
    """
    weights, choices = zip(*actions, strict=True)
    try:
        while True:
            chance.choices(choices, weights)[0]()
    except (OSError, http.client.HTTPException):
        return


def kill_amid(engine: Instance, workers: Sequence[Action], moment: Action) -> None:
    """Let them all work, kill the daemon when `moment` returns, and start it again when all have noticed."""
    threads = [threading.Thread(target=worker) for worker in workers]
    for thread in threads:
        thread.start()
    moment()
    engine.kill_daemon()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive(), "a request hangs although the daemon is dead"
    engine.up()


@contextmanager
def failures_of_threads() -> Iterator[list[BaseException]]:
    """What threads died of meanwhile."""
    found: list[BaseException] = []
    before = threading.excepthook
    threading.excepthook = lambda caught: found.append(caught.exc_value or RuntimeError("thread died"))
    try:
        yield found
    finally:
        threading.excepthook = before


@contextmanager
def told(engine: Instance, capsys: pytest.CaptureFixture[str], what: str) -> Iterator[None]:
    """A failure of the block is told with `what` (the round, the seed) and the end of the daemon's log."""
    try:
        yield
    except BaseException:
        with capsys.disabled():
            print(f"\nfailed at {what}; the daemon's log ends:\n{engine.log[-4000:]}")
        raise
