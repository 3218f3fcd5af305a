"""Small files of a root that strangers have filled, such as .dockerignore and /etc/passwd."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator

import pytest

from corral.build.copying.listing import read_small
from corral.errors import InvalidInput


@pytest.fixture
def folder() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="cr-") as made:  # short: a socket's path has 107 bytes
        yield made


@pytest.mark.parametrize("kind", ["socket", "fifo", "directory"])
def test_what_is_no_file_is_the_senders_fault(folder: str, kind: str) -> None:
    path = f"{folder}/x"
    root = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(path)
        else:
            os.mkfifo(path) if kind == "fifo" else os.mkdir(path)
        try:
            with pytest.raises((InvalidInput, IsADirectoryError)):
                read_small(root, "x", 100)
        finally:
            os.close(root)
