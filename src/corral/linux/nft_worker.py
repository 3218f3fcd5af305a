"""libnftables' own process: takes commands from the socket that is its standard input, and answers there.

Run as a program by `nft_process`; only this file and the standard library, so that it starts at once and stays small.
It ends when the socket's other end is closed, also in the middle of a command. (PR_SET_PDEATHSIG would be too early:
it tells of the end of the thread that started this process, and those are short-lived.)

::

    request  REQUEST (what, context, length) text      OPEN comes with a descriptor of a network namespace
    reply    REPLY (status, lengths) output complaint  OPEN's output is the context's number, PORT's its netlink port
"""

from __future__ import annotations

import _socket  # the module `socket` takes longer to load than all the rest
import _thread
import ctypes
import os
import resource
import select
import struct
import sys

REQUEST = struct.Struct("=BIQ")
REPLY = struct.Struct("=BQQ")
OPEN, RUN, RUN_JSON, CLOSE, PORT = range(1, 6)
DONE, FAILED, REFUSED, MISSING = range(4)

_CHANNEL = 0
_MOST = 200  # contexts; each has two descriptors, and libnftables waits with select(2), which ends a process at 1024
_MEMORY = 2 << 30  # what a container heaps up in its own namespace takes no more of the host's
_OUTPUT_JSON = 1 << 4
_CLONE_NEWNET = 0x40000000
_PR_SET_DUMPABLE, _PR_SET_NAME = 4, 15
_NAMES = ("libnftables.so.1", "libnftables.so")


class Refused(Exception):
    """(status, why)"""


class Contexts:
    """libnftables' contexts: each speaks to one network namespace for as long as it is open."""

    def __init__(self) -> None:
        self._lib: ctypes.CDLL | None = None
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._open: dict[int, tuple[ctypes.c_void_p, int]] = {}
        self._sockets: dict[int, int] = {}
        self._last = 0

    def open(self, netns: int) -> int:
        """Takes the descriptor."""
        try:
            self._lib = self._lib or _library()
            if len(self._open) >= _MOST:
                raise Refused(REFUSED, f"more than {_MOST} contexts of libnftables at once")
            if os.path.sameopenfile(netns, self._home):
                os.close(netns)
                netns = -1
            self._enter(netns)
            before = _descriptors()
            context = self._lib.nft_ctx_new(0)
            made = _descriptors() - before
            self._leave(netns)
            if not context:
                raise Refused(REFUSED, "libnftables gives no context; is this root, and nf_tables in the kernel?")
        except Refused:
            if netns >= 0:
                os.close(netns)
            raise
        self._lib.nft_ctx_buffer_output(context)
        self._lib.nft_ctx_buffer_error(context)
        self._last += 1
        self._open[self._last] = ctypes.c_void_p(context), netns
        self._sockets[self._last] = made.pop() if len(made) == 1 else -1
        return self._last

    def port(self, number: int) -> int:
        """What the kernel calls the context's socket when it tells of changes; 0: not known."""
        try:
            own = _socket.socket(fileno=os.dup(self._sockets[number]))
        except OSError:
            return 0
        try:
            if own.family != _socket.AF_NETLINK:
                return 0
            if not own.getsockname()[0]:
                own.bind((0, 0))  # as its first message would
            return int(own.getsockname()[0])
        finally:
            own.close()

    def run(self, number: int, text: bytes, flags: int) -> tuple[int, bytes, bytes]:
        """(status, output, complaint)"""
        context, netns = self._open[number]
        lib = self._lib
        assert lib is not None
        lib.nft_ctx_output_set_flags(context, flags)
        self._enter(netns)  # names of interfaces are looked up in the thread's own namespace
        failed = lib.nft_run_cmd_from_buffer(context, text)
        self._leave(netns)
        said = lib.nft_ctx_get_output_buffer(context) or b""
        return FAILED if failed else DONE, said, lib.nft_ctx_get_error_buffer(context) or b""

    def close(self, number: int) -> None:
        context, netns = self._open.pop(number)
        del self._sockets[number]
        assert self._lib is not None
        self._lib.nft_ctx_free(context)
        if netns >= 0:
            os.close(netns)

    def _enter(self, netns: int) -> None:
        if netns >= 0 and self._libc.setns(netns, _CLONE_NEWNET) != 0:
            raise Refused(REFUSED, f"enter network namespace: {os.strerror(ctypes.get_errno())}")

    def _leave(self, netns: int) -> None:
        if netns >= 0 and self._libc.setns(self._home, _CLONE_NEWNET) != 0:
            os._exit(1)  # the next command would be done in the wrong place


def main() -> None:
    _prepare()
    channel, contexts = _socket.socket(fileno=_CHANNEL), Contexts()
    other_side = _watch()
    while (request := _receive(channel)) is not None and not other_side.poll(0):  # nothing is begun after its end
        status, said, complaint = _answer(contexts, *request)
        channel.sendall(REPLY.pack(status, len(said), len(complaint)) + said + complaint)


def _prepare() -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:  # sockets and locks that somebody let this process inherit; the list's own is closed already
            try:
                os.close(int(name))
            except OSError:
                continue
    os.chdir("/")
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # a core of this process is of no use to anybody
    libc.prctl(_PR_SET_NAME, b"corral-nft", 0, 0, 0)
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY if most == resource.RLIM_INFINITY else min(most, _MEMORY), most))
    _thread.start_new_thread(_end_with_the_other_side, ())


def _descriptors() -> set[int]:
    """That are open; the list's own is not among them."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue
        found.add(int(name))
    return found


def _watch() -> select.poll:
    watched = select.poll()
    watched.register(_CHANNEL, 0)  # which leaves POLLHUP
    return watched


def _end_with_the_other_side() -> None:
    _watch().poll()
    os._exit(0)


def _receive(channel: _socket.socket) -> tuple[int, int, bytes, int] | None:
    """(what, context, text, namespace or -1); None at the end."""
    head, ancillary, _, _ = channel.recvmsg(REQUEST.size, _socket.CMSG_SPACE(4))
    netns = int.from_bytes(ancillary[0][2][:4], sys.byteorder) if ancillary else -1
    if not head:
        return None
    what, number, length = REQUEST.unpack(head + _read(channel, REQUEST.size - len(head)))
    return what, number, _read(channel, length), netns


def _read(channel: _socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        part = channel.recv(min(size - len(found), 1 << 20))
        if not part:
            os._exit(0)
        found += part
    return bytes(found)


def _answer(contexts: Contexts, what: int, number: int, text: bytes, netns: int) -> tuple[int, bytes, bytes]:
    try:
        if what == OPEN:
            return DONE, str(contexts.open(netns)).encode(), b""
        if what == PORT:
            return DONE, str(contexts.port(number)).encode(), b""
        if what == CLOSE:
            contexts.close(number)
            return DONE, b"", b""
        return contexts.run(number, text, _OUTPUT_JSON if what == RUN_JSON else 0)
    except Refused as refused:
        status, why = refused.args
        return status, b"", why.encode()


def _library() -> ctypes.CDLL:
    for name in _NAMES:
        try:
            return _typed(ctypes.CDLL(name))
        except OSError:  # not under this name
            continue
    from ctypes.util import find_library

    found = find_library("nftables")
    if found is None:
        raise Refused(MISSING, "libnftables is missing: install the package libnftables1 (Debian) or nftables (Fedora)")
    return _typed(ctypes.CDLL(found))


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


if __name__ == "__main__":
    main()
