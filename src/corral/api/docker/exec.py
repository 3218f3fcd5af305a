"""Processes started in running containers: create, start, inspect."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from corral.api.docker.answers import reply
from corral.api.docker.at import json_body, name_of, version_of
from corral.api.docker.attach import tell
from corral.api.docker.escape import parse_keys
from corral.api.docker.gojson import decode
from corral.api.docker.gotypes import Body, UInt
from corral.api.docker.session import converse, manner
from corral.api.docker.streams import STDOUT, frame, hijack_head
from corral.api.docker.system import HEADERS
from corral.errors import CorralError, InvalidInput
from corral.http.message import Answer, Hijack, Request, Response
from corral.model.process import Exec, ExecSpec

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine
    from corral.http.stream import Stream


class ExecOptions(Body):
    """What to run."""

    User: str = ""
    Privileged: bool = False
    Tty: bool = False
    ConsoleSize: list[UInt] | None = None
    AttachStdin: bool = False
    AttachStderr: bool = False
    AttachStdout: bool = False
    Detach: bool = False  # older clients send it here too; it says nothing
    DetachKeys: str = ""
    Env: list[str] = []
    WorkingDir: str = ""
    Cmd: list[str] = []


class ExecStartOptions(Body):
    """How to start it."""

    Detach: bool = False
    Tty: bool = False
    ConsoleSize: list[UInt] | None = None


async def exec_create(api: DockerApi, request: Request) -> Response:
    asked, _ = decode(await json_body(request) or b"{}", ExecOptions)
    if not asked.Cmd:
        raise InvalidInput("No exec command specified")
    try:
        parse_keys(asked.DetachKeys)
    except ValueError:
        raise InvalidInput(f"Invalid escape keys ({asked.DetachKeys}) provided") from None
    size = asked.ConsoleSize if version_of(request) >= (1, 42) else None
    spec = ExecSpec(
        command=asked.Cmd,
        env=asked.Env,
        user=asked.User,
        workdir=asked.WorkingDir,
        tty=asked.Tty,
        privileged=asked.Privileged,
        attach_stdin=asked.AttachStdin,
        attach_stdout=asked.AttachStdout,
        attach_stderr=asked.AttachStderr,
        detach_keys=asked.DetachKeys,
        console_size=console_size(size),
    )
    return reply({"Id": await api.engine.execs.create(name_of(request), spec)}, 201)


def console_size(size: list[int] | None) -> list[int]:
    """Pure: [height, width], [] for none; as Go fills an array, what is missing is 0.

    >>> console_size([24, 80]), console_size([24]), console_size(None)
    ([24, 80], [24, 0], [])
    """
    return [*size, 0, 0][:2] if size is not None else []


async def exec_start(api: DockerApi, request: Request) -> Answer:
    """Attached, the connection is taken over first: a start that fails says so in the stream."""
    asked, _ = decode(await json_body(request) or b"{}", ExecStartOptions)
    engine, version = api.engine, version_of(request)
    session = engine.execs.get(name_of(request))
    size = console_size(asked.ConsoleSize) if asked.Tty and version >= (1, 42) else []
    if asked.Detach:
        await engine.execs.start(session.id, detach=True, console_size=size or None, stdin=False)
        return Response(200)

    async def run(stream: Stream) -> None:
        await _run(engine, session, stream, size, frames=not asked.Tty)

    status, reason, headers = hijack_head(version, not asked.Tty, "upgrade" in request.headers)
    return Hijack(run, status, headers | HEADERS, reason)


async def _run(engine: Engine, session: Exec, stream: Stream, size: list[int], *, frames: bool) -> None:
    spec = session.spec
    try:
        attachment = await engine.execs.start(
            session.id, detach=False, console_size=size or None, stdin=spec.attach_stdin
        )
    except CorralError as error:
        text = f"{error.message}\r\n".encode()
        await stream.write(frame(STDOUT, text) if frames else text)
        return
    if attachment is None:
        return
    how = manner(
        stdin=spec.attach_stdin, tty=spec.tty, frames=frames, keys=parse_keys(spec.detach_keys), closes_stdin=True
    )
    if await converse(stream, attachment, how):
        tell(engine, engine.containers.get(session.container_id), "exec_detach", execID=session.id)


async def exec_inspect(api: DockerApi, request: Request) -> Response:
    return reply(exec_json(api.engine.execs.get(name_of(request))))


def exec_json(session: Exec) -> dict[str, object]:
    """Pure. `ExitCode` is null until it has ended."""
    spec = session.spec
    return {
        "ID": session.id,
        "Running": session.running,
        "ExitCode": session.exit_code,
        "ProcessConfig": {
            "tty": spec.tty,
            "entrypoint": spec.command[0] if spec.command else "",
            "arguments": spec.command[1:],
            "privileged": spec.privileged,
            **({"user": spec.user} if spec.user else {}),
        },
        "OpenStdin": spec.attach_stdin,
        "OpenStderr": spec.attach_stderr,
        "OpenStdout": spec.attach_stdout,
        "CanRemove": session.can_remove,
        "ContainerID": session.container_id,
        "DetachKeys": base64.b64encode(parse_keys(spec.detach_keys)).decode(),
        "Pid": session.pid,
    }
