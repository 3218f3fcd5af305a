"""Building: one build from its request to its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from msgspec import field
from msgspec.structs import replace

from corral.build import stages as frontend
from corral.build.bases import check_platform, find_image
from corral.build.events import Telling
from corral.build.ops import Span, Step
from corral.build.origins import Origin
from corral.build.outputs import give
from corral.build.request import BuildFailed, BuildRequest, Built, Warned
from corral.build.result import Done, plan_image
from corral.build.stages import Plan, Stage
from corral.build.steps import Steps
from corral.build.works import Works
from corral.errors import CorralError, InvalidInput, Unsupported
from corral.images.library import top
from corral.model.container import Struct
from corral.model.image import Image, ImageConfig


class StageDone(Struct):
    """A stage at its end: what it began with, its configuration, the top of its layers, and its steps."""

    chain: str
    config: ImageConfig
    base: Image | None = None
    steps: list[Done] = field(default_factory=list)


class Building:
    """One build. `run` once; what it says meanwhile goes to `telling`."""

    def __init__(self, works: Works, request: BuildRequest) -> None:
        self._works, self._request = works, request
        self._images = works.images
        self.telling = Telling()
        self._held = AsyncExitStack()
        self._stages: dict[int, asyncio.Task[StageDone]] = {}
        self._found: dict[tuple[str, str], asyncio.Task[Image]] = {}
        self._latest = frontend.source_date_epoch(request)
        self._steps = Steps(works, request, self._origin, self._latest)
        self._platform = check_platform(request.platform)

    async def run(self) -> None:
        """To its end. BuildFailed, and other CorralErrors."""
        async with self._held:
            with self.telling.vertex("[internal] load build definition from Dockerfile"):
                self._plan = plan = await asyncio.to_thread(frontend.plan, self._request)
            for warning in plan.warnings:
                self.telling.say(Warned(warning))
            if self._request.check_only:
                return
            for stage in plan.stages:
                self._stages[stage.number] = asyncio.create_task(self._stage(plan, stage), name=f"stage {stage.name}")
            try:
                await _all(list(self._stages.values()))
            finally:
                await _cancel([*self._stages.values(), *self._found.values()])
            await self._finish(self._stages[plan.target].result())

    async def _finish(self, done: StageDone) -> None:
        request = self._request
        image = plan_image(
            done.base,
            self._platform,
            done.config,
            done.steps,
            labels=request.labels,
            now=self._works.clock.now(),
            epoch=None if self._latest is None else self._latest * 10**9,
        )
        built = Built("")
        for output in request.outputs or [frontend.IMAGE]:
            built = await give(self._works, request, output, image, done.chain, self.telling) or built
        self.telling.say(built)

    # Stages.

    async def _stage(self, plan: Plan, stage: Stage) -> StageDone:
        done = await self._begin(stage)
        evaluated = await asyncio.to_thread(frontend.evaluate, plan, stage, done.config)
        for warning in evaluated.warnings:
            self.telling.say(Warned(warning))
        done.config = evaluated.config
        cached = not (self._request.no_cache or stage.name in self._request.no_cache_stages)
        for number, step in enumerate(evaluated.steps):
            await self._step(plan, stage, step, done, cached, stage.first + number + 1)
        return done

    async def _begin(self, stage: Stage) -> StageDone:
        """What the stage stands on."""
        kind, _, name = stage.base.partition(":")
        label = frontend.step_label(self._plan, stage.first, f"FROM {stage.base_text}")
        try:
            if kind == "stage":
                with self.telling.vertex(f"FROM {stage.base_text}", label) as vertex:
                    below = await asyncio.shield(self._stages[int(name)])
                    vertex.cached = True
                return replace(below, steps=list(below.steps))
            if kind == "image":
                image = await self._image(name, stage.platform, label, stage)
                return StageDone(top(image), image.config, image)
            if kind == "context":
                return await self._begin_with_context(name, stage, label)
        except CorralError as error:
            raise self._place(error, stage.span) from error
        with self.telling.vertex("FROM scratch", label) as vertex:
            vertex.cached = True
        return StageDone("", ImageConfig())

    async def _begin_with_context(self, name: str, stage: Stage, label: str) -> StageDone:
        where = self._request.contexts.get(name, "")
        if where.startswith("docker-image://"):
            image = await self._image(where.removeprefix("docker-image://"), stage.platform, label, stage)
            return StageDone(top(image), image.config, image)
        done = StageDone("", ImageConfig())
        step = frontend.copy_of_context(name, stage)
        await self._step(self._plan, stage, step, done, True, stage.first)
        return done

    async def _step(self, plan: Plan, stage: Stage, step: Step, done: StageDone, cached: bool, number: int) -> None:
        name = f"[{step.number}] {step.text}" if step.number else step.text
        try:
            with self.telling.vertex(name, frontend.step_label(plan, number, step.text)) as vertex:
                done.config = step.config
                if step.op is None:
                    done.steps.append(Done(step))
                    return
                record = await self._steps.do(step, done.chain, vertex, cached=cached)
                self._hold(record.chain)
                done.steps.append(Done(step, record.diff, record.created))
                done.chain = record.chain
        except CorralError as error:
            raise self._place(error, step.span) from error

    def _place(self, error: CorralError, span: Span) -> BuildFailed:
        """The failure with its lines, unless it has them."""
        if isinstance(error, BuildFailed) and error.span is not None:
            return error
        code = error.exit_code if isinstance(error, BuildFailed) else 0
        return BuildFailed(error.message, span=span, excerpt=frontend.excerpt(self._plan, span), exit_code=code)

    # Where files come from.

    async def _origin(self, origin: str) -> Origin:
        kind, _, name = origin.partition(":")
        if not kind:
            if not self._request.context:
                raise InvalidInput("this build has no context: nothing can be copied or mounted from it")
            return Origin("context", (self._request.context,), owner=(0, 0))
        if kind == "stage":
            done = await asyncio.shield(self._stages[int(name)])
            return self._layers(f"stage-{name}", done.chain)
        where = self._request.contexts.get(name, "") if kind == "context" else ""
        if kind == "image" or where.startswith("docker-image://"):
            ref = name if kind == "image" else where.removeprefix("docker-image://")
            image = await self._image(ref, "", "", None)
            return self._layers(ref, top(image))
        if not os.path.isdir(where):
            raise Unsupported(
                f"named context {name}: {where or 'nothing of that name'} is neither a directory nor docker-image://"
            )
        return Origin(f"context {name}", (where,), owner=(0, 0))

    def _layers(self, name: str, chain: str) -> Origin:
        return Origin(name, tuple(self._images.layers.dirs(chain)), chain)

    async def _image(self, ref: str, platform: str, label: str, stage: Stage | None) -> Image:
        """An image, looked for once; its layers are held until the build ends."""
        task = self._found.get((ref, platform))
        if task is None:
            name = f"FROM {ref}" if stage is None else f"[{stage.number_text}] FROM {ref}"
            task = self._found[ref, platform] = asyncio.create_task(self._find(ref, platform, name, label))
        return await asyncio.shield(task)

    async def _find(self, ref: str, platform: str, name: str, label: str) -> Image:
        with self.telling.vertex(name, label) as vertex:
            image = await find_image(self._works.engine, ref, self._request, platform, vertex.moved)
            self._hold(top(image))
            vertex.image = image.id
        return image

    def _hold(self, chain: str) -> None:
        """Keeps layers until the build has ended. Nothing was waited for since they were found."""
        self._images.layers.hold(chain)
        self._works.held[chain] += 1
        self._held.push_async_callback(self._release, chain)

    async def _release(self, chain: str) -> None:
        self._works.held[chain] -= 1
        await self._images.release(chain)


async def _all(tasks: Sequence[asyncio.Task[StageDone]]) -> None:
    """Returns when all are done; raises what the first that failed raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Ends what still runs, and waits for that."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
