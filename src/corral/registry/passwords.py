"""Passwords: a file as `htpasswd -B` writes it, and the C library's crypt to check against it.

::

    alice:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import hashlib
import hmac
import os
from typing import Final

from corral.errors import HostError, InvalidInput, from_oserror

_LIBRARIES: Final = ("libcrypt.so.1", "libcrypt.so.2", "libc.so")  # Debian, Fedora, musl
_SCRATCH: Final = 1 << 18  # bytes: more than any C library's struct crypt_data
_PREFIXES: Final = ("$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$7$")
_NOBODY: Final = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"


@functools.cache
def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            found = ctypes.CDLL(name)
            found.crypt_r.restype = ctypes.c_char_p
            found.crypt_r.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
            return found
        except (OSError, AttributeError):
            continue
    raise HostError("passwords cannot be checked: there is no libcrypt; install libcrypt1 or libxcrypt")


def matches(password: str, hashed: str) -> bool:
    """Whether the password has that hash. Takes as long as the hash is strong; other threads run meanwhile."""
    if "\0" in password:
        return False
    scratch = ctypes.create_string_buffer(_SCRATCH)
    made = _library().crypt_r(password.encode(), hashed.encode(), scratch)
    return made is not None and hmac.compare_digest(made, hashed.encode())


def parse_htpasswd(text: str) -> dict[str, str]:
    """Pure: {name: hash}. InvalidInput for a line that is none, or a hash that is too weak to be offered.

    >>> parse_htpasswd("# people\\nalice:$2y$05$abc\\n")
    {'alice': '$2y$05$abc'}
    >>> parse_htpasswd("bob:$apr1$x$y")
    Traceback (most recent call last):
    corral.errors.InvalidInput: line 1: the hash of 'bob' is of a kind that is not offered: make it with htpasswd -B
    """
    users: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        if not colon or not name:
            raise InvalidInput(f"line {number}: must be NAME:HASH")
        if not hashed.startswith(_PREFIXES):
            raise InvalidInput(
                f"line {number}: the hash of {name!r} is of a kind that is not offered: make it with htpasswd -B"
            )
        users[name] = hashed
    return users


class Passwords:
    """The users of a file, which is read again when it changes. A password that was right is not hashed again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._users: dict[str, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._right: dict[str, tuple[str, bytes]] = {}  # name -> (hash in the file, our own of the password)
        self._salt = os.urandom(16)
        self._room = asyncio.Semaphore(2)  # guessing must not take the whole machine

    def users(self) -> dict[str, str]:
        """As of now. InvalidInput, HostError."""
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                with open(self._path, encoding="utf-8") as file:
                    self._users = parse_htpasswd(file.read())
                self._stamp = stamp
        except OSError as error:
            raise from_oserror(f"read {self._path}", error) from error
        except (InvalidInput, UnicodeDecodeError) as error:
            raise InvalidInput(f"{self._path}: {error}") from None
        return self._users

    async def check(self, user: str, password: str) -> bool:
        """Whether that is the user's password; who does not exist takes as long."""
        hashed = self.users().get(user)
        ours = hashlib.blake2b(password.encode(), key=self._salt).digest()
        known = self._right.get(user)
        if hashed and known and known[0] == hashed and hmac.compare_digest(known[1], ours):
            return True
        async with self._room:
            right = await asyncio.to_thread(matches, password, hashed or _NOBODY)
        if right and hashed:
            self._right[user] = (hashed, ours)
        return right and hashed is not None
