"""Time limits for what others do, such as a probe of a container, that a held-up event loop does not use up.

After a pause (of the whole machine, say, or of a long piece of work in the loop) asyncio comes to an answer and to the
end of its time in one turn, and there the end wins: `asyncio.timeout` throws the answer away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

LATE: Final = 0.05  # seconds; a loop that comes so late to a timer was held up
MOST: Final = 3  # times that one limit is put off: a loop that is always late has limits too


@asynccontextmanager
async def fair_timeout(seconds: float | None) -> AsyncIterator[None]:
    """As `asyncio.timeout`, TimeoutError included. But where the loop comes late to the end, what it was late is not
    counted, up to `seconds` again: so what has come meanwhile is heard first."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None

    def due(at: float, puts_off: int) -> None:
        nonlocal timer
        late = loop.time() - at
        if late > LATE and puts_off and seconds is not None:
            timer = _at(loop.time() + min(late, seconds), puts_off - 1)
        else:
            limit.reschedule(at)

    def _at(when: float, puts_off: int) -> asyncio.TimerHandle:
        return loop.call_at(when, due, when, puts_off)

    async with asyncio.timeout(None) as limit:
        if seconds is not None:
            timer = _at(loop.time() + seconds, MOST)
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
