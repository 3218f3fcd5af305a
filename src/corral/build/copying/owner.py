"""Owner: --chown=USER[:GROUP], names by the image's own /etc/passwd and /etc/group."""

from __future__ import annotations

from corral.build.copying.listing import read_small
from corral.errors import InvalidInput

_LARGEST, _MOST_BYTES = (1 << 32) - 2, 10 << 20


def needs_lookup(chown: str) -> bool:
    """Is there a name in it, so that the image's files decide? Pure.

    >>> needs_lookup("1000:0"), needs_lookup("app"), needs_lookup("")
    (False, True, False)
    """
    return any(part and not part.isdecimal() for part in chown.split(":", 1))


def plan_owner(chown: str, passwd: str, group: str) -> tuple[int, int]:
    """Pure: a user alone brings their group along: that of /etc/passwd, or the one of the same number.

    >>> passwd = "root:x:0:0::/root:/bin/sh\\napp:x:1000:50::/:/bin/sh\\n"
    >>> plan_owner("app", passwd, ""), plan_owner("7", passwd, ""), plan_owner("app:web", passwd, "web:x:33:\\n")
    ((1000, 50), (7, 7), (1000, 33))
    >>> plan_owner("nobody", passwd, "")
    Traceback (most recent call last):
    corral.errors.InvalidInput: invalid --chown=nobody: no such user: nobody in the image's /etc/passwd
    """
    user, _, wanted_group = chown.partition(":")
    uid = gid = 0
    if user.isdecimal():
        uid = gid = _number(chown, user)
    elif user:
        found = _find(passwd, user)
        if len(found) < 4 or not (found[2].isdecimal() and found[3].isdecimal()):
            raise InvalidInput(f"invalid --chown={chown}: no such user: {user} in the image's /etc/passwd")
        uid, gid = int(found[2]), int(found[3])
    if wanted_group.isdecimal():
        gid = _number(chown, wanted_group)
    elif wanted_group:
        found = _find(group, wanted_group)
        if len(found) < 3 or not found[2].isdecimal():
            raise InvalidInput(f"invalid --chown={chown}: no such group: {wanted_group} in the image's /etc/group")
        gid = int(found[2])
    return uid, gid


def find_owner(chown: str, root: int) -> tuple[int, int]:
    """The same, with the files of the directory `root`; those that are missing have nobody in them."""
    if not needs_lookup(chown):
        return plan_owner(chown, "", "")
    return plan_owner(chown, _read(root, "etc/passwd"), _read(root, "etc/group"))


def _read(root: int, path: str) -> str:
    try:
        return read_small(root, path, _MOST_BYTES).decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _find(table: str, name: str) -> list[str]:
    for line in table.splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return fields
    return []


def _number(chown: str, text: str) -> int:
    if int(text) > _LARGEST:
        raise InvalidInput(f"invalid --chown={chown}: {text} is larger than any id")
    return int(text)


__all__ = ["find_owner", "needs_lookup", "plan_owner"]
