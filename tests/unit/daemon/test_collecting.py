"""A daemon that runs for months forgets what it forgot when it started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from corral.daemon.collecting import keep_collecting
from corral.errors import HostError
from corral.images.content import Content
from tests.support.wait import eventually_async


def old_part(content: Content, tmp_path: Path) -> None:
    with content.ingest("pull-sha256:1") as scratch:
        scratch.write(b"x")
    os.utime(tmp_path / "resume/pull-sha256:1", (0, 0))


async def test_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after a failure, which is logged."""
    content = Content(str(tmp_path))
    collect, failed = content.collect, [HostError("the disk is away"), OSError(5, "Input/output error")]

    def fails_once() -> tuple[int, int]:
        if failed:
            raise failed.pop()
        return collect()

    monkeypatch.setattr(content, "collect", fails_once)
    task = asyncio.ensure_future(keep_collecting(content, every=0.001))
    try:
        for _ in range(3):
            old_part(content, tmp_path)
            await eventually_async(lambda: not content.unfinished(), "what is old is forgotten")
    finally:
        task.cancel()
    assert not failed
