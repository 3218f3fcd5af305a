"""Processes inside containers: exec sessions, and what a caller asks of logs and streams."""

from __future__ import annotations

from typing import Literal

from corral.model.container import Struct


class ExecSpec(Struct):
    """One more process in a running container. Empty `env`, `user`, `workdir` mean the container's own."""

    command: list[str]
    env: list[str] = []
    user: str = ""
    workdir: str = ""
    tty: bool = False
    privileged: bool = False
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    detach_keys: str = ""
    console_size: list[int] = []


class Exec(Struct):
    """`exit_code` is None until it has ended."""

    id: str
    container_id: str
    spec: ExecSpec
    running: bool = False
    started: bool = False
    pid: int = 0
    exit_code: int | None = None
    can_remove: bool = False


class LogQuery(Struct):
    """Which lines: times in nanoseconds (0: no bound), `tail` -1 is all."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int = -1
    follow: bool = False


class LogEntry(Struct):
    """One line, or a part of one too long (`partial`); `data` has its line feed unless partial."""

    stream: Literal["stdout", "stderr"]
    time: int
    data: bytes
    partial: bool = False
