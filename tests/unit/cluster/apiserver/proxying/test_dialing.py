"""Connections that the API server makes for its clients."""

from __future__ import annotations

import socket

import pytest

from corral.cluster.apiserver.proxying.dialing import dial


async def test_why_nobody_answers_is_said_in_the_kernel_s_words() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError) as refused:
            await dial("127.0.0.1", held.getsockname()[1])
    assert refused.value.strerror == "Connection refused"
