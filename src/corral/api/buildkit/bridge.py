"""Bridge: the service by which a client calls the frontend itself, within a build that it has begun (`Control.Solve`).

What it asks for is noted under a name and built when it returns that name. A question is answered at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from corral.api.buildkit.asked import plan_asked
from corral.api.buildkit.failure import grpc_error
from corral.api.buildkit.links import NO_GRAPH, definition
from corral.api.buildkit.questions import answer
from corral.api.buildkit.schema import message, parse
from corral.api.buildkit.solving import Solve
from corral.api.buildkit.workers import pong
from corral.build.request import Output
from corral.errors import CorralError, InvalidInput, NotFound, Unsupported
from corral.http.grpc import status
from corral.http.grpc.flow import Flow
from corral.http.grpc.serving import Method
from corral.http.grpc.status import GrpcError
from corral.kit.ids import new_id

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit

SERVICE: Final = "/moby.buildkit.v1.frontend.LLBBridge/"
BUILD: Final = "buildkit-controlapi-buildid"


class Bridge:
    """One connection's."""

    def __init__(self, kit: BuildKit) -> None:
        self._kit = kit

    def methods(self) -> Mapping[str, Method]:
        table: dict[str, Method] = {
            "Ping": self.ping,
            "Solve": self.solve,
            "Evaluate": self.evaluate,
            "StatFile": self.stat_file,
            "Return": self.returned,
            "Warn": self.warn,
            "Inputs": self.inputs,
        }
        return {f"{SERVICE}{name}": method for name, method in table.items()}

    async def _build(self, flow: Flow) -> Solve:
        """The one that a call is about."""
        id = flow.header(BUILD)
        if not id:
            raise GrpcError(status.UNKNOWN, "no buildid found in context")
        try:
            return await self._kit.solves.get(id)
        except CorralError as error:
            raise grpc_error(error) from error

    async def ping(self, flow: Flow) -> None:
        await flow.receive_one()
        await self._build(flow)
        await flow.send(pong(self._kit.worker()).SerializeToString())

    async def solve(self, flow: Flow) -> None:
        solve = await self._build(flow)
        request = parse("BridgeSolveRequest", await flow.receive_one())
        try:
            metadata, name = await self._solve(solve, request)
        except CorralError as error:
            raise grpc_error(error) from error
        result: dict[str, Any] = {"metadata": metadata}
        if name:
            result["ref"] = {"id": name, "def": definition(solve.ref, name)}
        await flow.send(message("BridgeSolveResponse", result=result).SerializeToString())

    async def _solve(self, solve: Solve, request: Any) -> tuple[dict[str, bytes], str]:
        """(what is known of the result, the name of it)"""
        if getattr(request.Definition, "def"):
            raise Unsupported(NO_GRAPH)
        if request.SourcePolicies:
            raise Unsupported("source policies are not supported")
        if not request.Frontend:
            return {}, ""
        asked = plan_asked(request.Frontend, request.FrontendOpt, list(request.FrontendInputs))
        await self._kit.links.resolve(asked, request.FrontendInputs, solve.held)
        if asked.question:
            return await answer(self._kit, solve, asked), ""
        name = new_id()[:25]
        solve.asked[name] = asked
        if request.Evaluate:
            await solve.build(asked, [Output("none")])
        return {}, name

    async def _evaluate(self, solve: Solve, name: str) -> None:
        if name:
            if name not in solve.asked:
                raise GrpcError(status.UNKNOWN, f"no such ref: {name}")
            await solve.build(solve.asked[name], [Output("none")])

    async def evaluate(self, flow: Flow) -> None:
        solve = await self._build(flow)
        await self._evaluate(solve, parse("RefRequest", await flow.receive_one()).Ref)
        await flow.send(b"")

    async def stat_file(self, flow: Flow) -> None:
        """Clients ask for the root so that a result is made."""
        solve = await self._build(flow)
        request = parse("RefRequest", await flow.receive_one())
        if request.Path not in (".", "/", ""):
            raise GrpcError(status.UNIMPLEMENTED, "files of a build's result cannot be looked at; use --output")
        await self._evaluate(solve, request.Ref)
        stat = {"path": ".", "mode": 1 << 31 | 0o755}
        await flow.send(message("StatFileResponse", stat=stat).SerializeToString())

    async def returned(self, flow: Flow) -> None:
        """The end of the client's frontend: what is to be built now, or why nothing is."""
        solve = await self._build(flow)
        request = parse("ReturnRequest", await flow.receive_one())
        if solve.returned.done():
            raise GrpcError(status.UNKNOWN, "result of the frontend is set already")
        if request.HasField("error"):
            error = request.error
            solve.returned.set_exception(GrpcError(error.code, error.message, error.SerializeToString()))
        else:
            try:
                solve.returned.set_result(_name(solve, request.result))
            except CorralError as error:
                raise grpc_error(error) from error
        await flow.send(b"")

    async def warn(self, flow: Flow) -> None:
        """A warning of the client's frontend."""
        solve = await self._build(flow)
        request = parse("WarnRequest", await flow.receive_one())
        found = {"vertex": request.digest, "level": request.level, "short": request.short, "url": request.url}
        warning = found | {"detail": request.detail, "ranges": request.ranges}
        solve.feed.put(message("StatusResponse", warnings=[warning]))
        await flow.send(b"")

    async def inputs(self, flow: Flow) -> None:
        """There are none: builds with inputs are refused."""
        await self._build(flow)
        await flow.receive_one()
        await flow.send(b"")


def _name(solve: Solve, result: Any) -> str:
    """Which of the results it is; "" for none. InvalidInput, NotFound."""
    names = {result.ref.id or result.refDeprecated, *(one.id for one in result.refs.refs.values())} - {""}
    if len(names) > 1:
        raise InvalidInput("several results in one build are not supported: build one platform at a time")
    name = next(iter(names), "")
    if name and name not in solve.asked:
        raise NotFound(f"no such ref: {name}")
    return name
