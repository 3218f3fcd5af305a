"""Steps: one instruction of a stage carried out, or found to be done already. Its result is a record of a layer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import msgspec

from corral.build.cache import copy_key, make_key, run_key, workdir_key
from corral.build.client import Client
from corral.build.copying import Fetched, Hashes, Source, carry_out, digest, links
from corral.build.copying.owner import find_owner
from corral.build.copying.plan import plan_copy
from corral.build.events import Vertex
from corral.build.exchange import Offer
from corral.build.foresight import Foresight, counts, mounted
from corral.build.imports import Imports, Past
from corral.build.mounting import Mounting, plan_places
from corral.build.ops import CopyOp, RunOp, Step, WorkdirOp
from corral.build.origins import Origin, opened, stage_of
from corral.build.records import Record
from corral.build.request import BuildFailed, BuildRequest, wants_inline
from corral.build.running import describe_process, plan_sandbox, surroundings
from corral.build.shared import Ear
from corral.build.stopping import in_stoppable_thread
from corral.build.works import Works
from corral.errors import InvalidInput, RuntimeFailed, from_oserror
from corral.images import growth
from corral.images.draft import Draft
from corral.kit.ids import new_id
from corral.linux.rooted import make_directories, open_root
from corral.linux.tree import remove_tree

CREATE = "OCI runtime create failed"
Work = Callable[[Draft, Ear], Awaitable[None]]  # makes the next layer of a draft


@dataclass(frozen=True)
class _Job:
    """A step to do, on the layers up to `below`."""

    step: Step
    below: str
    vertex: Vertex
    cached: bool
    past: Past


class Steps:
    """Those of one build. `origin` finds where files come from, `hold` keeps layers until the build ends; `latest`
    (seconds) is what times are clamped to."""

    def __init__(
        self,
        works: Works,
        request: BuildRequest,
        client: Client,
        origin: Callable[[str], Awaitable[Origin]],
        hold: Callable[[str], None],
        imports: Imports,
        foresight: Foresight,
        latest: int | None,
    ) -> None:
        self._works, self._request, self._origin, self._hold, self._latest = works, request, origin, hold, latest
        self._client, self._imports, self._foresight = client, imports, foresight
        self.records: list[Record] = []  # all results so far
        self._around = surroundings(request)
        self._hashes = Hashes()

    async def do(
        self, step: Step, below: str, vertex: Vertex, *, cached: bool = True, past: Past | None = None
    ) -> Record:
        """The record of what `step` comes to on the layers up to `below`, which the caller holds. `cached`: an
        earlier result is welcome; `past` is how the stage came to where it is.

        The record's layers are held. BuildFailed, and what the engine raises.
        """
        op = step.op
        if isinstance(op, RunOp):
            job = _Job(step, below, vertex, cached, past or Past())
            if cached and (files := await self._foreseen(op)):
                found = await self._brought(run_key(below, op, files, self._around, self._latest), job)
                if found is not None:
                    return found
            files = {m.target: await self._mounted(m.origin, m.source) for m in op.mounts if counts(m.kind, m.origin)}
            key = run_key(below, op, files, self._around, self._latest)
            return await self._result(key, job, lambda draft, ear: self._run(op, draft, ear, vertex))
        if isinstance(op, CopyOp):
            return await self._copy(op, _Job(step, below, vertex, cached, Past()))
        assert isinstance(op, WorkdirOp)
        key = workdir_key(below, op, self._latest)
        job = _Job(step, below, vertex, cached, past or Past())
        return await self._result(key, job, lambda draft, ear: self._workdir(op, draft))

    async def _result(self, key: str, job: _Job, work: Work) -> Record:
        found = self._works.records.find(key) if job.cached else None
        if found is not None:
            self._works.records.touch(found, self._works.clock.now())
            job.vertex.cached = True
        while found is None:
            made = await self._works.shared.do(
                key if job.cached else (key, id(self)), lambda ear: self._make(key, job, work, ear), job.vertex
            )
            if self._works.images.layers.get(made.chain) is not None:  # or another build made it, and it was pruned
                found = made
        self._hold(found.chain)  # without waiting: it is there
        self.records.append(found)
        return found

    async def _make(self, key: str, job: _Job, work: Work, ear: Ear) -> Record:
        """The layer is brought from a cache, or made."""
        async with self._works.images.draft() as draft:
            draft.hold_all(job.below)
            offer = await self._imports.bring(key, job.step, job.past, draft) if job.cached else None
            if offer is None:
                async with self._works.slots:
                    await work(draft, ear)
            else:
                job.vertex.cached = True
            return self._record(key, job, draft, offer)

    def _record(self, key: str, job: _Job, draft: Draft, offer: Offer | None) -> Record:
        works = self._works
        layer, now = works.images.layers.stack(draft.top)[-1], works.clock.now()
        made = offer.created if offer else now
        created = made if self._latest is None else self._latest * 10**9
        record = Record(key, draft.top, layer.diff, layer.size, created, job.step.text, now, 1)
        works.records.add(record)
        self._hold(record.chain)  # before anything is waited for: from now on a prune sees it
        return record

    # What need not be made, nor what it reads.

    async def describe(self, step: Step, below: str) -> str:
        """A step's key on what is known as `below`, by what it reads, without making it; "" where that is not known."""
        op = step.op
        if isinstance(op, WorkdirOp):
            return workdir_key(below, op, self._latest)
        if isinstance(op, CopyOp):
            if any(piece.kind in ("url", "git") for piece in plan_copy(op)):
                return ""
            content = await self._described(op)
            return copy_key(below, content, self._latest) if content else ""
        assert isinstance(op, RunOp)
        mounts = [m for m in op.mounts if counts(m.kind, m.origin)]
        files = {m.target: await self._described(mounted(m.origin, m.source)) for m in mounts}
        return run_key(below, op, files, self._around, self._latest) if all(files.values()) else ""

    async def _described(self, op: CopyOp) -> str:
        if stage_of(op.origin) is not None:
            return await self._foresight.key(op)
        return await self._digest(op, {})

    async def _foreseen(self, op: RunOp) -> dict[str, str]:
        """What the mounts of a process show, by its target, where a cache knows it of each that is a stage's."""
        mounts = [m for m in op.mounts if counts(m.kind, m.origin)]
        if all(stage_of(m.origin) is None for m in mounts):
            return {}
        files = {}
        for mount in mounts:
            read = mounted(mount.origin, mount.source)
            other = stage_of(mount.origin) is None
            files[mount.target] = await self._digest(read, {}) if other else await self._foresight.digest(read)
        return files if all(files.values()) else {}

    async def _brought(self, key: str, job: _Job) -> Record | None:
        """A result that is here, or in a cache."""
        found = self._works.records.find(key)
        if found is not None:
            self._works.records.touch(found, self._works.clock.now())
        else:
            async with self._works.images.draft() as draft:
                draft.hold_all(job.below)
                offer = await self._imports.bring(key, job.step, job.past, draft)
                if offer is None:
                    return None
                found = self._record(key, job, draft, offer)
        job.vertex.cached = True
        self._hold(found.chain)
        self.records.append(found)
        return found

    # What the files are that a step reads.

    async def _mounted(self, origin: str, source: str) -> str:
        return await self._digest(mounted(origin, source), {})

    async def _digest(self, op: CopyOp, fetched: Mapping[str, Fetched]) -> str:
        """Of an op and all its files. What was read of a stage is kept for caches."""
        found = await self._read(op, fetched)
        given = self._request.cache_to or wants_inline(self._request)
        if given and (key := await self._foresight.key(op)):
            self._foresight.read[key] = found
        return found

    async def _read(self, op: CopyOp, fetched: Mapping[str, Fetched]) -> str:
        """What layers hold never changes, so it is remembered."""
        origin = await self._origin(op.origin)
        memo = make_key("files", origin.chain, op) if origin.constant and not fetched else ""
        if memo and (known := self._works.records.memo(memo)):
            return known
        async with opened(self._works.sandboxes, origin) as root:
            source = Source(root, origin.owner, origin.name)
            found = await in_stoppable_thread(
                "digest", lambda check: digest(op, source, self._hashes, fetched, check=check)
            )
        if memo:
            self._works.records.remember({memo: found})
        return found

    # Carrying out.

    async def _run(self, op: RunOp, draft: Draft, ear: Ear, vertex: Vertex) -> None:
        works, request = self._works, self._request
        async with AsyncExitStack() as stack:
            mounting = Mounting(works.sandboxes, works.caches, works.scratch, stack, self._origin, self._client)
            spec = plan_sandbox(op, request, await mounting.prepare(op.mounts, op.files))
            places = plan_places(mounting.targets, works.images.layers.lowers(draft.top))
            async with works.sandboxes.open(draft.top, places) as box:
                vertex.enter(box.id)
                try:
                    code = await box.run(spec, ear)
                except RuntimeFailed as error:
                    reason = error.message.rpartition(CREATE)[2].removeprefix(": ").removesuffix(": unknown")
                    raise _failed(op, reason, error.exit_code) from error
                except InvalidInput as error:  # a user whom the image does not know
                    raise _failed(op, error.message, classic=error.message) from error
                if code:
                    raise _failed(op, f"exit code: {code}", code)
                await growth.adopt(works.images, box.id, draft, self._latest)

    async def _copy(self, op: CopyOp, job: _Job) -> Record:
        async with AsyncExitStack() as stack:
            fetched: dict[str, Fetched] = {}
            if op.add:
                scratch = f"{self._works.images.scratch}/{new_id()[:16]}"
                os.mkdir(scratch)
                stack.push_async_callback(asyncio.to_thread, remove_tree, scratch)
                agent = await self._client.agent("default")
                fetched = await self._works.fetcher.fetch(op, scratch, job.vertex.fetched, ssh_agent=agent)
            on = replace(job, below="") if links(op) else job
            seen = await self._foresight.digest(op) if job.cached else ""
            found = await self._brought(copy_key(on.below, seen, self._latest), on) if seen else None
            if found is None:
                key = copy_key(on.below, await self._digest(op, fetched), self._latest)
                found = await self._result(key, on, lambda draft, _: self._carry(op, fetched, draft))
            if not links(op):
                return found
            alone = found
        async with self._works.images.draft() as draft:
            draft.hold_all(job.below)
            await growth.graft(self._works.images, alone.chain, draft)
            self._hold(draft.top)
            return msgspec.structs.replace(alone, chain=draft.top)

    async def _carry(self, op: CopyOp, fetched: Mapping[str, Fetched], draft: Draft) -> None:
        fetched = {path: await one.here() for path, one in fetched.items()}
        origin, works = await self._origin(op.origin), self._works
        async with (
            opened(works.sandboxes, origin) as root,
            works.sandboxes.open(draft.top) as box,
        ):
            source = Source(root, origin.owner, origin.name)
            if links(op):
                await in_stoppable_thread("copy", lambda check: carry_out(op, source, box.upper, fetched, check))
            else:
                async with box.rootfs() as target:
                    await in_stoppable_thread("copy", lambda check: carry_out(op, source, target, fetched, check))
            await growth.adopt(works.images, box.id, draft, self._latest)

    async def _workdir(self, op: WorkdirOp, draft: Draft) -> None:
        async with self._works.sandboxes.open(draft.top) as box:
            async with box.rootfs() as target:
                _make_workdir(target, op)
            await growth.adopt(self._works.images, box.id, draft, self._latest)


def _failed(op: RunOp, reason: str, code: int = 0, classic: str = "") -> BuildFailed:
    text = f"process {describe_process(op.argv)} did not complete successfully: {reason}"
    return BuildFailed(text, exit_code=code, classic=classic)


def _make_workdir(rootfs: str, op: WorkdirOp) -> None:
    root = open_root(rootfs)
    try:
        owner = find_owner(op.user, root) if op.user else None
        make_directories(root, op.path, owner=owner)
    except (FileExistsError, NotADirectoryError):
        raise BuildFailed(f"cannot make the working directory {op.path}: a file is in the way") from None
    except OSError as error:
        raise from_oserror(f"make the working directory {op.path}", error) from error
    finally:
        os.close(root)
