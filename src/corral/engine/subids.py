"""Subordinate ids: ranges of the host's user and group ids that containers' users may be mapped to. All pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from corral.errors import InvalidInput
from corral.linux.idmap import IdMap, IdMaps

DEFAULT, DEFAULT_USER = "default", "dockremap"
SIZE = 65536
# Above what `useradd` gives away, and within what systemd leaves to containers: 1073741824 to 1610612735.
_FIRST, _PLACES = 1 << 30, 8192
_MOST = 340  # lines that the kernel takes


class Range(NamedTuple):
    """One line of /etc/subuid or /etc/subgid: `size` ids from `start` on, for `owner`, a name or a number."""

    owner: str
    start: int
    size: int


def parse_ranges(text: str, path: str) -> list[Range]:
    """The lines of subuid(5). InvalidInput names the file with a line that is none.

    >>> parse_ranges("# mine\\nann:100000:65536\\n", "/etc/subuid")
    [Range(owner='ann', start=100000, size=65536)]
    """
    found = []
    for line in text.splitlines():
        if not line.strip() or line.strip().startswith("#"):
            continue
        words = line.strip().split(":")
        if len(words) != 3 or not all(word.isascii() and word.isdecimal() for word in words[1:]):
            raise InvalidInput(f"Cannot parse subuid/gid information: Format not correct for {path} file")
        found.append(Range(words[0], int(words[1]), int(words[2])))
    return found


def ranges_of(ranges: Iterable[Range], user: str, uid: int | None = None) -> list[Range]:
    """Those of a user, by name or number.

    >>> ranges_of([Range("ann", 1, 2), Range("1000", 5, 6), Range("bob", 9, 9)], "ann", 1000)
    [Range(owner='ann', start=1, size=2), Range(owner='1000', start=5, size=6)]
    """
    names = {user} | ({str(uid)} if uid is not None else set())
    return [one for one in ranges if one.owner in names and one.size]


def plan_map(ranges: Sequence[Range]) -> tuple[IdMap, ...]:
    """Ranges as one namespace's ids, in the order of the file. InvalidInput for more than the kernel takes.

    >>> plan_map([Range("a", 100000, 10), Range("a", 300000, 90)])
    (IdMap(inside=0, outside=100000, size=10), IdMap(inside=10, outside=300000, size=90))
    """
    if len(ranges) > _MOST:
        raise InvalidInput(f"{ranges[0].owner} has {len(ranges)} ranges of subordinate ids: the kernel takes {_MOST}")
    maps, inside = [], 0
    for one in ranges:
        maps.append(IdMap(inside, one.start, one.size))
        inside += one.size
    return tuple(maps)


def plan_maps(user: str, uid: int | None, subuid: Sequence[Range], subgid: Sequence[Range]) -> IdMaps:
    """What a user's containers get. InvalidInput in dockerd's words.

    >>> plan_maps("ann", None, [Range("ann", 100000, 65536)], [Range("ann", 200000, 65536)]).root
    (100000, 200000)
    >>> plan_maps("bob", None, [], [])
    Traceback (most recent call last):
    corral.errors.InvalidInput: Can't create ID mappings: no subuid ranges found for user "bob"
    """
    found = {}
    for kind, ranges in (("subuid", subuid), ("subgid", subgid)):
        found[kind] = ranges_of(ranges, user, uid)
        if not found[kind]:
            raise InvalidInput(f'Can\'t create ID mappings: no {kind} ranges found for user "{user}"')
    return IdMaps(plan_map(found["subuid"]), plan_map(found["subgid"]))


def plan_free_range(taken: Iterable[tuple[int, int]], remembered: int, seed: int) -> int:
    """The start of 65536 ids that nobody has: the remembered one while it is free (0: none), else from a place on
    that differs by instance. `taken` are (start, size). InvalidInput when there is none.

    >>> plan_free_range([], 0, 0), plan_free_range([(1 << 30, 5)], 0, 0), plan_free_range([], 65536, 3)
    (1073741824, 1073807360, 65536)
    >>> plan_free_range([(131000, 100)], 65536, 8192 + 1)
    1073807360
    """
    known = list(taken)

    def free(start: int) -> bool:
        return all(start + SIZE <= other or other + size <= start for other, size in known)

    if remembered and free(remembered):
        return remembered
    for step in range(_PLACES):
        start = _FIRST + (seed + step) % _PLACES * SIZE
        if free(start):
            return start
    raise InvalidInput(f"Can't create ID mappings: no {SIZE} ids are free on this host")


class User(NamedTuple):
    """A user of the host."""

    name: str
    uid: int


def plan_user(
    wanted: str,
    user: Callable[[str | int], User | None],
    group: Callable[[str | int], str | None],
) -> User | None:
    """Whose ranges `userns-remap` means: USER[:GROUP] or UID[:GID]. None for "default" where no user has its name.

    `user` and `group` look up a name or a number of the host. InvalidInput in dockerd's words.

    >>> plan_user("7:staff", lambda key: User("ann", 7), lambda key: "staff")
    User(name='ann', uid=7)
    >>> plan_user("eve", lambda key: None, lambda key: None)
    Traceback (most recent call last):
    corral.errors.InvalidInput: Error during uid lookup for "eve": no such user
    """
    words = wanted.split(":")
    if len(words) > 2:
        raise InvalidInput(f'Invalid user/group specification in --userns-remap: "{wanted}"')
    number = _number(words[0])
    name = DEFAULT_USER if words[0] == DEFAULT else words[0]
    found = user(name if number is None else number)
    if found is None:
        if words[0] == DEFAULT and len(words) == 1:
            return None
        if number is not None:
            raise InvalidInput(f"Uid {number} has no entry in /etc/passwd: no such user")
        raise InvalidInput(f'Error during uid lookup for "{name}": no such user')
    if len(words) == 2:
        _check_group(words[1], "groupname", group)
    else:
        _check_group(name if number is None else words[0], "gid", group)
    return found


def _check_group(wanted: str, what: str, group: Callable[[str | int], str | None]) -> None:
    """Docker wants the group to be there; its ranges are the user's all the same."""
    number = _number(wanted)
    if group(wanted if number is None else number) is not None:
        return
    if number is not None:
        raise InvalidInput(f"Gid {number} has no entry in /etc/group: no such group")
    raise InvalidInput(f'Error during {what} lookup for "{wanted}": no such group')


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdecimal() and int(word) < 1 << 31 else None
