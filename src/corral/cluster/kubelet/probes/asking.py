"""Asking in the way that a probe or a hook names: a command, HTTP, a connection, gRPC, or just waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from corral.cluster.kubelet.commands import run_command
from corral.cluster.kubelet.ports import find_port
from corral.cluster.kubelet.probes import grpc, http, tcp
from corral.cluster.kubelet.probes.answer import Answer
from corral.engine.engine import Engine
from corral.errors import CorralError

Object = dict[str, Any]
Judge = Callable[[http.Reply], Answer]


async def ask(engine: Engine, id: str, container: Object, ip: str, how: Object, timeout: float | None) -> Answer:
    """A probe. `id` is the container in the engine, `ip` the pod's address. Never raises for what a container does."""
    return await _ask(engine, id, container, ip, how, timeout, http.judged)


async def ask_hook(engine: Engine, id: str, container: Object, ip: str, how: Object, timeout: float | None) -> Answer:
    """As `ask`, for a hook: any answer over HTTP is a good one."""
    return await _ask(engine, id, container, ip, how, timeout, http.told)


async def _ask(
    engine: Engine, id: str, container: Object, ip: str, how: Object, timeout: float | None, judge: Judge
) -> Answer:
    try:
        if "exec" in how:
            return await _command(engine, id, how["exec"].get("command") or [], timeout)
        if "sleep" in how:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(float(how["sleep"].get("seconds") or 0))
            return Answer(True)
        return await _over_network(container, ip, how, timeout if timeout is not None else 60.0, judge)
    except TimeoutError:
        return Answer(False, f"timed out after {timeout:g}s")
    except (CorralError, ValueError) as error:
        return Answer(False, str(error), errored=True)


async def _command(engine: Engine, id: str, command: list[str], timeout: float | None) -> Answer:
    try:
        done = await run_command(engine, id, command, timeout)
    except TimeoutError:
        words = " ".join(command)
        return Answer(False, f'command timed out: "{words}" timed out after {timeout:g}s')
    return Answer(done.code == 0, done.output)


async def _over_network(container: Object, ip: str, how: Object, timeout: float, judge: Judge) -> Answer:
    if "httpGet" in how:
        wanted = how["httpGet"]
        path = wanted.get("path") or "/"
        target = http.Target(
            (wanted.get("scheme") or "HTTP").lower(),
            wanted.get("host") or ip,
            find_port(container, wanted["port"]),
            path if path.startswith("/") else f"/{path}",
        )
        return await http.ask(target, wanted.get("httpHeaders") or (), timeout, judge)
    if "tcpSocket" in how:
        wanted = how["tcpSocket"]
        return await tcp.ask(wanted.get("host") or ip, find_port(container, wanted["port"]), timeout)
    if "grpc" in how:
        return await grpc.ask(ip, int(how["grpc"]["port"]), how["grpc"].get("service") or "", timeout)
    raise ValueError("missing probe handler")
