"""`corral token create`: what is said of a server that nobody could join by."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.https import wire
from corral.daemon.token import check_reached
from corral.errors import HostError


@pytest.fixture
def authority(tmp_path: Path) -> str:
    pki.ensure(tmp_path / "pki", pki.server_names("10.96.0.1"), int(time.time()))
    return (tmp_path / "pki/ca.crt").read_text()


async def test_a_server_that_says_nothing_is_not_waited_for_long(
    authority: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is stopped: the kernel takes the connection, and nobody greets."""
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.05)
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
    try:
        with pytest.raises(HostError) as found:
            await check_reached(url, "https://box:6443", authority)
    finally:
        silent.close()
    assert found.value.message == f"cannot reach {url}: no answer"
