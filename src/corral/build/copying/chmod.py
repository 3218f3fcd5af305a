"""Chmod: --chmod, as an octal number or in chmod(1)'s words. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from corral.errors import InvalidInput

Change = Callable[[int, bool], int]  # (mode, is it a directory) -> mode
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": 0o6777}
_PERM = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_ALL = 0o6777
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_CLASSES = {"u": 6, "g": 3, "o": 0}


def parse_octal(text: str) -> int | None:
    """The mode, None if it is no number. InvalidInput if it is none that a file can have.

    >>> oct(parse_octal("0755")), parse_octal("u+x")
    ('0o755', None)
    >>> parse_octal("999")
    Traceback (most recent call last):
    corral.errors.InvalidInput: invalid chmod parameter: '999'. it should be octal string and between 0 and 07777
    """
    if not text[:1].isdecimal():
        return None
    if not re.fullmatch("[0-7]+", text) or int(text, 8) > 0o7777:
        raise InvalidInput(
            f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
        )  # fmt: skip
    return int(text, 8)


def parse_chmod(text: str) -> Change:
    """What becomes of a mode.

    >>> change = parse_chmod("u=rwX,go=rX")
    >>> oct(change(0o600, False)), oct(change(0o700, False)), oct(change(0o600, True))
    ('0o644', '0o755', '0o755')
    >>> oct(parse_chmod("go=u-w")(0o640, False)), oct(parse_chmod("+t")(0o755, True))
    ('0o644', '0o1755')
    """
    number = parse_octal(text)
    if number is not None:
        return lambda mode, directory: number
    actions: list[tuple[str, str, str]] = []
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise InvalidInput(f"invalid chmod parameter: '{text}': invalid syntax")
        actions += [(found[1], op, perms) for op, perms in _ACTION.findall(found[2])]

    def change(mode: int, directory: bool) -> int:
        executable = directory or bool(mode & 0o111)
        for who, op, perms in actions:
            mode = _apply(mode, who, op, perms, executable)
        return mode

    return change


def _apply(mode: int, who: str, op: str, perms: str, executable: bool) -> int:
    mask = 0
    for letter in who or "a":
        mask |= _WHO[letter]
    bits = 0
    for letter in perms:
        if letter in _CLASSES:
            bits |= (mode >> _CLASSES[letter] & 7) * 0o111
        elif letter == "X":
            bits |= 0o111 if executable or op == "-" else 0
        elif letter not in "st" or who != "o":
            bits |= _PERM[letter]
    if "t" in perms and who != "o":
        mask |= 0o1000
    if op == "=":
        return mode & ~mask | bits & mask
    return mode | bits & mask if op == "+" else mode & ~(bits & mask)
