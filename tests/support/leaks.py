"""What a host looks like from outside, so that before and after can be compared.

`Footprint.of(words)` keeps only what belongs to one instance: its root's path, its bridge's and table's names. Where
nothing else works on the machine (CI, the guest) `Footprint.of_host()` takes everything.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
DEVICES = ("null", "zero", "full", "random", "urandom")  # of which a runtime is given one, or gives one on


@dataclass(frozen=True)
class Footprint:
    """Each is a set of words that name one thing of the host's."""

    mounts: frozenset[str]
    links: frozenset[str]
    tables: frozenset[str]
    cgroups: frozenset[str]
    processes: frozenset[str]
    netns: frozenset[str]
    routes: frozenset[str]
    devices: frozenset[str]

    @classmethod
    def of_host(cls, keep: Callable[[str], bool] = lambda word: True) -> Footprint:
        """Everything for which `keep` is true."""
        return cls(
            mounts=frozenset(filter(keep, _mounts())),
            links=frozenset(filter(keep, os.listdir("/sys/class/net"))),
            tables=frozenset(filter(keep, _tables())),
            cgroups=frozenset(filter(keep, _cgroups())),
            processes=frozenset(filter(keep, _processes())),
            netns=frozenset(filter(keep, _named_netns())),
            routes=frozenset(filter(keep, _routes())),
            devices=frozenset(_given_away()),  # nobody's, so everybody's
        )

    @classmethod
    def of(cls, words: Iterable[str]) -> Footprint:
        """What has one of `words` in its name, and not in the middle of another word: a short one of hexadecimal digits
        is in many an id of others."""
        wanted = re.compile("|".join((r"\b" if part[0].isalnum() else "") + re.escape(part) for part in words))
        return cls.of_host(lambda word: wanted.search(word) is not None)

    def beyond(self, before: Footprint) -> dict[str, list[str]]:
        """What is here and was not `before`, by kind; empty when nothing leaked. Pure.

        >>> empty = Footprint(*[frozenset()] * 8)
        >>> Footprint(frozenset({"/x"}), *[frozenset()] * 7).beyond(empty)
        {'mounts': ['/x']}
        """
        kinds = (field.name for field in fields(self))
        found = {kind: sorted(getattr(self, kind) - getattr(before, kind)) for kind in kinds}
        return {kind: names for kind, names in found.items() if names}


def descriptors() -> frozenset[str]:
    """`number target` of each file that this process has open. What others left to the garbage collector may go at any
    time: compare what is new, not how many there are."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the folder itself, while it was read
            found.append(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return frozenset(found)


def _mounts() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines]


def _tables() -> list[str]:
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def _cgroups() -> list[str]:
    return [folder for folder, _, _ in os.walk(CGROUPS)]


def _processes() -> list[str]:
    """`pid command line` of each process that is no kernel thread and no zombie."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes()
        except OSError:
            continue
        if line and int(name) != os.getpid():
            found.append(f"{name} {line.replace(bytes(1), b' ').decode(errors='replace').strip()}")
    return found


def _named_netns() -> list[str]:
    try:
        return os.listdir("/run/netns")
    except FileNotFoundError:
        return []


def _routes() -> list[str]:
    """`interface destination gateway`, in hexadecimal as the kernel writes them, of both families."""
    ipv4 = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    ipv6 = [line.split() for line in Path("/proc/net/ipv6_route").read_text().splitlines()]
    return [
        *(" ".join((*words[:3], words[7])) for words in ipv4),
        *(" ".join((words[9], *words[:5])) for words in ipv6),
    ]


def _given_away() -> list[str]:
    """`path user group mode` of each device of DEVICES that is not root's, or not everybody's to use, any more."""
    found = [(path, os.stat(path)) for path in (f"/dev/{name}" for name in DEVICES)]
    return [
        f"{path} {info.st_uid} {info.st_gid} {info.st_mode & 0o7777:04o}"
        for path, info in found
        if (info.st_uid, info.st_gid, info.st_mode & 0o7777) != (0, 0, 0o666)
    ]
