"""Processes beside the first one, through Docker's API, as bytes."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.docker.wire import UPGRADE, Api, frames


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
