"""Which OCI runtime fits this host, and why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corral.errors import HostError, Unavailable
from corral.linux.cgroups import Layout
from corral.linux.spawn import run
from corral.runtime.cover import Cover, plan_cover, refuses_hybrid, works
from corral.runtime.oci import resolve_program

KNOWN = ("crun", "runc")


@dataclass(frozen=True)
class FoundRuntime:
    """A runtime's program; `version` is "" if it would not tell."""

    name: str
    path: str
    version: str


@dataclass(frozen=True)
class RuntimeChoice:
    """`reason` is for people: what `corral doctor` says. `cover` is what crun is started behind, chosen or not."""

    name: str
    reason: str
    cover: Cover | None = None


def choose(
    wanted: str,
    found: Sequence[FoundRuntime],
    layout: Layout,
    unified_controllers: str = "",
    cover: Cover | None = None,
) -> RuntimeChoice:
    """Pure: the default runtime. crun is the faster one, but refuses a host on which both cgroup versions own
    controllers (`unified_controllers` is what the v2 tree of a hybrid host has), unless a cover can be put over that.
    Unavailable where there is none, or not the one that was wanted.

    >>> both = [FoundRuntime("crun", "/usr/bin/crun", "1.8.1"), FoundRuntime("runc", "/usr/sbin/runc", "1.1.5")]
    >>> choose("", both, Layout("v2", {}, unified="/sys/fs/cgroup")).name
    'crun'
    """
    names = [runtime.name for runtime in found]
    if wanted:
        if wanted not in names:
            raise Unavailable(f"the runtime {wanted} is not installed; found: {', '.join(names) or 'none'}")
        return RuntimeChoice(wanted, "it was asked for", cover)
    if "crun" in names and (cover or not refuses_hybrid(layout, unified_controllers)):
        hidden = f"; not shown that cgroup v2 owns {unified_controllers.strip()} here, which it refuses"
        return RuntimeChoice("crun", f"it starts containers faster than runc{hidden if cover else ''}", cover)
    if "runc" in names:
        if "crun" in names:
            return RuntimeChoice("runc", "crun refuses hosts where cgroup v1 and v2 both own controllers")
        return RuntimeChoice("runc", "crun is not installed")
    raise Unavailable("no OCI runtime that works on this host: install the package runc")


async def choose_here(wanted: str, found: Sequence[FoundRuntime], layout: Layout) -> RuntimeChoice:
    """`choose` with what this host says, and a cover only where it has been seen to work. Unavailable."""
    controllers = read_unified_controllers(layout)
    crun = next((runtime.version for runtime in found if runtime.name == "crun"), "")
    cover = plan_cover(layout, controllers, crun, resolve_program("nsenter") or "")
    if cover is not None and not await works(cover):
        cover = None
    return choose(wanted, found, layout, controllers, cover)


def read_unified_controllers(layout: Layout) -> str:
    """What the v2 tree of a host owns, as the kernel writes it."""
    try:
        with open(f"{layout.unified}/cgroup.controllers") as file:
            return file.read()
    except OSError:
        return ""


async def find_runtimes(more: Mapping[str, str]) -> list[FoundRuntime]:
    """The runtimes that are installed, and those that the configuration adds (name -> path)."""
    paths = {name: path for name in KNOWN if (path := resolve_program(name))} | dict(more)
    return list(await asyncio.gather(*(_ask(name, path) for name, path in paths.items())))


async def _ask(name: str, path: str) -> FoundRuntime:
    try:
        done = await run([path, "--version"], timeout=10)
    except HostError:
        return FoundRuntime(name, path, "")
    return FoundRuntime(name, path, parse_version(done.out.decode("utf-8", "replace")))


def parse_version(text: str) -> str:
    """Pure.

    >>> parse_version("runc version 1.1.5+ds1\\ncommit: x"), parse_version("crun version 1.8.1\\n")
    ('1.1.5+ds1', '1.8.1')
    """
    found = re.search(r"version (\S+)", text)
    return found[1] if found else ""
