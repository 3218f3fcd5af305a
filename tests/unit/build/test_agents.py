"""An agent's socket, handed on."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from corral.build.agents import forwarded


async def test_what_is_said_goes_both_ways(tmp_path: Path) -> None:
    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"heard " + await reader.read())
        writer.close()

    agent_path, path = str(tmp_path / "agent"), str(tmp_path / "forward")
    owner = (os.getuid(), os.getgid())
    async with await asyncio.start_unix_server(agent, agent_path), forwarded(agent_path, path, owner, 0o600):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"heard hello"
        writer.close()


async def test_without_its_agent_a_connection_just_ends(tmp_path: Path) -> None:
    path = str(tmp_path / "forward")
    async with forwarded(str(tmp_path / "nobody"), path, (os.getuid(), os.getgid()), 0o600):
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.read() == b""
        writer.close()
