"""A program that does nothing: as a first process it lets the kernel take away the orphans that come to it. Pure.

It has the ends of its children ignored (rt_sigaction, SIGCHLD, SIG_IGN) and then waits for ever. The smallest ELF that
does so is made here, so that no host needs to have one.
"""

from __future__ import annotations

import struct
from typing import Final

from corral.errors import Unsupported

BASE: Final = 0x400000
HEAD: Final = 64 + 56
MACHINES: Final = {"x86_64": 62, "aarch64": 183}
ACTION: Final = struct.pack("<QQQQ", 1, 0, 0, 0)  # SIG_IGN


def _x86_64() -> bytes:
    """rt_sigaction(17, action, 0, 8), then pause() again and again."""
    before = bytes.fromhex("b80d000000 bf11000000")  # mov eax, 13; mov edi, 17
    after = bytes.fromhex("31d2 41ba08000000 0f05")  # xor edx, edx; mov r10d, 8; syscall
    loop = bytes.fromhex("b822000000 0f05 ebf7")  # mov eax, 34; syscall; back to the mov
    distance = len(after) + len(loop)  # from behind the lea to the action
    return before + bytes.fromhex("488d35") + struct.pack("<i", distance) + after + loop


def _aarch64() -> bytes:
    """rt_sigaction(17, action, 0, 8), then ppoll(0, 0, 0, 0) again and again."""

    def move(register: int, value: int) -> int:
        return 0xD2800000 | value << 5 | register

    call = 0xD4000001
    loop = [move(8, 73), move(0, 0), move(1, 0), move(2, 0), move(3, 0), call]
    loop.append(0x14000000 | (-len(loop) & 0x3FFFFFF))
    after = [move(2, 0), move(3, 8), call, *loop]
    address = 0x10000000 | (1 + len(after)) << 5 | 1  # adr x1, action
    return b"".join(struct.pack("<I", word) for word in [move(8, 134), move(0, 17), address, *after])


def program(machine: str) -> bytes:
    """The whole file. Unsupported for a machine that it is not written for.

    >>> program("x86_64")[:4], len(program("aarch64"))
    (b'\\x7fELF', 204)
    """
    if machine not in MACHINES:
        raise Unsupported(f"shareProcessNamespace is not offered on {machine}")
    body = (_x86_64() if machine == "x86_64" else _aarch64()) + ACTION
    size = HEAD + len(body)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, MACHINES[machine], 1, BASE + HEAD, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return identity + header + segment + body
