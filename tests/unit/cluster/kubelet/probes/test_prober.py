"""The probes of one container, asked by a script of answers."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from corral.cluster.kubelet.probes.answer import Answer
from corral.cluster.kubelet.probes.prober import Prober


class Scene:
    """Answers as they are written; `told` is what the prober makes of them."""

    def __init__(self, answers: dict[str, list[bool]], age: float = 60, **container: Any) -> None:
        self.answers, self.told, self.failed = answers, asyncio.Queue[tuple[str, bool]](), list[str]()
        self.prober = Prober(
            container,
            time.time() - age,
            self._ask,
            lambda kind, well: self.told.put_nowait((kind, well)),
            lambda kind, answer: self.failed.append(kind),
        )

    async def _ask(self, probe: dict[str, Any], timeout: float) -> Answer:
        script = self.answers[probe["kind"]]
        if not script:
            await asyncio.Event().wait()
        return Answer(script.pop(0))


def probe(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "periodSeconds": 0.001, "failureThreshold": 2, **more}


async def test_readiness_comes_and_goes() -> None:
    scene = Scene({"r": [False, True, False, True, False, False]}, readinessProbe=probe("r"))
    scene.prober.begin(has_started=True)
    assert [await scene.told.get() for _ in range(2)] == [("readiness", True), ("readiness", False)]
    assert scene.failed == ["readiness"] * 4
    await scene.prober.close()


async def test_who_was_ready_before_the_daemon_may_be_it_no_more() -> None:
    scene = Scene({"r": [False, False]}, readinessProbe=probe("r"))
    scene.prober.begin(has_started=True, ready=True)
    assert await scene.told.get() == ("readiness", False)
    await scene.prober.close()


async def test_the_others_wait_for_the_start() -> None:
    scene = Scene({"s": [False, True], "l": [True, False, False]}, startupProbe=probe("s"), livenessProbe=probe("l"))
    scene.prober.begin(has_started=False)
    assert await scene.told.get() == ("startup", True)
    assert await scene.told.get() == ("liveness", False)
    assert scene.failed == ["startup", "liveness", "liveness"]
    await scene.prober.close()


async def test_a_start_that_never_comes() -> None:
    scene = Scene({"s": [False, False], "l": []}, startupProbe=probe("s"), livenessProbe=probe("l"))
    scene.prober.begin(has_started=False)
    assert await scene.told.get() == ("startup", False)
    await scene.prober.close()


async def test_what_has_just_started_is_looked_at_again_soon() -> None:
    """The period is an hour: only looks in between can find that it listens. A bad one of them is no failure."""
    often = probe("r", periodSeconds=3600, failureThreshold=1)
    scene = Scene({"r": [False, False, True]}, age=0, readinessProbe=often)
    scene.prober.begin(has_started=True)
    assert await scene.told.get() == ("readiness", True)
    assert scene.failed == ["readiness"]
    await scene.prober.close()


async def test_looks_in_between_end_no_start() -> None:
    once = probe("s", periodSeconds=3600, failureThreshold=2)
    scene = Scene({"s": [False, False, False, True], "l": []}, age=0, startupProbe=once, livenessProbe=probe("l"))
    scene.prober.begin(has_started=False)
    assert await scene.told.get() == ("startup", True)
    await scene.prober.close()
