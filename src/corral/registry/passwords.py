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
import logging
import os
from typing import Final

from corral.errors import HostError, InvalidInput, from_oserror

log = logging.getLogger("corral.registry")

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


def parse_htpasswd(text: str) -> tuple[dict[str, str], list[str]]:
    """Pure: {name: hash}, and what is wrong: a line that is none, or a hash that is too weak to be offered.

    >>> parse_htpasswd("# people\\nalice:$2y$05$abc\\n")
    ({'alice': '$2y$05$abc'}, [])
    >>> parse_htpasswd("bob:$apr1$x$y")
    ({}, ["line 1: the hash of 'bob' is of a kind that is not offered: make it with htpasswd -B"])
    """
    users: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, hashed = line.partition(":")
        if not colon or not name:
            problems.append(f"line {number}: must be NAME:HASH")
        elif not hashed.startswith(_PREFIXES):
            problems.append(
                f"line {number}: the hash of {name!r} is of a kind that is not offered: make it with htpasswd -B"
            )
        else:
            users[name] = hashed
    return users, problems


class Passwords:
    """The users of a file, which is read again when it changes. A password that was right is not hashed again.

    At the start the file must be right. A mistake in it later on, or a file that is away while it is replaced, must
    not lock out everybody: it is logged, and the lines that are right count, or what was read last.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._users: dict[str, str] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._away = False
        self._right: dict[str, tuple[str, bytes]] = {}  # name -> (hash in the file, our own of the password)
        self._salt = os.urandom(16)
        self._room = asyncio.Semaphore(2)  # guessing must not take the whole machine

    def users(self) -> dict[str, str]:
        """As of now. The first time: InvalidInput, HostError."""
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp != self._stamp:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._take(*parse_htpasswd(file.read()))
                self._stamp = stamp
            self._away = False
        except OSError as error:
            if self._stamp is None:
                raise from_oserror(f"read {self._path}", error) from error
            if not self._away:
                log.error("read %s: %s; the users that it had stay", self._path, error.strerror)
            self._away = True
        return self._users

    def _take(self, users: dict[str, str], problems: list[str]) -> None:
        if problems and self._stamp is None:
            raise InvalidInput(f"{self._path}: {problems[0]}")
        for problem in problems:
            log.error("%s: %s; this line does not count", self._path, problem)
        self._users = users

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
