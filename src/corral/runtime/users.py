"""Users: what "user[:group]" means inside a container, by its own /etc/passwd and /etc/group.

The files are written by strangers: they are opened inside the container's root, whatever links they are, and
lines that make no sense are skipped. The words of the errors are those that Docker's users know.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from corral.errors import InvalidInput
from corral.linux.rooted import open_in_root, open_root

LARGEST = 2147483647
_FILE_LIMIT = 16 << 20  # bytes of passwd or group that are looked at


@dataclass(frozen=True)
class ResolvedUser:
    """`groups` are the supplementary groups, the primary one first; `name` is "" for an unnamed number."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"
    name: str = ""


class PasswdEntry(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


class GroupEntry(NamedTuple):
    name: str
    gid: int
    members: list[str]


def plan_user(user: str, groups: Sequence[str], passwd: str, group: str) -> ResolvedUser:
    """Pure: "user[:group]" and additional groups, by the texts of /etc/passwd and /etc/group.

    Names win over numbers; a number need not be in the files; "" is root. More than two parts are of no meaning, as
    in passwd(5) itself. InvalidInput for unknown names.

    >>> plan_user("bin", [], "bin:x:2:3::/bin:/sh\\n", "b:x:3:\\ndisk:x:6:bin\\n")
    ResolvedUser(uid=2, gid=3, groups=(3, 6), home='/bin', name='bin')
    >>> plan_user("1000:7", ["disk"], "", "disk:x:6:\\n")
    ResolvedUser(uid=1000, gid=7, groups=(7, 6), home='/', name='')
    """
    wanted, wanted_group = [*user.split(":"), ""][:2]
    everybody, every_group = parse_passwd(passwd), parse_group(group)
    found = _find_user(wanted or "0", everybody)
    if wanted_group:
        gid = _find_group(wanted_group, every_group, f"unable to find group {wanted_group}")
        member_of: list[int] = []
    else:
        gid = found.gid
        member_of = [g.gid for g in every_group if found.name and found.name in g.members]
    more = [_find_group(name, every_group, f"Unable to find group {name}") for name in groups]
    return ResolvedUser(found.uid, gid, tuple(dict.fromkeys([gid, *member_of, *more])), found.home, found.name)


def _find_user(wanted: str, everybody: Iterable[PasswdEntry]) -> PasswdEntry:
    number = _number(wanted)
    for entry in everybody:
        if entry.name == wanted or entry.uid == number:
            return entry
    if number is None:
        raise InvalidInput(f"unable to find user {wanted}: no matching entries in passwd file")
    return PasswdEntry("", _in_range(number), 0, "/")


def _find_group(wanted: str, every_group: Iterable[GroupEntry], complaint: str) -> int:
    number = _number(wanted)
    for entry in every_group:
        if entry.name == wanted or entry.gid == number:
            return entry.gid
    if number is None:
        raise InvalidInput(f"{complaint}: no matching entries in group file")
    return _in_range(number)


def _number(text: str) -> int | None:
    digits = text[1:] if text[:1] in "+-" else text
    return int(text) if digits.isascii() and digits.isdigit() else None


def _in_range(number: int) -> int:
    if not 0 <= number <= LARGEST:
        raise InvalidInput(f"uids and gids must be in range 0-{LARGEST}")
    return number


def parse_passwd(text: str) -> list[PasswdEntry]:
    """Pure: the entries that make sense.

    >>> parse_passwd("root:x:0:0:r:/root:/bin/sh\\n# no\\nbad:x:y:1::/:\\n")
    [PasswdEntry(name='root', uid=0, gid=0, home='/root')]
    """
    rows = (line.strip().split(":") for line in text.splitlines())
    return [
        PasswdEntry(row[0], int(row[2]), int(row[3]), row[5] or "/")
        for row in rows
        if len(row) >= 6 and row[2].isdecimal() and row[3].isdecimal()
    ]


def parse_group(text: str) -> list[GroupEntry]:
    """Pure: the entries that make sense.

    >>> parse_group("wheel:x:10:ann,bob\\n")
    [GroupEntry(name='wheel', gid=10, members=['ann', 'bob'])]
    """
    rows = (line.strip().split(":") for line in text.splitlines())
    return [
        GroupEntry(row[0], int(row[2]), [m for m in (row[3] if len(row) > 3 else "").split(",") if m])
        for row in rows
        if len(row) >= 3 and row[2].isdecimal()
    ]


def resolve_user(rootfs: str, user: str, groups: Sequence[str] = ()) -> ResolvedUser:
    """`plan_user` with the files of a mounted root file system. A missing file is an empty one."""
    if user in ("", "0", "0:0") and not groups and not os.path.lexists(f"{rootfs}/etc/passwd"):
        return ResolvedUser(groups=(0,), name="")
    root = open_root(rootfs)
    try:
        return plan_user(user, groups, _read(root, "/etc/passwd"), _read(root, "/etc/group"))
    finally:
        os.close(root)


def _read(root: int, path: str) -> str:
    try:
        # Not blocking: the file may be a pipe that nobody writes to.
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.read(fd, _FILE_LIMIT).decode("utf-8", "surrogateescape")
    except OSError:  # a directory, a device
        return ""
    finally:
        os.close(fd)
