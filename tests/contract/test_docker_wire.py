"""The Docker API byte by byte: what real clients rely on, and what a picky one could tell us apart by."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.api.docker.app import DockerApi
from corral.http.server import Server
from corral.http.websocket import BINARY, CLOSE, TEXT, unmask
from corral.model.container import ContainerSpec, LogSpec
from tests.support.fake_builder import FakeBuilder
from tests.support.fake_engine import FakeEngine

UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


class Api:
    """The server, the engine behind it, and a client that shows everything."""

    def __init__(self, engine: FakeEngine, path: str) -> None:
        self.engine, self.path = engine, path

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path)

    async def talk(self, data: bytes, *, eof: bool = True) -> bytes:
        reader, writer = await self.connect()
        writer.write(data)
        if eof:
            writer.write_eof()
        try:
            return await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()

    async def ask(self, method: str, path: str, body: Any = None) -> Answer:
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "" if body is None else "Content-Type: application/json\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: d\r\n{kind}Content-Length: {len(data)}\r\n\r\n"
        return Answer(await self.talk(head.encode() + data), method)

    async def container(self, *command: str, start: bool = True, **spec: Any) -> str:
        created = await self.engine.containers.create(ContainerSpec("busybox", command=list(command), **spec))
        if start:
            await self.engine.containers.start(created.id)
        return str(created.id)


class Answer:
    """One answer, taken apart."""

    def __init__(self, data: bytes, method: str = "GET") -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        self.line = lines[0]
        self.status = int(lines[0].split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        if "chunked" in self.headers.get("transfer-encoding", "") and method != "HEAD":
            self.body = unchunk(self.body)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])


def unchunk(data: bytes) -> bytes:
    pieces = []
    while data:
        size, _, data = data.partition(b"\r\n")
        pieces.append(data[: int(size, 16)])
        data = data[int(size, 16) + 2 :]
    return b"".join(pieces)


def frames(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        assert data[at + 1 : at + 4] == b"\0\0\0"
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        found.append((data[at], data[at + 8 : end]))
        at = end
    return found


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    engine = FakeEngine()
    server = Server(DockerApi(engine, FakeBuilder()))  # type: ignore[arg-type]
    path = str(tmp_path / "d.sock")
    await server.listen_unix(path)
    yield Api(engine, path)
    await engine.close()
    await server.close(grace=0.1)


# Who answers


@pytest.mark.parametrize("path", ["/_ping", "/v1.24/_ping", "/v1.51/_ping"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ping(api: Api, method: str, path: str) -> None:
    answer = await api.ask(method, path)
    assert answer.status == 200 and answer.body == (b"" if method == "HEAD" else b"OK")
    expected = {
        "api-version": "1.51",
        "builder-version": "1",
        "docker-experimental": "false",
        "ostype": "linux",
        "swarm": "inactive",
        "cache-control": "no-cache, no-store, must-revalidate",
        "pragma": "no-cache",
        "content-type": "text/plain; charset=utf-8",
        "content-length": "0" if method == "HEAD" else "2",
    }
    assert expected.items() <= answer.headers.items()
    assert re.fullmatch(r"Docker/28\.\S+ \(linux\)", answer.headers["server"])


async def test_version(api: Api) -> None:
    version = (await api.ask("GET", "/version")).json
    assert version["ApiVersion"] == "1.51" and version["MinAPIVersion"] == "1.24" and version["Os"] == "linux"
    assert version["Components"][0]["Name"] == "Engine"
    assert version["Components"][0]["Version"] == version["Version"]
    assert version["Components"][0]["Details"]["ApiVersion"] == "1.51"


@pytest.mark.parametrize("version", ["1.24", "1.30", "1.41", "1.44", "1.51"])
async def test_every_version_is_spoken(api: Api, version: str) -> None:
    for path in ("/info", "/version", "/containers/json", "/images/json"):
        assert (await api.ask("GET", f"/v{version}{path}")).status == 200


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("1.99", "client version 1.99 is too new. Maximum supported API version is 1.51"),
        (
            "1.23",
            "client version 1.23 is too old. Minimum supported API version is 1.24, "
            "please upgrade your client to a newer version",
        ),
    ],
)
async def test_other_versions_are_refused(api: Api, version: str, message: str) -> None:
    answer = await api.ask("GET", f"/v{version}/info")
    assert answer.status == 400 and answer.headers["api-version"] == "1.51"
    if version == "1.23":  # such a client does not read JSON errors
        assert answer.body.decode() == message + "\n" and answer.headers["content-type"].startswith("text/plain")
    else:
        assert answer.message == message


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/v1.41/nothing"),
        ("GET", "/v1.99/nothing"),
        ("PUT", "/info"),
        ("DELETE", "/_ping"),
        ("GET", "/"),
        ("GET", "/containers/"),
        ("GET", "/v1.41"),
    ],
)
async def test_unknown_routes_and_methods(api: Api, method: str, path: str) -> None:
    answer = await api.ask(method, path)
    assert (answer.status, answer.message) == (404, "page not found")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/web/checkpoints"), ("POST", "/web/checkpoints"), ("DELETE", "/web/checkpoints/one")]
)
async def test_checkpoints_are_an_experiment(api: Api, method: str, path: str) -> None:
    answer = await api.ask(method, f"/containers{path}")
    assert (answer.status, answer.message) == (
        501,
        "This experimental feature is disabled by default. "
        "Start the Docker daemon in experimental mode in order to enable it.",
    )
    answer = await api.ask("POST", "/containers/nosuch/start?checkpoint=one")
    assert (answer.status, answer.message) == (400, "checkpoint is only supported in experimental mode")


async def test_what_is_not_there_yet_says_so_by_name(api: Api) -> None:
    answer = await api.ask("POST", "/v1.43/swarm/init")
    assert answer.status == 501 and answer.message.startswith("POST /swarm/init is not available yet")
    assert (await api.ask("GET", "/services")).status == 503
    assert "not a swarm manager" in (await api.ask("GET", "/nodes")).message
    left = await api.ask("POST", "/swarm/leave?force=1")
    assert (left.status, left.message) == (503, "This node is not part of a swarm")
    assert (await api.ask("GET", "/plugins")).json == []


async def test_info_has_what_the_client_prints(api: Api) -> None:
    await api.container("sleep")
    info = (await api.ask("GET", "/info")).json
    assert (info["Containers"], info["ContainersRunning"], info["ContainersStopped"]) == (1, 1, 0)
    assert info["Swarm"]["LocalNodeState"] == "inactive" and info["Warnings"] is None
    assert info["MemTotal"] == 8 << 30 and info["Runtimes"] == {"runc": {"path": "/usr/bin/runc"}}
    old = (await api.ask("GET", "/v1.40/info")).json
    assert old["BridgeNfIptables"] is False and "FirewallBackend" not in old


# Bodies


@pytest.mark.parametrize(
    ("head", "body", "message"),
    [
        ("Content-Type: application/json", b"{", "invalid JSON: unexpected EOF"),
        (
            "Content-Type: application/json",
            b"x",
            "invalid JSON: invalid character 'x' looking for beginning of value",
        ),
        ("Content-Type: text/plain", b"{}", "unsupported Content-Type header (text/plain): must be 'application/json'"),
        ("X: y", b"{}", "malformed Content-Type header (): mime: no media type"),
        ("Content-Type: application/json", b"{}", "No exec command specified"),
        (
            "Content-Type: application/json; charset=utf-8",
            b'{"Cmd": "sh"}',
            "invalid JSON: json: cannot unmarshal string into Go struct field ExecOptions.Cmd of type []string",
        ),
    ],
)
async def test_bad_bodies(api: Api, head: str, body: bytes, message: str) -> None:
    sent = f"POST /containers/x/exec HTTP/1.1\r\nHost: d\r\n{head}\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = Answer(await api.talk(sent.encode() + body))
    assert answer.status == 400
    assert answer.message == message


async def test_a_body_that_is_too_large(api: Api) -> None:
    sent = (
        b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n"
    )
    answer = Answer(await api.talk(sent + b"\r\n", eof=False))
    assert answer.status == 413 and "too large" in answer.message


# Attach


async def attach(
    api: Api, id: str, query: str, *, upgrade: bool = True, version: str = "v1.51"
) -> tuple[Any, Any, str]:
    reader, writer = await api.connect()
    extra = UPGRADE if upgrade else ""
    writer.write(f"POST /{version}/containers/{id}/attach?{query} HTTP/1.1\r\nHost: d\r\n{extra}\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode()
    return reader, writer, head


@pytest.mark.parametrize(
    ("version", "tty", "upgrade", "head"),
    [
        ("v1.51", False, True, "101 UPGRADED|multiplexed"),
        ("v1.41", False, True, "101 UPGRADED|raw"),
        ("v1.51", True, True, "101 UPGRADED|raw"),
        ("v1.51", False, False, "200 OK|raw"),
    ],
)
async def test_the_head_of_an_attach(api: Api, version: str, tty: bool, upgrade: bool, head: str) -> None:
    id = await api.container("echo", "hi", start=False, tty=tty)
    reader, writer, got = await attach(api, id, "stream=1&stdout=1&stderr=1", upgrade=upgrade, version=version)
    status, _, kind = head.partition("|")
    lines = [f"HTTP/1.1 {status}", f"Content-Type: application/vnd.docker.{kind}-stream"]
    assert got == "\r\n".join([*lines, *(["Connection: Upgrade", "Upgrade: tcp"] if upgrade else []), "", ""])
    await api.engine.containers.start(id)
    data = await asyncio.wait_for(reader.read(), 60)
    assert data == b"hi\n" if tty else frames(data) == [(1, b"hi\n")]
    writer.close()


async def test_streams_are_told_apart_and_chosen(api: Api) -> None:
    for query, expected in (("stdout=1&stderr=1", [(1, b"out\n"), (2, b"err\n")]), ("stderr=1", [(2, b"err\n")])):
        id = await api.container("both", start=False)
        reader, writer, _ = await attach(api, id, f"stream=1&{query}")
        await api.engine.containers.start(id)
        assert frames(await asyncio.wait_for(reader.read(), 60)) == expected
        writer.close()


async def test_the_half_close_ends_stdin_and_what_came_with_the_head_counts(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    head = f"POST /containers/{id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n"
    answer = await api.talk(head.encode() + b"early ")
    assert frames(answer.partition(b"\r\n\r\n")[2]) == [(1, b"early ")]
    assert api.engine.containers.get(id).state.status == "exited"


async def test_without_stdin_once_the_half_close_ends_only_the_session(api: Api) -> None:
    id = await api.container("cat", stdin_open=True)
    reader, writer, _ = await attach(api, id, "stream=1&stdin=1&stdout=1")
    writer.write(b"hello")
    assert frames(await reader.readexactly(13)) == [(1, b"hello")]
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 60) == b""
    assert api.engine.containers.get(id).state.running
    writer.close()


@pytest.mark.parametrize(("query", "typed"), [("", b"\x10\x11"), ("&detachKeys=ctrl-x,q", b"\x18q")])
async def test_detach_keys_end_the_session_not_the_container(api: Api, query: str, typed: bytes) -> None:
    id = await api.container("sh", tty=True, stdin_open=True)
    reader, writer, _ = await attach(api, id, f"stream=1&stdin=1&stdout=1&logs=1{query}")
    assert await reader.readexactly(2) == b"$ "
    writer.write(b"ab" + typed[:1])
    assert await reader.readexactly(2) == b"ab"
    writer.write(typed[1:])
    assert await asyncio.wait_for(reader.read(), 60) == b""
    assert api.engine.containers.get(id).state.running
    writer.close()
    assert b'"detach"' in (await api.ask("GET", f"/events?since=1&until={now_text()}")).body


def now_text() -> str:
    return f"{time.time():.6f}"


async def test_keys_are_not_looked_for_without_a_terminal(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    reader, writer, _ = await attach(api, id, "stream=1&stdin=1&stdout=1")
    writer.write(b"\x10\x11")
    assert frames(await reader.readexactly(10)) == [(1, b"\x10\x11")]
    writer.close()


async def test_errors_of_an_attach_have_their_status(api: Api) -> None:
    id = await api.container("sleep")
    api.engine.containers.get(id).state.status = "paused"
    for path, status in ((f"/containers/{id}/attach?stream=1", 409), ("/containers/nope/attach", 404)):
        sent = f"POST {path} HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode()
        assert Answer(await api.talk(sent)).status == status
    answer = await api.ask("POST", f"/containers/{id}/attach?detachKeys=ctrl-1")
    assert (answer.status, answer.body) == (400, b"Invalid detach keys (ctrl-1) provided\r\n")


async def test_logs_alone_replay_and_end(api: Api) -> None:
    id = await api.container("echo", "hi")
    await api.engine.containers.waiter(id)
    sent = f"POST /containers/{id}/attach?logs=1&stdout=1 HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode()
    assert frames((await api.talk(sent)).partition(b"\r\n\r\n")[2]) == [(1, b"hi\n")]


async def test_a_client_that_leaves_lets_go_of_the_console(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    reader, writer, _ = await attach(api, id, "stream=1&stdout=1")
    process = api.engine.containers.live(id).process
    (client,) = process.clients
    writer.transport.abort()
    await asyncio.wait_for(until(lambda: client.closed), 60)
    assert api.engine.containers.get(id).state.running
    reader.feed_eof()


async def until(look: Any) -> None:
    while not look():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_client_that_does_not_read_stops_nobody(api: Api) -> None:
    """The container says 40 MB to a client that reads nothing: it ends in no time, and memory stays flat."""
    id = await api.container("flood", "40000", start=False)
    reader, writer, _ = await attach(api, id, "stream=1&stdout=1")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await api.engine.containers.start(id)
    result = await asyncio.wait_for(api.engine.containers.waiter(id), 30)
    assert result.exit_code == 0
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    data = await asyncio.wait_for(reader.read(), 30)
    assert sum(len(piece) for _, piece in frames(data)) == 40000 * 1024
    writer.close()


# Web sockets


def mask(opcode: int, payload: bytes) -> bytes:
    key = b"abcd"
    return bytes((0x80 | opcode, 0x80 | len(payload))) + key + unmask(payload, key)


@pytest.mark.parametrize(("version", "opcode"), [("v1.51", BINARY), ("v1.27", TEXT)])
async def test_attach_through_a_web_socket(api: Api, version: str, opcode: int) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    reader, writer = await api.connect()
    head = (
        f"GET /{version}/containers/{id}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n"
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode() + mask(BINARY, b"hello"))
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    assert await reader.readexactly(7) == bytes((0x80 | opcode, 5)) + b"hello"
    writer.write(mask(9, b"?"))
    assert await reader.readexactly(3) == b"\x8a\x01?"
    writer.write(mask(CLOSE, b"\x03\xe8"))
    assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"\x88\x02\x03\xe8")
    writer.close()


async def test_the_end_of_the_container_closes_the_web_socket(api: Api) -> None:
    id = await api.container("echo", "hi", start=False)
    reader, writer = await api.connect()
    head = (
        f"GET /containers/{id}/attach/ws?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    await api.engine.containers.start(id)
    assert await asyncio.wait_for(reader.read(), 60) == b"\x82\x03hi\n\x88\x02\x03\xe8"
    writer.close()


async def test_no_web_socket_without_a_handshake(api: Api) -> None:
    id = await api.container("sleep")
    assert (await api.ask("GET", f"/containers/{id}/attach/ws?stream=1")).status == 400
    assert not api.engine.containers.live(id).process.clients


# Exec


async def run_exec(api: Api, spec: dict[str, Any], start: dict[str, Any], typed: bytes = b"") -> tuple[str, bytes, str]:
    id = await api.container("sleep")
    created = await api.ask("POST", f"/containers/{id}/exec", {"AttachStdout": True, "AttachStderr": True, **spec})
    assert created.status == 201
    exec_id = created.json["Id"]
    body = json.dumps(start).encode()
    head = f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: d\r\n{UPGRADE}Content-Type: application/json\r\n"
    sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body + typed
    answer = await api.talk(sent, eof=not start.get("Tty"))
    top, _, rest = answer.partition(b"\r\n\r\n")
    return top.decode(), rest, exec_id


async def test_exec(api: Api) -> None:
    head, data, id = await run_exec(api, {"Cmd": ["both"]}, {"Detach": False, "Tty": False})
    assert head.startswith("HTTP/1.1 101 UPGRADED") and "multiplexed-stream" in head
    assert frames(data) == [(1, b"out\n"), (2, b"err\n")]
    shown = (await api.ask("GET", f"/exec/{id}/json")).json
    assert shown["ExitCode"] == 0 and shown["Running"] is False and shown["ProcessConfig"]["entrypoint"] == "both"


async def test_exec_on_a_terminal_with_input(api: Api) -> None:
    spec = {"Cmd": ["sh"], "Tty": True, "AttachStdin": True}
    _, data, id = await run_exec(api, spec, {"Tty": True, "ConsoleSize": [24, 80]}, b"exit 3\r")
    assert data.startswith(b"$ exit 3")
    assert api.engine.execs.processes[id].size == (24, 80)
    assert (await api.ask("GET", f"/exec/{id}/json")).json["ExitCode"] == 3


async def test_an_exec_that_cannot_start_says_so_in_the_stream(api: Api) -> None:
    head, data, id = await run_exec(api, {"Cmd": ["nope"]}, {})
    assert head.startswith("HTTP/1.1 101") and frames(data)[0][0] == 1
    assert b'exec: "nope": executable file not found in $PATH\r\n' in data
    assert (await api.ask("GET", f"/exec/{id}/json")).json["ExitCode"] == 127


async def test_exec_detached(api: Api) -> None:
    id = await api.container("sleep")
    exec_id = (await api.ask("POST", f"/containers/{id}/exec", {"Cmd": ["echo"]})).json["Id"]
    answer = await api.ask("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert (answer.status, answer.body) == (200, b"")
    again = await api.ask("POST", f"/exec/{exec_id}/start", {"Detach": True})
    assert again.status == 409
    missing = await api.ask("POST", "/exec/nope/start", {"Detach": True})
    assert (missing.status, missing.message) == (404, "No such exec instance: nope")


async def test_resize(api: Api) -> None:
    id = await api.container("sh", tty=True)
    assert (await api.ask("POST", f"/containers/{id}/resize?h=10&w=20")).status == 200
    assert api.engine.containers.live(id).process.size == (10, 20)
    for query, message in (
        ("h=x&w=1", 'invalid resize height "x": invalid syntax'),
        ("h=1", 'invalid resize width "": invalid syntax'),
        ("h=-1&w=1", 'invalid resize height "-1": value out of range'),
        ("h=4294967296&w=1", 'invalid resize height "4294967296": value out of range'),
    ):
        answer = await api.ask("POST", f"/containers/{id}/resize?{query}")
        assert (answer.status, answer.message) == (400, message)


# Logs


async def test_logs(api: Api) -> None:
    id = await api.container("both", labels={"a": "1", "b": "2"}, log=LogSpec("", {"labels": "a,b"}))
    await api.engine.containers.waiter(id)
    answer = await api.ask("GET", f"/containers/{id}/logs?stdout=1&stderr=1")
    assert frames(answer.body) == [(1, b"out\n"), (2, b"err\n")]
    assert answer.headers["content-type"] == "application/vnd.docker.multiplexed-stream"
    old = await api.ask("GET", f"/v1.41/containers/{id}/logs?stderr=1&timestamps=1&details=1")
    assert old.headers["content-type"] == "application/vnd.docker.raw-stream"
    ((stream, line),) = frames(old.body)
    assert stream == 2 and re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z a=1,b=2 err\n", line)
    assert frames((await api.ask("GET", f"/containers/{id}/logs?stdout=1&stderr=1&tail=1")).body) == [(2, b"err\n")]


async def test_logs_follow_until_the_end(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, tty=True)
    reading = asyncio.create_task(api.ask("GET", f"/containers/{id}/logs?stdout=1&follow=1"))
    process = api.engine.containers.live(id).process
    for data in (b"one\n", b"two\n", b""):
        process.typed.put_nowait(data)
        await asyncio.sleep(0.02)
    answer = await asyncio.wait_for(reading, 60)
    assert answer.body == b"one\ntwo\n"


async def test_questions_about_logs_that_make_no_sense(api: Api) -> None:
    id = await api.container("echo", log=LogSpec("none"))
    for query, status, message in (
        ("", 400, "Bad parameters: you must choose at least one stream"),
        ("stdout=1&since=x", 400, 'invalid value for "since": failed to parse value as time or duration: "x"'),
        ("stdout=1", 501, "configured logging driver does not support reading"),
    ):
        answer = await api.ask("GET", f"/containers/{id}/logs?{query}")
        assert (answer.status, answer.message) == (status, message)
    assert (await api.ask("GET", "/containers/nope/logs?stdout=1")).message == "No such container: nope"


# Wait


async def test_wait_sends_its_head_at_once_and_its_body_later(api: Api) -> None:
    id = await api.container("false", "7", start=False)
    reader, writer = await api.connect()
    writer.write(f"POST /containers/{id}/wait?condition=next-exit HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    assert head.startswith(b"HTTP/1.1 200 OK") and b"application/json" in head
    await api.engine.containers.start(id)
    writer.write_eof()
    assert json.loads(unchunk(await asyncio.wait_for(reader.read(), 60))) == {"StatusCode": 7}
    writer.close()


async def test_wait_for_the_removal(api: Api) -> None:
    id = await api.container("false", "3", start=False, auto_remove=True)
    reading = asyncio.create_task(api.ask("POST", f"/containers/{id}/wait?condition=removed"))
    await until(lambda: api.engine.containers.live(id).waiters)
    await api.engine.containers.start(id)
    assert (await asyncio.wait_for(reading, 60)).json == {"StatusCode": 3}


async def test_wait_of_old_and_of_wrong_clients(api: Api) -> None:
    id = await api.container("false", "2")
    old = await api.ask("POST", f"/v1.29/containers/{id}/wait?condition=nonsense")
    assert old.json == {"StatusCode": 2} and "transfer-encoding" not in old.headers
    answer = await api.ask("POST", f"/containers/{id}/wait?condition=nonsense")
    assert (answer.status, answer.message) == (400, 'invalid condition: "nonsense"')
    assert (await api.ask("POST", "/containers/nope/wait")).status == 404


async def test_a_waiter_that_leaves_is_forgotten(api: Api) -> None:
    id = await api.container("sleep")
    for version in ("v1.51", "v1.24"):
        _, writer = await api.connect()
        writer.write(f"POST /{version}/containers/{id}/wait HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        waiters = api.engine.containers.live(id).waiters
        await until(lambda: waiters)  # noqa: B023
        writer.transport.abort()
        await asyncio.wait_for(until(lambda: not waiters), 60)  # noqa: B023


# Events


async def test_events_in_both_forms(api: Api) -> None:
    id = await api.container("true", labels={"a": "b"})
    await api.engine.containers.waiter(id)
    answer = await api.ask("GET", f"/events?since=1&until={now_text()}")
    events = [json.loads(line) for line in answer.body.splitlines()]
    assert [event["Action"] for event in events] == ["create", "start", "die"]
    last = events[-1]
    assert last["status"] == "die" and last["id"] == id == last["Actor"]["ID"] and last["from"] == "busybox"
    assert last["Type"] == "container" and last["scope"] == "local" and last["time"] == last["timeNano"] // 10**9
    assert last["Actor"]["Attributes"]["exitCode"] == "0" and last["Actor"]["Attributes"]["a"] == "b"
    only = await api.ask("GET", f'/events?since=1&until={now_text()}&filters={{"event":["die"],"label":["a=b"]}}')
    assert len(only.body.splitlines()) == 1


async def test_live_events_begin_with_the_head(api: Api) -> None:
    reader, writer = await api.connect()
    writer.write(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    await api.container("true")
    assert b'"create"' in await asyncio.wait_for(reader.readuntil(b"}\n\r\n"), 60)
    writer.transport.abort()
    await asyncio.wait_for(until(lambda: not api.engine.events._listeners), 60)


async def test_bounds_of_events(api: Api) -> None:
    answer = await api.ask("GET", "/events?since=5&until=4")
    assert (answer.status, answer.message) == (400, "`since` time (5) cannot be after `until` time (4)")
    assert (await api.ask("GET", "/events?since=x")).message.startswith("invalid value for 'since'")
    assert (await api.ask("GET", "/events?filters=x")).status == 400


# Stats and top


async def test_stats(api: Api) -> None:
    id = await api.container("sleep")
    one = (await api.ask("GET", f"/containers/{id}/stats?stream=0&one-shot=1")).json
    assert one["preread"].startswith("0001-") and one["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert one["memory_stats"] == {"usage": 5 << 20, "stats": {"file": 1}, "limit": 8 << 30}
    assert one["networks"]["eth0"]["rx_bytes"] == 1 and one["cpu_stats"]["online_cpus"] == 2
    two = (await api.ask("GET", f"/containers/{id}/stats?stream=0")).json
    assert two["preread"] < two["read"] and two["precpu_stats"]["cpu_usage"]["total_usage"] > 0


async def test_stats_of_what_does_not_run(api: Api) -> None:
    id = await api.container("sleep", start=False)
    empty = (await api.ask("GET", f"/containers/{id}/stats?stream=0")).json
    assert empty["id"] == id and empty["read"] == "0001-01-01T00:00:00Z" and empty["memory_stats"] == {}
    assert (await api.ask("GET", "/containers/nope/stats")).status == 404


async def test_the_stream_of_stats(api: Api) -> None:
    id = await api.container("sleep")
    reader, writer = await api.connect()
    writer.write(f"GET /containers/{id}/stats HTTP/1.1\r\nHost: d\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    lines = [json.loads((await asyncio.wait_for(reader.readuntil(b"}\n\r\n"), 60)).partition(b"\r\n")[2]) for _ in "12"]
    assert lines[0]["preread"].startswith("0001-") and lines[1]["preread"] == lines[0]["read"]
    writer.close()


async def test_top(api: Api) -> None:
    id = await api.container("sleep", "9")
    shown = (await api.ask("GET", f"/containers/{id}/top?ps_args=aux")).json
    assert shown == {"Processes": [["4711", "sleep 9"]], "Titles": ["PID", "CMD"]}
    assert (await api.ask("GET", f"/containers/{id}/top?ps_args=-o%20x=PID")).status == 400
