from __future__ import annotations

import asyncio

from corral.cluster.controllers.pacing import Pace


async def test_who_takes_long_rests_and_others_need_not() -> None:
    pace, loop = Pace(0.5), asyncio.get_running_loop()
    now = [100.0]
    loop.time = lambda: now[0]  # type: ignore[method-assign]
    with pace.of("large"):
        now[0] += 0.4
    assert abs(pace.delay("large") - 0.4) < 1e-9
    assert pace.delay("small") == 0.0
    now[0] += 0.5
    assert pace.delay("large") < 0
    with pace.of("huge"):
        now[0] += 60
    assert pace.delay("huge") == 1.0
    pace.forget("huge")
    assert pace.delay("huge") == 0.0
    del loop.time


async def test_what_comes_during_the_work_waits_too() -> None:
    pace, loop = Pace(0.5, longest=3.0), asyncio.get_running_loop()
    now = [100.0]
    loop.time = lambda: now[0]  # type: ignore[method-assign]
    with pace.of("a"):
        assert pace.delay("a") == 0.0  # the first time nothing is known of it
        now[0] += 10
    assert pace.delay("a") == 3.0
    now[0] += 4
    with pace.of("a"):
        assert pace.delay("a") == 3.0
        now[0] += 1
        assert pace.delay("a") == 2.0
    assert pace.delay("a") == 1.0
    del loop.time
