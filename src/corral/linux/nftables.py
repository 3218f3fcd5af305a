"""nftables through libnftables: the kernel's firewall and address translation, spoken to in nft's own language.

One context is kept, for loading it costs more than most commands: a map element then takes 0.15 ms where an
`nft` process takes 3. A text of several commands is one transaction: all of it happens, or nothing.

The library waits with select(2), which ends the whole process where its socket's number is 1024 or more. A daemon of a
few hundred containers has as many descriptors open, so some low numbers are kept for it.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from corral.errors import HostError, Unsupported

T = TypeVar("T")
_OUTPUT_JSON = 1 << 4
_LOW, _SPARE = 1024, 8
_NAMES = ("libnftables.so.1", "libnftables.so")


class Nft:
    """Not thread-safe: one user at a time."""

    def __init__(self) -> None:
        self._lib = _library()
        context = _low_numbers().use(lambda: _holding(self._lib).nft_ctx_new(0))
        if not context:
            raise HostError("libnftables gives no context; is this root, and nf_tables in the kernel?")
        self._context = ctypes.c_void_p(context)
        self._lib.nft_ctx_buffer_output(self._context)
        self._lib.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        """Does what `nft -f` would do with this text; returns what it prints. HostError with nft's own words."""
        failed = self._lib.nft_run_cmd_from_buffer(self._context, commands.encode())
        said = (self._lib.nft_ctx_get_output_buffer(self._context) or b"").decode(errors="replace")
        complaint = (self._lib.nft_ctx_get_error_buffer(self._context) or b"").decode(errors="replace")
        if failed:
            raise HostError(f"nftables: {first_complaint(complaint)}")
        return said

    def json(self, command: str) -> list[dict[str, object]]:
        """The objects that a listing command ("list map inet corral ports") returns."""
        self._lib.nft_ctx_output_set_flags(self._context, _OUTPUT_JSON)
        try:
            said = self.run(command)
        finally:
            self._lib.nft_ctx_output_set_flags(self._context, 0)
        found: list[dict[str, object]] = json.loads(said)["nftables"] if said else []
        return found

    def close(self) -> None:
        if self._context:
            self._lib.nft_ctx_free(self._context)
            self._context = ctypes.c_void_p()
            _low_numbers().fill()


class _LowNumbers:
    """Descriptors that only keep their numbers from others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[int] = []
        self._libc = ctypes.PyDLL(None)
        self.fill()

    def fill(self) -> None:
        with self._lock:
            while len(self._kept) < _SPARE:
                number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                if number >= _LOW:
                    os.close(number)
                    return
                self._kept.append(number)

    def use(self, opens: Callable[[], T]) -> T:
        """Calls what opens one descriptor, so that it gets a low number. Between the two calls no other thread runs:
        neither lets go of the interpreter. HostError when none is left."""
        with self._lock:
            if not self._kept:
                raise HostError(f"libnftables needs a descriptor below {_LOW}, and all are open")
            self._libc.close(self._kept.pop())
            return opens()


_low_numbers = cache(_LowNumbers)


def first_complaint(text: str) -> str:
    """Pure: nft's error without the position and the marks under the source line.

    >>> first_complaint("/dev/stdin:1:12-15: Error: No such file or directory\\nadd rule x y\\n    ^^^^\\n")
    'No such file or directory: add rule x y'
    """
    lines = [line for line in text.splitlines() if line.strip(" ^~")]
    if not lines:
        return "refused without a reason"
    reason = lines[0].partition("Error: ")[2] or lines[0]
    return f"{reason}: {lines[1].strip()}" if len(lines) > 1 else reason


@cache
def _library() -> ctypes.CDLL:
    for name in (*_NAMES, ctypes.util.find_library("nftables")):
        try:
            lib = ctypes.CDLL(name) if name else None
        except OSError:  # not under this name
            continue
        if lib is not None:
            return _typed(lib)
    raise Unsupported("libnftables is missing: install the package libnftables1 (Debian) or nftables (Fedora)")


@cache
def _holding(lib: ctypes.CDLL) -> ctypes.PyDLL:
    """The same library, called without letting go of the interpreter."""
    held = ctypes.PyDLL(lib._name)
    held.nft_ctx_new.argtypes, held.nft_ctx_new.restype = [ctypes.c_uint32], ctypes.c_void_p
    return held


def _typed(lib: ctypes.CDLL) -> ctypes.CDLL:
    """Pointers are 64 bits wide; ctypes takes them for ints unless told."""
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(lib, name).argtypes, getattr(lib, name).restype = [ctypes.c_void_p], ctypes.c_char_p
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    return lib
