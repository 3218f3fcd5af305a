"""Expressions, for the daemon: asks the evaluator, a process that is started when it is first needed.

One job at a time. An evaluator that dies over a job, or does not answer, is replaced before the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from corral.cluster.apiserver.cel import messages as m
from corral.cluster.apiserver.cel.errors import EvaluationError
from corral.cluster.apiserver.cel.limits import EXCEEDED
from corral.cluster.apiserver.cel.things import Decide
from corral.model.kubernetes.problems import Problem

log = logging.getLogger("corral.apiserver")
START_SECONDS: Final = 120.0
SECONDS: Final = 60.0  # for one job, however busy the machine is; the evaluator itself counts the processor's time
COMMAND: Final = (sys.executable, "-P", "-m", "corral.cluster.apiserver.cel.worker")
LOST: Final = "the evaluator of expressions ended"


class Expressions:
    """Each method raises EvaluationError when there is no answer: time or memory ran out, or the evaluator crashed."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._process: Process | None = None
        self._lock = asyncio.Lock()
        self._sent: set[str] = set()

    @property
    def pid(self) -> int | None:
        """Of the evaluator; None: there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def compile_problems(self, names: Sequence[str], expressions: list[tuple[str, str]]) -> list[str]:
        """For each (expression, type it must give, or "") why it cannot be used; "" if it can."""
        if not any(one.strip() for one, _ in expressions):
            return [""] * len(expressions)
        try:
            found: list[str] = await self._done(m.Compile(list(names), expressions), None)
        except EvaluationError as error:
            return [f"compilation failed: {error.message}" if one.strip() else "" for one, _ in expressions]
        return found

    async def evaluate(
        self, names: Sequence[str], values: Mapping[str, Any], parts: list[m.Part], decide: Decide | None = None
    ) -> list[m.Evaluated]:
        """`decide` answers for the authorizer."""
        found = await self._done(m.Evaluate(list(names), dict(values), parts), decide)
        return msgspec.convert(found, list[m.Evaluated])

    async def judge(self, key: str, raw: Any, new: Any, old: Any | None) -> tuple[list[Problem], list[Problem]]:
        """What the rules of a schema say of an object, and what of that is tolerated; `old` None: it is new.

        `key` stands for `raw` for ever.
        """
        job = m.Judge(key, new, old, old is None)
        if key not in self._sent:
            job.raw = raw
        reply = await self._run(job, None)
        if isinstance(reply, m.Unknown):
            job.raw = raw
            reply = await self._run(job, None)
        self._sent.add(key)
        refused, tolerated = ([m.to_problem(one) for one in found] for found in reply.result)
        return refused, tolerated

    async def check_schemas(self, schemas: list[tuple[str, Any]]) -> list[Problem]:
        """What is wrong with the rules in schemas, each with its path."""
        return [m.to_problem(one) for one in await self._done(m.CheckSchemas(schemas), None)]

    async def check_types(self, job: m.CheckTypes) -> list[str]:
        """For each expression what is wrong with it by the types of what it speaks of; "" where nothing is."""
        found: list[str] = await self._done(job, None)
        return found

    async def close(self) -> None:
        """Ends the evaluator."""
        await self._end()

    async def _done(self, job: m.Job, decide: Decide | None) -> Any:
        reply = await self._run(job, decide)
        return reply.result

    async def _run(self, job: m.Job, decide: Decide | None) -> Any:
        try:
            data = m.frame(job)
        except (OverflowError, ValueError, TypeError) as error:
            raise EvaluationError(f"a value cannot be shown to expressions: {error}") from None
        async with self._lock:
            for last in (False, True):
                try:
                    return await self._exchange(await self._started(), data, decide)
                except (OSError, EOFError, TimeoutError) as error:
                    cause, again = await self._cause(error)
                    if last or not again:
                        log.warning("an expression could not be evaluated: %s", cause)
                        raise EvaluationError(cause) from None
                except BaseException:
                    await self._end()
                    raise
        raise AssertionError("the last try raises")

    async def _started(self) -> Process:
        found = self._process
        if found is not None and found.returncode is None:
            return found
        self._sent.clear()
        found = self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, start_new_session=True, limit=1 << 20
        )
        if not isinstance(await _read(found, START_SECONDS), m.Ready):
            raise EOFError
        return found

    async def _exchange(self, process: Process, data: bytes, decide: Decide | None) -> Any:
        assert process.stdin is not None
        process.stdin.write(data)
        await process.stdin.drain()
        while isinstance(reply := await _read(process, SECONDS), m.Ask):
            allowed, reason = decide(reply.thing, reply.verb) if decide is not None else (False, "no authorizer")
            process.stdin.write(m.frame(m.Allowed(allowed, reason)))
        return reply

    async def _cause(self, error: Exception) -> tuple[str, bool]:
        """(why there is no answer, may it be tried once more: somebody else ended the evaluator)."""
        process = self._process
        await self._end(wait=not isinstance(error, TimeoutError))
        code = process.returncode if process is not None else None
        if isinstance(error, TimeoutError) or code == -signal.SIGPROF:
            return EXCEEDED, False
        what = f"by signal {signal.Signals(-code).name}" if code and code < 0 else f"with exit code {code}"
        return f"{LOST} {what}", code in (-signal.SIGKILL, -signal.SIGTERM, 0)

    async def _end(self, *, wait: bool = False) -> None:
        """`wait`: it is ending by itself."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None and not wait:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _read(process: Process, seconds: float) -> Any:
    """Raises EOFError, OSError, TimeoutError."""
    assert process.stdout is not None
    async with asyncio.timeout(seconds):
        size = int.from_bytes(await process.stdout.readexactly(m.HEAD), "big")
        return m.to_daemon.decode(await process.stdout.readexactly(size))
