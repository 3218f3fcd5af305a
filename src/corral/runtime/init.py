"""Init: a small program that reaps orphans and passes signals on, as the first process of a container."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from corral.errors import Unavailable
from corral.runtime.oci import resolve_program

TARGET = "/sbin/docker-init"
_NAMES = ("docker-init", "tini-static", "catatonit", "tini")
_INTERPRETER = 3  # the type of an ELF segment that names a dynamic linker


def find_init(configured: str = "") -> str:
    """The host's init program. Unavailable where there is none, with what to install."""
    if configured:
        if os.access(configured, os.X_OK):
            return configured
        raise Unavailable(f"the init program {configured} does not exist or cannot be executed")
    for name in _NAMES:
        path = resolve_program(name)
        if path and is_static(path):
            return os.path.realpath(path)
    raise Unavailable(
        "no statically linked init program on this host: install the package catatonit or tini, or run without --init"
    )


def is_static(path: str) -> bool:
    """Whether a program runs without the host's libraries, which a container does not have."""
    try:
        with open(path, "rb") as file:
            head = file.read(65536)
    except OSError:
        return False
    return head[:4] == b"\x7fELF" and _INTERPRETER not in segment_types(head)


def segment_types(head: bytes) -> set[int]:
    """Pure: the types of the segments of a 64-bit or 32-bit little-endian ELF file; those that are in `head`."""
    wide = head[4:5] == b"\x02"
    offset, size, count = (
        (struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54))
        if wide
        else (struct.unpack_from("<I", head, 28)[0], *struct.unpack_from("<HH", head, 42))
    )
    starts = range(offset, min(offset + size * count, len(head) - 4), size or 1)
    return {struct.unpack_from("<I", head, start)[0] for start in starts}


def plan_arguments(command: Sequence[str]) -> list[str]:
    """Pure: the command with the init program in front.

    >>> plan_arguments(["sleep", "9"])
    ['/sbin/docker-init', '--', 'sleep', '9']
    """
    return [TARGET, "--", *command]
