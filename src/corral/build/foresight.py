"""Foresight: what is read of a stage that is only copied from, known from a cache, so that the stage need not be made.

A step's key has the content that it reads in it (see `cache`), and of another stage's that is known once the stage
has been made. A cache that holds only the layers of an image (mode=min) has none of such a stage: it was made anew for
every build that found all else there. BuildKit, whose keys are made of how things come about, does not do that. So a
stage is also known by how it comes about, its *definition*: the images and files that it begins with, and its
instructions; and a cache says which content was read of which definition::

    FROM golang AS build          the definition of `build`: D = H(H(chain of golang, COPY, digest of .), RUN make)
    COPY . /src
    RUN make                      seen: {H(D, COPY --from=build /bin/app /): digest of /bin/app}
    FROM scratch
    COPY --from=build /bin/app /  its key is made of that digest, and the cache has its layer: nobody needs `build`

What a cache said is remembered: the next build finds the same without it. Where anything is not found after all, the
stage is made, and what it comes to counts, not what was seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from corral.build.cache import make_key
from corral.build.dockerfile import StageSteps
from corral.build.imports import Imports
from corral.build.ops import CopyOp, RunOp, Step
from corral.build.origins import stage_of
from corral.build.records import Records
from corral.errors import CorralError

SEEN = "seen "
Describe = Callable[[Step, str], Awaitable[str]]  # a step's key on what is known by another; "" where there is none
Begin = Callable[[StageSteps], Awaitable[str]]  # what a stage stands on that is no stage


class Foresight:
    """Of one build. `describe` is `Steps.describe`; `trusting`: are earlier results welcome, in all stages?"""

    def __init__(self, imports: Imports, records: Records, begin: Begin, *, brings: bool, trusting: bool) -> None:
        self._imports, self._records, self._begin = imports, records, begin
        self._asks = trusting and (brings or records.remembers(SEEN))  # most builds do without all of this
        self._stages: dict[int, StageSteps] = {}
        self._definitions: dict[int, asyncio.Task[str]] = {}
        self.read: dict[str, str] = {}  # what was seen or read in this build, for those after it

    def start(self, stages: dict[int, StageSteps], describe: Describe) -> None:
        self._stages, self._describe = stages, describe

    async def key(self, op: CopyOp) -> str:
        """What a read of a stage is known by; "" for one of anything else, or of a stage that cannot be foreseen."""
        number = stage_of(op.origin)
        definition = await self._definition(number) if number is not None else ""
        return make_key("seen", definition, op) if definition else ""

    async def digest(self, op: CopyOp) -> str:
        """Of what a COPY reads of a stage, by a cache; "" if none says."""
        key = await self.key(op) if self._asks else ""
        if not key:
            return ""
        found = self._records.memo(SEEN + key)
        if not found and (found := await self._imports.seen(key)):
            self._records.remember({SEEN + key: found})
        if found:
            self.read[key] = found
        return found

    async def unneeded(self, target: int) -> set[int]:
        """The stages of which a cache knows all that is read, and on which nothing stands that is needed."""
        found: set[int] = set()
        if not self._asks:
            return found
        for number in reversed(self._stages):  # who needs a stage comes after it
            users = [stage for other, stage in self._stages.items() if other not in found]
            stands = any(stage_of(stage.stage.base) == number for stage in users)
            ops = [op for stage in users for step in stage.steps for op in reads(step)]
            read = [op for op in ops if stage_of(op.origin) == number]
            if number != target and not stands and all([await self.digest(op) for op in read]):
                found.add(number)
        return found

    async def _definition(self, number: int) -> str:
        task = self._definitions.get(number)
        if task is None:
            task = self._definitions[number] = asyncio.create_task(self._define(number), name=f"definition {number}")
        return await asyncio.shield(task)

    async def _define(self, number: int) -> str:
        stage = self._stages[number]
        below = stage_of(stage.stage.base)
        try:
            known = await self._begin(stage) if below is None else await self._definition(below)
            for step in stage.steps:
                if known and step.op is not None:
                    known = await self._describe(step, known)
        except CorralError:  # a file is not there, say: making the stage tells
            return ""
        return known

    async def close(self) -> None:
        for task in self._definitions.values():
            task.cancel()
        await asyncio.gather(*self._definitions.values(), return_exceptions=True)


def reads(step: Step) -> list[CopyOp]:
    """Pure: what a step reads of anything that is not below it, each as a COPY of it.

    >>> from corral.build.ops import RunMount, Span
    >>> from corral.model.image import ImageConfig
    >>> run = RunOp(["make"], mounts=[RunMount("bind", "/m", origin="stage:0", source="/a"), RunMount("tmpfs", "/t")])
    >>> [(op.sources, op.origin) for op in reads(Step("RUN make", "", Span(1, 1), ImageConfig(), run))]
    [(['/a'], 'stage:0')]
    """
    op = step.op
    if isinstance(op, CopyOp):
        return [op]
    if isinstance(op, RunOp):
        return [mounted(m.origin, m.source) for m in op.mounts if counts(m.kind, m.origin)]
    return []


def mounted(origin: str, source: str) -> CopyOp:
    """Pure: all that a mount shows, as if it were copied."""
    return CopyOp([source or "/"], "/", origin, literal=True)


def counts(kind: str, origin: str) -> bool:
    """Pure: whether a mount's content counts for what is built."""
    return kind == "bind" or (kind == "cache" and bool(origin))
