"""The C library, for the system calls that Python does not offer."""

from __future__ import annotations

import ctypes
import os

from corral.errors import HostError, from_oserror

_lib = ctypes.CDLL(None, use_errno=True)

# Pointers and longs are 64 bits wide here: without argument types ctypes would cut them.
_lib.syscall.restype = ctypes.c_long
_lib.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_lib.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_lib.unshare.argtypes = [ctypes.c_int]
_lib.syncfs.argtypes = [ctypes.c_int]
_lib.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_lib.capget.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_lib.capset.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_lib.setfsuid.argtypes = [ctypes.c_uint32]
_lib.setfsgid.argtypes = [ctypes.c_uint32]
_lib.inotify_init1.argtypes = [ctypes.c_int]
_lib.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
_lib.inotify_rm_watch.argtypes = [ctypes.c_int, ctypes.c_int]

mount = _lib.mount
umount2 = _lib.umount2
unshare = _lib.unshare
setns = _lib.setns
syncfs = _lib.syncfs
capget = _lib.capget
capset = _lib.capset
setfsuid = _lib.setfsuid
setfsgid = _lib.setfsgid
inotify_init1 = _lib.inotify_init1
inotify_add_watch = _lib.inotify_add_watch
inotify_rm_watch = _lib.inotify_rm_watch
syscall = _lib.syscall


def last_error() -> int:
    """The calling thread's errno after a call that failed."""
    return ctypes.get_errno()


def failure(action: str) -> HostError:
    """The error of the call that just failed; `action` is what was being done."""
    code = ctypes.get_errno()
    return from_oserror(action, OSError(code, os.strerror(code)))
