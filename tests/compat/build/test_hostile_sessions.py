"""Clients of BuildKit's protocols that mean ill, or vanish: a build of theirs fails, and nothing else."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from corral.api.buildkit.diffcopy import DATA, DIRECTORY, FIN, LINK, REQUEST, STAT
from corral.api.buildkit.schema import message, parse
from corral.api.buildkit.session import ID, METHODS, Channel
from corral.http.grpc.calls import call, calling
from corral.http.grpc.flow import Flow
from corral.http.grpc.link import WINDOW, Link
from corral.http.grpc.serving import serve
from corral.http.grpc.status import GrpcError
from tests.support.instance import Instance, instance
from tests.support.wait import eventually, eventually_async

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]
FILES = "/moby.filesync.v1.FileSync/DiffCopy"
SEND = "/moby.filesync.v1.FileSend/DiffCopy"
CONTROL = "/moby.buildkit.v1.Control/"
BRIDGE = "/moby.buildkit.v1.frontend.LLBBridge/"
Method = Callable[[Flow], Awaitable[None]]
Files = Mapping[str, tuple[int, bytes | str]]


@pytest.fixture(scope="module")
def engine() -> Iterator[Instance]:
    with instance("--registry", "off") as subject:
        yield subject


@pytest.fixture(autouse=True)
def nothing_stays(engine: Instance) -> Iterator[None]:
    before, images = engine.footprint(), engine.docker("images", "-aq").stdout
    yield
    eventually(lambda: not engine.footprint().beyond(before), lambda: str(engine.footprint().beyond(before)))
    contexts = engine.root / "build/contexts"
    eventually(lambda: not contexts.exists() or not os.listdir(contexts), "no context is left")
    assert engine.docker("images", "-aq").stdout == images
    assert engine.get("/_ping").status == 200
    assert "Traceback" not in engine.log


class Socket:
    """A connection that has left HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.gone = asyncio.Event()

    @classmethod
    async def open(cls, engine: Instance, path: str, headers: Mapping[str, str] | None = None) -> Socket:
        reader, writer = await asyncio.open_unix_connection(str(engine.socket))
        lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return cls(reader, writer)

    async def read(self) -> bytes:
        with suppress(ConnectionError):
            return await self._reader.read(1 << 16)
        return b""

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def client(engine: Instance, id: str, methods: Mapping[str, Method]) -> AsyncIterator[tuple[Link, Socket]]:
    """(calls to the daemon, the session's socket)"""
    names = {"X-Docker-Expose-Session-Grpc-Method": ",".join(methods)}
    session = await Socket.open(engine, "/session", {"X-Docker-Expose-Session-Uuid": id, **names})
    control = await Socket.open(engine, "/grpc")
    link = Link(control)
    tasks = [asyncio.create_task(serve(session, methods)), asyncio.create_task(link.run())]
    try:
        yield link, session
    finally:
        session.close()
        control.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def build(link: Link, id: str, **fields: Any) -> Mapping[str, str]:
    """By the frontend in the request itself."""
    wanted = {"Ref": f"ref-{id}", "Session": id, "Frontend": "dockerfile.v0"} | fields
    answer = await call(link, f"{CONTROL}Solve", message("SolveRequest", **wanted).SerializeToString())
    return dict(parse("SolveResponse", answer).ExporterResponse)


def sends(files: Files, order: list[str] | None = None) -> Method:
    """A client's directory, as it likes to tell of it; the Dockerfile is in it."""

    async def sync(flow: Flow) -> None:
        told = order or list(files)
        for name in told:
            mode, content = files[name]
            stat = {"path": name, "mode": mode, "size": len(content) if isinstance(content, bytes) else 0}
            if isinstance(content, str):
                stat["linkname"] = content
            await flow.send(message("Packet", type=STAT, stat=stat).SerializeToString())
        await flow.send(message("Packet", type=STAT).SerializeToString())
        while (data := await flow.receive()) is not None:
            packet = parse("Packet", data)
            if packet.type == REQUEST:
                content = files[told[packet.ID]][1]
                await flow.send(message("Packet", type=DATA, ID=packet.ID, data=content).SerializeToString())
                await flow.send(message("Packet", type=DATA, ID=packet.ID).SerializeToString())
            if packet.type == FIN:
                await flow.send(message("Packet", type=FIN).SerializeToString())
                return

    return sync


DOCKERFILE = {"Dockerfile": (0o644, b"FROM scratch\nCOPY . /\n")}


async def test_one_that_means_well(engine: Instance) -> None:
    """So that the others fail for what they do."""
    async with client(engine, "well", {FILES: sends({**DOCKERFILE, "a": (0o644, b"x")})}) as (link, _):
        assert await build(link, "well") == {}


async def test_a_session_within_a_call(engine: Instance) -> None:
    """As bake has one for directories that several targets share."""
    files = {**DOCKERFILE, "a": (0o644, b"x" * 1_000_000)}
    metadata = {ID: ["inner"], METHODS: [FILES]}
    async with client(engine, "outer", {}) as (link, _), calling(link, f"{CONTROL}Session", metadata) as flow:
        serving = asyncio.create_task(serve(Channel(flow), {FILES: sends(files)}))
        shared = {f"local-sessionid:{name}": "inner" for name in ("context", "dockerfile")}
        assert await build(link, "outer", FrontendAttrs=shared) == {}
        with pytest.raises(GrpcError, match="session inner already exists"):
            await call(link, f"{CONTROL}Session", b"", metadata)
        await flow.close()
        await serving
        with pytest.raises(GrpcError, match="no session id"):
            await call(link, f"{CONTROL}Session", b"")


HOSTILE: dict[str, Files] = {
    "a path upwards": {"../../escaped": (0o644, b"x")},
    "an absolute path": {"/tmp/corral-escaped": (0o644, b"x")},
    "a file through a link": {"link": (LINK | 0o777, "/tmp"), "link/corral-escaped": (0o644, b"x")},
    "a link to a link upwards": {"l": (LINK | 0o777, "../../.."), "l/corral-escaped": (0o644, b"x")},
    "a hard link to the host's": {"passwd": (0o644, "/etc/passwd")},
    "a hard link upwards": {"passwd": (0o644, "../../../../../../../../etc/passwd")},
    "a file that is a directory": {"d": (0o644, b"x"), "d/corral-escaped": (0o644, b"x")},
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_directories_that_lead_out(engine: Instance, name: str) -> None:
    """They are refused, or what they name stays inside."""
    files = {**DOCKERFILE, **HOSTILE[name]}
    async with client(engine, "out", {FILES: sends(files)}) as (link, _):
        with suppress(GrpcError):
            await build(link, "out")
    for path in ("/tmp/corral-escaped", "/corral-escaped"):
        assert not os.path.exists(path)
    found = [f"{place}/{name}" for place, _, names in os.walk(engine.root) for name in names if "escaped" in name]
    inside = (f"{engine.root}/images/", f"{engine.root}/build/contexts/")  # a layer, or the context that is going
    assert [path for path in found if not path.startswith(inside)] == []


async def test_packets_that_make_no_sense(engine: Instance) -> None:
    async def wrong(*packets: bytes) -> str:
        async def sync(flow: Flow) -> None:
            for packet in packets:
                await flow.send(packet)
            while await flow.receive() is not None:
                pass

        async with client(engine, "wrong", {FILES: sync}) as (link, _):
            with pytest.raises(GrpcError) as caught:
                await build(link, "wrong")
        return caught.value.message

    def packet(**fields: Any) -> bytes:
        data: bytes = message("Packet", **fields).SerializeToString()
        return data

    assert "was not asked for" in await wrong(packet(type=DATA, ID=7, data=b"x"))
    assert "error unmarshalling" in await wrong(b"\xff\xff\xff")
    stat = {"path": "Dockerfile", "mode": 0o644, "size": 1 << 62}
    assert "ERROR" not in await wrong(packet(type=STAT, stat=stat), packet(type=STAT), packet(type=DATA, data=b""))
    assert "boom" in await wrong(packet(type=4, data=b"boom"))


async def test_a_client_that_says_nothing_more_and_leaves(engine: Instance) -> None:
    """In the middle of its files, by either of its connections."""
    asked = asyncio.Event()

    async def hang(flow: Flow) -> None:
        await flow.send(message("Packet", type=STAT, stat={"path": "d", "mode": DIRECTORY | 0o755}).SerializeToString())
        asked.set()
        await asyncio.sleep(3600)

    async with client(engine, "hang", {FILES: hang}) as (link, session):
        building = asyncio.create_task(build(link, "hang"))
        await asked.wait()
        session.close()
        with pytest.raises(GrpcError, match="the connection has ended"):
            await building
    asked.clear()
    async with client(engine, "hang", {FILES: hang}) as (link, _):
        building = asyncio.create_task(build(link, "hang"))
        await asked.wait()
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)
        assert len(parse("ListWorkersResponse", await call(link, f"{CONTROL}ListWorkers", b"")).record) == 1


async def test_a_client_that_takes_nothing(engine: Instance) -> None:
    """An output of which it reads no more than its windows hold."""

    full = asyncio.Event()

    async def still(flow: Flow) -> None:
        await eventually_async(lambda: sum(size for _, size in flow._came) >= WINDOW, "all that its window holds came")
        full.set()
        await asyncio.sleep(3600)

    files = {**DOCKERFILE, "big": (0o644, b"x" * (8 << 20))}
    exporters = [message("Exporter", Type="tar")]
    async with client(engine, "still", {FILES: sends(files), SEND: still}) as (link, _):
        building = asyncio.create_task(build(link, "still", Exporters=exporters))
        await full.wait()
        assert len(parse("ListWorkersResponse", await call(link, f"{CONTROL}ListWorkers", b"")).record) == 1
        assert not building.done()
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)


async def test_a_directory_that_is_asked_for_wrongly(engine: Instance) -> None:
    async def greedy(flow: Flow) -> None:
        await flow.send(message("Packet", type=REQUEST, ID=1 << 20).SerializeToString())
        while await flow.receive() is not None:
            pass

    async with client(engine, "greedy", {FILES: sends(DOCKERFILE), SEND: greedy}) as (link, _):
        with pytest.raises(GrpcError, match="invalid file id"):
            await build(link, "greedy", Exporters=[message("Exporter", Type="local")])


async def test_what_is_not_offered(engine: Instance) -> None:
    async with client(engine, "no", {FILES: sends(DOCKERFILE)}) as (link, _):
        for fields, words in (
            ({"Definition": message("Definition", **{"def": [b"x"]})}, "LLB"),
            ({"Frontend": "gateway.v0", "FrontendAttrs": {"source": "me/mine"}}, "unsupported frontend me/mine"),
            ({"FrontendAttrs": {"never-heard": "x"}}, "never-heard"),
            ({"FrontendAttrs": {"attest:sbom": ""}}, "attestations"),
            ({"Exporters": [message("Exporter", Type="nix")]}, 'exporter "nix" could not be found'),
            ({"Entitlements": ["device"]}, "entitlement device"),
            ({"Session": "nobody's"}, "no active session"),
            ({"SourcePolicySession": "x"}, "source policies"),
        ):
            with pytest.raises(GrpcError) as caught:
                await build(link, "no", **fields)
            assert words in caught.value.message
        for path in (f"{CONTROL}ListenBuildHistory", f"{BRIDGE}NewContainer", "/a.B/C"):
            with pytest.raises(GrpcError) as caught:
                await call(link, path, b"")
            assert caught.value.code == 12


async def test_a_bridge_without_its_build(engine: Instance) -> None:
    async with client(engine, "b", {}) as (link, _):
        with pytest.raises(GrpcError, match="no buildid"):
            await call(link, f"{BRIDGE}Ping", b"")
        with pytest.raises(GrpcError, match="no such job x"):
            await call(link, f"{BRIDGE}Ping", b"", {"buildkit-controlapi-buildid": ["x"]})
        with pytest.raises(GrpcError, match="no such job y"):
            await call(link, f"{CONTROL}Status", message("StatusRequest", Ref="y").SerializeToString())


async def test_one_build_s_name_for_two(engine: Instance) -> None:
    """And a session's."""
    refused = asyncio.Event()

    async def later(flow: Flow) -> None:
        await refused.wait()
        await sends(DOCKERFILE)(flow)

    async with client(engine, "twice", {FILES: later}) as (link, _):
        wanted = message("SolveRequest", Ref="twice", Session="twice").SerializeToString()
        async with calling(link, f"{CONTROL}Solve") as first:
            await first.send(wanted, last=True)
            await call(link, f"{BRIDGE}Ping", b"", {"buildkit-controlapi-buildid": ["twice"]})
            with pytest.raises(GrpcError, match="job ID twice exists"):
                await call(link, f"{CONTROL}Solve", wanted)
            refused.set()
        headers = {"Upgrade": "h2c", "Connection": "Upgrade", "X-Docker-Expose-Session-Uuid": "twice"}
        answer = await asyncio.to_thread(engine.post, "/session", None, headers=headers)
        assert answer.status == 409


@pytest.mark.parametrize("path", ["/grpc", "/session"])
@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100_000,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">IBI", 0 << 8 | 4, 0, 0) + os.urandom(100_000),
        struct.pack(">IBI", 0 << 8 | 4, 0, 0) + struct.pack(">IBI", 8 << 8 | 6, 0, 0) + bytes(8),
    ],
    ids=["http1", "zeros", "noise", "a ping"],
)
async def test_bytes_that_are_no_http2(engine: Instance, path: str, data: bytes) -> None:
    headers = {"X-Docker-Expose-Session-Uuid": "noise"} if path == "/session" else {}
    wire = await Socket.open(engine, path, headers)
    with suppress(ConnectionError):
        await wire.write(data)
    wire.close()


async def test_streams_without_number(engine: Instance) -> None:
    """Begun and given up again at once, many times."""
    async with client(engine, "rapid", {}) as (link, _):
        for _ in range(3000):
            async with calling(link, f"{CONTROL}ListWorkers"):
                pass
        assert await call(link, "/grpc.health.v1.Health/Check", b"") == b"\x08\x01"
