"""The connection to a monitor's console."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from corral.runtime.console import Console


async def test_output_that_waits_is_read_although_the_monitor_left_input_unread(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(os.fspath(tmp_path / "attach"))
        listener.listen()
        console = Console.connect(os.fspath(tmp_path))
        monitor, _ = listener.accept()
        await console.write(b"never read")
        monitor.send(b"\x02last words")
        monitor.send(b"\x03and a cry")
        monitor.close()
        assert [await console.read(), await console.read()] == [(1, b"last words"), (2, b"and a cry")]
        assert await console.read() is None
        console.close()
