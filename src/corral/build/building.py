"""Building: one build from its request to its end."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from msgspec import field
from msgspec.structs import replace

from corral.build import frontend
from corral.build.bases import check_platform, find_image
from corral.build.client import Client, Given, plan_paths
from corral.build.context import bring, make_scratch
from corral.build.copying.giturl import is_remote
from corral.build.dockerfile import Plan, StageSteps
from corral.build.events import Telling
from corral.build.excerpt import excerpt
from corral.build.exports import export, inline_entries
from corral.build.foresight import Foresight
from corral.build.frontend import Ready, Source
from corral.build.imports import Imports, Past
from corral.build.ops import CopyOp, Span, Step, Warning
from corral.build.origins import Origin
from corral.build.outputs import Result, check_outputs, check_times, give, plan_names
from corral.build.request import BuildFailed, BuildRequest, Built, Output, Warned, wants_inline
from corral.build.result import Done, plan_image
from corral.build.steps import Steps
from corral.build.stores import check_stores
from corral.build.works import Works
from corral.errors import CorralError, Unsupported
from corral.images import config as configs
from corral.images import digests
from corral.images.library import top
from corral.images.references import as_id
from corral.images.references import parse as parse_ref
from corral.kit.ignore import Ignore
from corral.linux.tree import remove_tree
from corral.model.container import Struct
from corral.model.image import Image, ImageConfig


class StageDone(Struct):
    """A stage at its end: the image at its very bottom, the top of its layers, and its steps. `fresh`: one of these
    was not in the cache. `image` is the id of what it comes to; `made` are those of configurations that are new."""

    chain: str
    base: Image | None = None
    steps: list[Done] = field(default_factory=list)
    fresh: bool = False
    image: str = ""
    made: list[str] = field(default_factory=list)

    def past(self) -> Past:
        """How it came here."""
        diffs = [*(self.base.diff_ids if self.base else []), *(one.diff for one in self.steps if one.diff)]
        history = [entry.created_by for entry in self.base.history] if self.base else []
        return Past(diffs, [*history, *(one.step.created_by for one in self.steps if one.step.created_by)])


class Building:
    """One build. `run` once; what it says meanwhile goes to `telling`."""

    def __init__(self, works: Works, request: BuildRequest, client: Client | None = None) -> None:
        self._works, self._request = works, request
        self._client = client or Given(request)
        self._sent: asyncio.Task[str] | None = None
        self._paths: list[str] | None = None  # what is read of the main context
        self._images = works.images
        self.telling = Telling()
        self._held = AsyncExitStack()
        self._source = Source("Dockerfile", "")
        self._stages: dict[int, asyncio.Task[StageDone]] = {}
        self._found: dict[str, asyncio.Task[Image]] = {}
        self._brought: dict[str, asyncio.Task[str]] = {}
        self._platform = check_platform(request.platform)
        self._imports = Imports(works, request, self._client, self._warn)
        self._foresight = Foresight(
            self._imports, works.records, self._below, brings=bool(request.cache_from),
            trusting=not (request.no_cache or request.no_cache_stages),
        )  # fmt: skip
        self._latest: int | None = None  # seconds: what times are clamped to
        check_outputs(request)
        check_stores(request)
        plan_names(request, Output("image"))  # a bad name is known before anything is done

    async def run(self) -> None:
        """To its end. BuildFailed, and other CorralErrors."""
        async with self._held:
            try:
                await self._run()
            except BuildFailed as error:
                self._warned(error.warnings)
                if error.span is not None and not error.excerpt:
                    error.excerpt = excerpt(self._source.name, self._source.text, error.span)
                raise
            finally:
                sent = [self._sent] if self._sent else []
                await _cancel([*self._stages.values(), *self._found.values(), *self._brought.values(), *sent])
                await self._foresight.close()
                await self._imports.close()

    async def _run(self) -> None:
        request = self._request
        self._source = await self._client.dockerfile(self.telling)
        plan = frontend.plan(self._source, request)
        ready = await self._evaluate(plan)
        self._warned(ready.warnings)
        if request.check_only:
            return
        self._heads(ready)
        if plan.unconsumed:
            self.telling.say(Warned(unasked(plan.unconsumed)))
        self._latest = request.source_date_epoch if plan.epoch is None else plan.epoch
        for output in request.outputs:
            check_times(output, self._latest)
        self._paths = plan_paths(ready.stages.values())
        self._steps = Steps(
            self._works, request, self._client, self._origin, self._hold, self._imports, self._foresight, self._latest
        )
        self._ready = ready
        self._foresight.start(ready.stages, self._steps.describe)
        unneeded = await self._foresight.unneeded(plan.target)
        await _all([self._made(number) for number in ready.stages if number not in unneeded])
        for number in sorted(unneeded - self._stages.keys()):  # nobody has asked for it after all
            self._found_done(ready, ready.stages[number])
        done = self._stages[plan.target].result()
        if request.labels:
            self._label(ready, done)
        await self._finish(done, ready.config)

    async def _evaluate(self, plan: Plan) -> Ready:
        """Fetches the images that stages stand on, and gives all steps."""
        images: dict[str, Image] = {}
        while (ready := frontend.evaluate(plan, images)).missing:
            spans = {stage.base: stage.span for stage in plan.stages}
            tasks = [asyncio.ensure_future(self._placed(spans[one], self._image, one)) for one in ready.missing]
            try:
                found = await _all(tasks)
            except BuildFailed as error:
                failed = [one for one, task in zip(ready.missing, tasks, strict=True) if _raised(task, error)]
                self._stands_on_nothing(ready, failed)
                raise
            images.update(zip(ready.missing, found, strict=True))
        if patterns := await self._client.ignored(self.telling):
            plan.ignore = Ignore(patterns)
            return frontend.evaluate(plan, images)
        return ready

    def _heads(self, ready: Ready) -> None:
        """The ARGs before the first FROM."""
        for place, head in enumerate(ready.plan.heads):
            with self.telling.vertex(head.text, _label(ready, place, as_written(self._source.text, head))):
                pass  # it is done by being read

    def _stands_on_nothing(self, ready: Ready, failed: Sequence[str]) -> None:
        """The step whose image cannot be had, which the classic display shows before it says why."""
        self._heads(ready)
        stages = [ready.plan.stages[number] for number in ready.plan.needed]
        for stage in [stage for stage in stages if stage.base in failed][:1]:
            label = _label(ready, ready.first[stage.number], f"FROM {stage.text.partition(' ')[2]}")
            with self.telling.vertex(stage.text, label):
                pass  # its failure is that of looking for the image

    async def _finish(self, done: StageDone, config: ImageConfig) -> None:
        image = self._plan(done, config)
        below = len(done.base.diff_ids) if done.base else 0
        entries = inline_entries(done.steps, below) if wants_inline(self._request) else None
        built = Built("")
        for output in self._request.outputs or [Output("image")]:
            result = Result(image, done.chain, done.base, entries, dict(self._foresight.read))
            built = await give(self._works, self._request, output, result, self.telling) or built
        keys = {one.key for one in done.steps}
        for number, store in enumerate(self._request.cache_to):
            made = [record for record in self._steps.records if store.mode == "max" or record.key in keys]
            seen = self._foresight.read
            await export(self._works, self._request, self._client.credentials, number, made, seen, self.telling)
        self.telling.say(built)

    def _warned(self, warnings: Sequence[Warning]) -> None:
        for warning in warnings:
            text = excerpt(self._source.name, self._source.text, warning.span)
            self.telling.say(Warned(replace(warning, text=text)))

    def _warn(self, text: str) -> None:
        with self.telling.vertex("importing cache") as vertex:
            vertex.print(2, f"{text}\n".encode())

    # Stages.

    def _made(self, number: int) -> asyncio.Task[StageDone]:
        """A stage, which is made once, at the latest when somebody needs it."""
        task = self._stages.get(number)
        if task is None:
            work = self._stage(self._ready, self._ready.stages[number])
            task = self._stages[number] = asyncio.create_task(work, name=f"stage {number}")
        return task

    def _found_done(self, ready: Ready, stage: StageSteps) -> None:
        """Tells of the steps of a stage that need not be made."""
        place = ready.first[stage.stage.number]
        shown = f"FROM {stage.stage.text.partition(' ')[2]}"
        with self.telling.vertex(f"[{stage.number}] {shown}" if stage.number else shown, _label(ready, place, shown)):
            pass
        for number, step in enumerate(stage.steps, place + 1):
            label = _label(ready, number, as_written(self._source.text, step))
            with self.telling.vertex(f"[{step.number}] {step.text}" if step.number else step.text, label) as vertex:
                vertex.cached = True

    async def _below(self, stage: StageSteps) -> str:
        """What a stage stands on that is no stage: a name for its content, "" where there is none."""
        kind = stage.stage.base.partition(":")[0]
        if kind == "context":
            return ""
        return f"image {top(await self._image(stage.stage.base))}" if kind == "image" else "scratch"

    async def _stage(self, ready: Ready, stage: StageSteps) -> StageDone:
        number = stage.stage.number
        label = _label(ready, ready.first[number], f"FROM {stage.stage.text.partition(' ')[2]}")
        done: StageDone = await self._placed(stage.stage.span, self._begin, stage, label)
        cached = is_cached(self._request, stage.stage.name, stage.stage.shown)
        try:
            for place, step in enumerate(stage.steps, ready.first[number] + 1):
                label = _label(ready, place, as_written(self._source.text, step))
                await self._placed(step.span, self._step, step, done, cached, label)
        finally:
            if done.made:
                self._works.records.remember(dict.fromkeys(done.made, "1"))
        return done

    async def _begin(self, stage: StageSteps, label: str) -> StageDone:
        """What the stage stands on."""
        kind, _, name = stage.stage.base.partition(":")
        shown = f"FROM {name if kind == 'image' else stage.stage.text.split()[1]}"
        if kind == "context":
            op = CopyOp(["/"], "/", stage.stage.base)
            done = StageDone("")
            step = Step(shown, shown, stage.stage.span, ImageConfig(), op, number=stage.number)
            await self._step(step, done, True, label)
            return done
        with self.telling.vertex(f"[{stage.number}] {shown}" if stage.number else shown, label) as vertex:
            if kind == "image":
                image = await self._image(stage.stage.base)
                vertex.image = image.id
                return StageDone(top(image), image, image=image.id)
            if kind == "stage":
                below = await asyncio.shield(self._made(int(name)))
                vertex.image = below.image
                return replace(below, steps=list(below.steps), made=[])
        return StageDone("")

    async def _step(self, step: Step, done: StageDone, cached: bool, label: str) -> None:
        with self.telling.vertex(f"[{step.number}] {step.text}" if step.number else step.text, label) as vertex:
            if step.op is None:
                done.steps.append(Done(step))
                done.image = vertex.image = self._id(done, step.config)
                vertex.cached = cached and not done.fresh and bool(self._works.records.memo(done.image))
                done.made += [done.image] if not vertex.cached else []
            else:
                record = await self._steps.do(step, done.chain, vertex, cached=cached, past=done.past())
                done.steps.append(Done(step, record.diff, record.created, record.key))
                done.chain = record.chain
                done.image = vertex.image = self._id(done, step.config)
            done.fresh = done.fresh or not vertex.cached

    def _id(self, done: StageDone, config: ImageConfig) -> str:
        """Of the image that a stage comes to with its steps so far."""
        return digests.of(configs.build(self._plan(done, config)))

    def _plan(self, done: StageDone, config: ImageConfig) -> Image:
        epoch = None if self._latest is None else self._latest * 10**9
        return plan_image(done.base, self._platform, config, done.steps, epoch=epoch)

    async def _placed(self, span: Span, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Does it; a failure is said to be of these lines, unless it knows better."""
        try:
            return await work(*args)
        except CorralError as error:
            if isinstance(error, BuildFailed):
                error.span = error.span or span
                raise
            raise BuildFailed(error.message, span=span) from error

    def _label(self, ready: Ready, done: StageDone) -> None:
        """The labels that are given beside the Dockerfile: the classic display's last step."""
        text = label_text(self._request.labels)
        with self.telling.vertex(text, _label(ready, ready.total - 1, text)) as vertex:
            vertex.image = self._id(done, ready.config)
            vertex.cached = not done.fresh and bool(self._works.records.memo(vertex.image))
            if not vertex.cached:
                self._works.records.remember({vertex.image: "1"})

    # Where files come from.

    async def _origin(self, origin: str) -> Origin:
        kind, _, name = origin.partition(":")
        if not kind:
            where = await self._context()
            return Origin("context", (where,), owner=(0, 0)) if where else self._layers("context", "")
        if kind == "stage":
            done = await asyncio.shield(self._made(int(name)))
            return self._layers(f"stage-{name}", done.chain)
        if kind == "image":
            return self._layers(name, top(await self._copied_image(origin)))
        if kind == "scratch":
            return self._layers("scratch", "")
        return Origin(f"context {name}", (await self._directory(name),), owner=(0, 0))

    async def _copied_image(self, origin: str) -> Image:
        """One that is copied from, which Docker's classic builder says."""
        try:
            return await self._image(origin)
        except BuildFailed as error:
            if not error.classic:
                raise
            shown = written_name(origin.partition(":")[2], self._source.text)
            classic = f"invalid from flag value {shown}: {error.classic}"
            raise BuildFailed(error.message, classic=classic) from error

    async def _directory(self, name: str) -> str:
        """Where a named context is: here already, or brought once from its URL or repository."""
        where = self._request.contexts.get(name, "")
        if where.startswith("oci-layout://"):
            raise Unsupported(f"named context {name}: oci-layout:// is not supported; load it, and use docker-image://")
        task = self._brought.get(name)
        if task is None:
            work = self._bring(name, where) if is_remote(where) else self._client.directory(name, where, self.telling)
            task = self._brought[name] = asyncio.create_task(work, name=f"context {name}")
        return await asyncio.shield(task)

    async def _context(self) -> str:
        """Where the main context is, when the first step needs it; "" where nothing is read of it."""
        if self._paths == []:
            return ""
        if self._sent is None:
            self._sent = asyncio.create_task(self._client.context(self._paths, self.telling), name="context")
        return await asyncio.shield(self._sent)

    async def _bring(self, name: str, where: str) -> str:
        works = self._works
        scratch = make_scratch(works.contexts)
        self._held.push_async_callback(asyncio.to_thread, remove_tree, scratch)
        agent = await self._client.agent("default")
        with self.telling.vertex(f"[context {name}] load {where}") as vertex:
            return await bring(where, scratch, works.fetcher, report=vertex.fetched, ssh_agent=agent)

    def _layers(self, name: str, chain: str) -> Origin:
        return Origin(name, tuple(self._images.layers.dirs(chain)), chain)

    async def _image(self, origin: str) -> Image:
        """An image, looked for once; its layers are held until the build ends."""
        task = self._found.get(origin)
        if task is None:
            task = self._found[origin] = asyncio.create_task(self._find(origin.partition(":")[2]), name=origin)
        return await asyncio.shield(task)

    async def _find(self, ref: str) -> Image:
        with self.telling.vertex(f"[internal] load metadata for {ref}") as vertex:
            shown = written_name(ref, self._source.text)
            image = await find_image(
                self._works.engine, ref, self._request, self._client.credentials, vertex.moved, shown
            )
            self._hold(top(image))
        return image

    def _hold(self, chain: str) -> None:
        """Keeps layers until the build has ended. Nothing was waited for since they were found."""
        self._images.layers.hold(chain)
        self._works.held[chain] += 1
        self._held.push_async_callback(self._release, chain)

    async def _release(self, chain: str) -> None:
        self._works.let_go(chain)
        await self._images.release(chain)


def as_written(text: str, step: Step) -> str:
    """Pure: an instruction as it stands in the file, where that is one line; else with its variables expanded.

    >>> as_written("FROM a\\nRUN  echo $X\\n", Step("RUN echo 1", "", Span(2, 2), ImageConfig()))
    'RUN echo $X'
    """
    lines = text.splitlines()[step.span.first - 1 : step.span.last]
    words = lines[0].split(None, 1) if len(lines) == 1 else []
    if len(words) < 2 or words[0].upper() != step.text.partition(" ")[0]:  # of another instruction: a trigger
        return step.text
    return f"{words[0].upper()} {words[1].strip()}"


def written_name(ref: str, text: str) -> str:
    """Pure: an image's name as people wrote it: a tag that goes without saying is in it only if the file says it.

    >>> written_name("docker.io/library/a:latest", "FROM a"), written_name("docker.io/b/a:latest", "FROM b/a:latest")
    ('a', 'b/a:latest')
    """
    found = ref if as_id(ref) else parse_ref(ref).familiar
    return found if found in text else found.removesuffix(":latest")


def is_cached(request: BuildRequest, *names: str) -> bool:
    """Pure: whether earlier results are welcome in a stage of these names.

    >>> request = BuildRequest(no_cache_stages=["Build"])
    >>> is_cached(request, "build", ""), is_cached(request, "", "stage-1")
    (False, True)
    """
    refused = {name.lower() for name in request.no_cache_stages}
    return not (request.no_cache or refused & {name.lower() for name in names if name})


def label_text(labels: Mapping[str, str]) -> str:
    """Pure: labels as an instruction.

    >>> label_text({"a": "b", "c": "d e"})
    "LABEL a=b c='d e'"
    """
    return " ".join(["LABEL", *(f"{name}={shlex.quote(value)}" for name, value in labels.items())])


def unasked(arguments: Sequence[str]) -> Warning:
    """Pure: what is said of build arguments that no ARG asks for. It is no rule of lint, and has no place.

    >>> unasked(["a", "b"]).detail
    '[Warning] One or more build-args [a b] were not consumed'
    """
    text = f"[Warning] One or more build-args [{' '.join(arguments)}] were not consumed"
    return Warning("", "", "", text, Span(0, 0))


def _label(ready: Ready, place: int, text: str) -> str:
    """Pure: an instruction as the classic display has it."""
    return f"Step {place + 1}/{ready.total} : {text}"


async def _all(tasks: Sequence[asyncio.Future[Any]]) -> list[Any]:
    """All results; the others are cancelled when one fails, and what that raised is raised."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        return [task.result() for task in tasks]
    finally:
        await _cancel(tasks)


def _raised(task: asyncio.Future[Any], error: BaseException) -> bool:
    return task.done() and not task.cancelled() and task.exception() is error


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    """Ends what still runs, and waits for that."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
