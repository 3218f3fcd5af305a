"""A command in a container, to its end: what probes and hooks do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from corral.engine.engine import Engine
from corral.errors import CorralError, RuntimeFailed
from corral.kit.timeouts import fair_timeout
from corral.model.process import ExecSpec

MOST_OUTPUT: Final = 10 << 10


class Done(NamedTuple):
    code: int
    output: str


async def run_command(engine: Engine, container: str, command: Sequence[str], timeout: float | None) -> Done:
    """TimeoutError, when the command is ended; CorralError where it cannot be run."""
    spec = ExecSpec(list(command), attach_stdout=True, attach_stderr=True)
    id = await engine.execs.create(container, spec)
    output = bytearray()
    try:
        async with fair_timeout(timeout):
            try:
                attachment = await engine.execs.start(id)
            except RuntimeFailed as error:
                return Done(error.exit_code, error.message)
            assert attachment is not None
            async for _, data in attachment:
                output += data[: MOST_OUTPUT - len(output)]
            code = await engine.execs.wait(id)
    except BaseException:
        with suppress(CorralError):
            await asyncio.shield(engine.execs.end(id))
        raise
    return Done(code, output.decode(errors="replace"))
