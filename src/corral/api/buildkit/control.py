"""Control: the service that builds are started and watched by, and what is kept for later ones is shown and pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from corral.api.buildkit.failure import grpc_error
from corral.api.buildkit.progress import moment
from corral.api.buildkit.schema import message, parse
from corral.api.buildkit.session import ID, METHODS, Channel, methods_of
from corral.api.buildkit.solving import Solve
from corral.api.buildkit.workers import version
from corral.build.usage import Room, Usage
from corral.errors import CorralError, InvalidInput, Unsupported
from corral.http.grpc.flow import Flow
from corral.http.grpc.serving import Method

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit

SERVICE: Final = "/moby.buildkit.v1.Control/"
# Filters of `docker buildx du` and `prune` that the builder knows by the same name
FILTERS: Final = ("id", "type", "description", "inuse", "shared", "private", "until", "unused-for")


class Control:
    """One connection's."""

    def __init__(self, kit: BuildKit) -> None:
        self._kit = kit

    def methods(self) -> Mapping[str, Method]:
        table: dict[str, Method] = {
            "Info": self.info,
            "ListWorkers": self.list_workers,
            "Solve": self.solve,
            "Status": self.status,
            "Session": self.session,
            "DiskUsage": self.disk_usage,
            "Prune": self.prune,
        }
        return {f"{SERVICE}{name}": method for name, method in table.items()}

    async def info(self, flow: Flow) -> None:
        await flow.receive_one()
        await flow.send(message("InfoResponse", buildkitVersion=version()).SerializeToString())

    async def list_workers(self, flow: Flow) -> None:
        await flow.receive_one()
        await flow.send(message("ListWorkersResponse", record=[self._kit.worker()]).SerializeToString())

    async def solve(self, flow: Flow) -> None:
        """To the end of the build; a client that gives up the call cancels it."""
        request = parse("SolveRequest", await flow.receive_one())
        try:
            solve = Solve(self._kit, request)
            self._kit.solves.add(solve)
        except CorralError as error:
            raise grpc_error(error) from error
        try:
            answer = await solve.run()
        except CorralError as error:
            raise grpc_error(error) from error
        finally:
            self._kit.solves.end(solve)
            await solve.close()
        await flow.send(message("SolveResponse", ExporterResponse=answer).SerializeToString())

    async def status(self, flow: Flow) -> None:
        request = parse("StatusRequest", await flow.receive_one())
        try:
            solve = await self._kit.solves.get(request.Ref)
        except CorralError as error:
            raise grpc_error(error) from error
        async for data in solve.feed:
            await flow.send(data)

    async def session(self, flow: Flow) -> None:
        """A session within a call: bake has one for what several targets share."""
        sessions, methods = self._kit.sessions, [value for name, value in flow.headers if name == METHODS]
        try:
            id = sessions.check(flow.header(ID))
        except CorralError as error:
            raise grpc_error(error) from error
        await sessions.serve(id, methods_of(methods), Channel(flow))

    async def disk_usage(self, flow: Flow) -> None:
        request = parse("DiskUsageRequest", await flow.receive_one())
        try:
            filters = plan_filters(request.filter)
            found = [one for one in await self._kit.builder.usage() if fits(one, filters)]
        except CorralError as error:
            raise grpc_error(error) from error
        await flow.send(message("DiskUsageResponse", record=[usage_record(one) for one in found]).SerializeToString())

    async def prune(self, flow: Flow) -> None:
        """Tells of each thing that went, with the bytes that the disk got back by it: clients add them up."""
        request = parse("PruneRequest", await flow.receive_one())
        builder = self._kit.builder
        try:
            filters = plan_filters(request.filter)
            if request.keepDuration:
                filters["until"] = [f"{request.keepDuration // 10**9}s"]
            room = Room(request.reservedSpace, request.maxUsedSpace, request.minFreeSpace)
            before = {one.id: one for one in await builder.usage()}
            gone = await builder.prune(filters, room=room, all=request.all)
        except CorralError as error:
            raise grpc_error(error) from error
        self._kit.pruned(gone.freed)
        went = [before[id] for id in gone.ids]
        for one, size in zip(went, plan_freed(went, gone.freed), strict=True):
            await flow.send(message("UsageRecord", **usage_record(one) | {"Size": size}).SerializeToString())


def plan_freed(went: Sequence[Usage], freed: int) -> list[int]:
    """Pure: how much of `freed` bytes is each thing's that went. The layer that an image has too is still there.

    >>> from corral.build.usage import Usage
    >>> own, shared = Usage("a", "regular", "", 10, 1), Usage("b", "regular", "", 99, 1, shared=True)
    >>> plan_freed([shared, own, own], 10)
    [0, 10, 0]
    """
    sizes, left = [], freed
    for one in went:
        sizes.append(0 if one.shared else min(one.size, left))
        left -= sizes[-1]
    return sizes


def plan_filters(texts: list[str]) -> dict[str, list[str]]:
    """Pure: filters in containerd's form as the builder's. InvalidInput, Unsupported.

    >>> plan_filters(["type==regular,shared", "id==a"])
    {'type': ['regular'], 'shared': ['true'], 'id': ['a']}
    """
    found: dict[str, list[str]] = {}
    for word in filter(None, (word for text in texts for word in text.split(","))):
        name, mark, value = word.partition("==" if "==" in word else "=")
        if name not in FILTERS:
            raise InvalidInput(f"invalid filter {word}")
        if "~=" in word or "!=" in word:
            raise Unsupported(f"filter {word} is not supported: == is")
        found.setdefault(name, []).append(value.strip('"') if mark else "true")
    return found


def fits(one: Usage, filters: Mapping[str, list[str]]) -> bool:
    """Pure: whether all filters fit a thing that is kept."""
    values = {
        "id": one.id,
        "type": one.kind,
        "description": one.description,
        "inuse": str(one.in_use).lower(),
        "shared": str(one.shared).lower(),
        "private": str(not one.shared).lower(),
    }
    return all(values.get(name, "") in wanted for name, wanted in filters.items())


def usage_record(one: Usage) -> dict[str, Any]:
    """Pure: one thing that is kept."""
    return {
        "ID": one.id,
        "InUse": one.in_use,
        "Size": one.size,
        "CreatedAt": moment(one.created),
        **({"LastUsedAt": moment(one.used)} if one.used else {}),
        "UsageCount": one.count,
        "Description": one.description,
        "RecordType": one.kind,
        "Shared": one.shared,
        "Parents": one.parents,
    }
