"""nftables through libnftables: the kernel's firewall and address translation, spoken to in nft's own language.

One context is kept, for loading it costs more than most commands: a map element then takes 0.15 ms where an
`nft` process takes 3. A text of several commands is one transaction: all of it happens, or nothing.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
from functools import cache

from corral.errors import HostError, Unsupported

_OUTPUT_JSON = 1 << 4
_NAMES = ("libnftables.so.1", "libnftables.so")


class Nft:
    """Not thread-safe: one user at a time."""

    def __init__(self) -> None:
        self._lib = _library()
        context = self._lib.nft_ctx_new(0)
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


def _typed(lib: ctypes.CDLL) -> ctypes.CDLL:
    """Pointers are 64 bits wide; ctypes takes them for ints unless told."""
    lib.nft_ctx_new.argtypes, lib.nft_ctx_new.restype = [ctypes.c_uint32], ctypes.c_void_p
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(lib, name).argtypes, getattr(lib, name).restype = [ctypes.c_void_p], ctypes.c_char_p
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    return lib
