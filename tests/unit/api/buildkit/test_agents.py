"""A socket here that leads to the ssh agent of a client."""

from __future__ import annotations

import asyncio
from pathlib import Path

from corral.api.buildkit.agents import FORWARD, serve_agent
from corral.api.buildkit.schema import message, parse
from corral.http.grpc.flow import Flow
from corral.http.grpc.link import Link
from corral.http.grpc.serving import serve
from tests.support.wires import wires


async def test_what_is_said_goes_both_ways(tmp_path: Path) -> None:
    """For each connection by a call of its own, until either side ends."""
    asked = []

    async def forward(flow: Flow) -> None:
        asked.append(flow.header("buildkit.ssh.id"))
        while (data := await flow.receive()) is not None:
            said = parse("BytesMessage", data).data
            await flow.send(message("BytesMessage", data=said.upper()).SerializeToString())

    ours, theirs = wires()
    link = Link(ours)
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(serve(theirs, {FORWARD: forward}))]
    async with serve_agent(link, "work", str(tmp_path / "s")):
        for text in (b"keys?", b"x" * 200_000):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
            writer.write(text)
            writer.write_eof()
            assert await asyncio.wait_for(reader.read(-1), 10) == text.upper()
            writer.close()
    assert asked == ["work", "work"]
    ours.end()
    await asyncio.gather(*tasks)


async def test_a_client_that_has_no_agent(tmp_path: Path) -> None:
    """Whoever connects sees the end."""
    ours, theirs = wires()
    link = Link(ours)
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(serve(theirs, {}))]
    async with serve_agent(link, "work", str(tmp_path / "s")):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    ours.end()
    await asyncio.gather(*tasks)
