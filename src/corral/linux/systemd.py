"""systemd as a neighbour: telling it that the service is ready, and having a part of the cgroup tree from it.

A service's own cgroup is killed with the service. So containers and their monitors go into a scope: a unit
whose processes systemd did not start, delegated to us ("Delegate=yes": below it, systemd touches nothing)::

    /corral.slice
        corral-containers.scope     systemd owns the node; no process directly in it, so controllers pass down
            keeper                  one sleeping process: a scope ends when it is empty
            3f2a…                   a container
            monitor-3f2a…           its monitor

Without systemd the parent is a plain cgroup, /corral.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
from dataclasses import dataclass

from corral.errors import CorralError, HostError
from corral.linux.cgroup_end import remove_group
from corral.linux.cgroups import Cgroups, membership
from corral.linux.spawn import run, spawn

log = logging.getLogger("corral")

_KEEPER = "echo $$; exec sleep infinity >/dev/null 2>&1"
_TRIES_SECONDS = 20
# When the machine goes down and no daemon has stopped the containers: seconds between SIGTERM and SIGKILL.
_GRACE_SECONDS = 10


def running() -> bool:
    """Whether systemd manages this host."""
    return os.path.isdir("/run/systemd/system")


def take_notify_address() -> str:
    """Where systemd wants to hear from this process, "" if it did not ask. Taken out of the environment: a program
    that we start (crun, say) would wait for its container to tell systemd that it is ready."""
    return os.environ.pop("NOTIFY_SOCKET", "")


async def shutting_down() -> bool:
    """Whether the machine is about to be halted or rebooted. False where systemd does not manage it."""
    if not running() or shutil.which("systemctl") is None:
        return False
    return (await run(["systemctl", "is-system-running"])).out.strip() == b"stopping"


def sd_notify(address: str, text: str) -> bool:
    """Tells the service manager something ("READY=1", "STATUS=…", "STOPPING=1"). False if it did not ask."""
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        # A leading @ stands for the abstract namespace's zero byte.
        try:
            sender.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
        except OSError as error:
            log.warning("telling systemd %r failed: %s", text, error)
            return False
    return True


@dataclass(frozen=True)
class Place:
    """Where an instance's cgroups go. On a systemd host `scope` is the unit's name, else "", and `service` the name
    that the daemon's own unit has if it is installed as we say."""

    group: str
    scope: str = ""
    slice: str = ""
    service: str = ""


def plan_place(tag: str, *, systemd: bool) -> Place:
    """Pure: the parent group of an instance ("" is the default one).

    >>> plan_place("", systemd=False).group, plan_place("ab12", systemd=False).group
    ('/corral', '/corral-ab12')
    >>> plan_place("ab12", systemd=True).group, plan_place("ab12", systemd=True).service
    ('/corral.slice/corral-ab12.scope', 'corral-ab12.service')
    """
    name = f"corral-{tag}" if tag else "corral"
    if not systemd:
        return Place(f"/{name}")
    scope = f"corral-{tag or 'containers'}.scope"
    return Place(f"/corral.slice/{scope}", scope, "corral.slice", f"{name}.service")


async def ensure_parent(cgroups: Cgroups, tag: str) -> str:
    """Makes the parent group of an instance, whichever way this host wants it, and returns it."""
    place = plan_place(tag, systemd=running() and shutil.which("systemd-run") is not None)
    if place.scope:
        try:
            return await ensure_scope(cgroups, place)
        except CorralError as error:
            log.warning("%s; containers go into a plain cgroup", error.message)
            place = plan_place(tag, systemd=False)
    cgroups.create(place.group)
    cgroups.hand_down(place.group)
    return place.group


async def ensure_scope(cgroups: Cgroups, place: Place) -> str:
    """A delegated scope that outlives the daemon's service; returns its group, with controllers handed down.

    Idempotent: a scope that is there already, with its keeper, is taken as it is. HostError if systemd refuses.
    """
    group = place.group
    if not any(cgroups.pids(f"{group}/keeper")):
        group = await _start_scope(place)
    _settle(cgroups, group)
    return group


def plan_scope(place: Place, *, policy: bool) -> list[str]:
    """Pure: the command that makes the scope. `policy`: systemd knows what a scope does for want of memory (252 on).

    The order of ends is the scope's to say. A service's After= would have systemd load the scope's name with the
    service: too early to learn that it is delegated (and then one process that is killed for want of memory ends them
    all), and for longer than the scope lasts (and then there cannot be another).

    >>> [word for word in plan_scope(plan_place("", systemd=True), policy=True) if "OOM" in word or "Before" in word]
    ['--property=Before=corral.service', '--property=OOMPolicy=continue']
    """
    properties = {
        "Delegate": "yes",
        "TasksMax": "infinity",  # else all containers share a few thousand
        "TimeoutStopSec": str(_GRACE_SECONDS),
        "Before": place.service,  # so when the machine goes down the daemon stops first, and stops containers its way
        **({"OOMPolicy": "continue"} if policy else {}),
    }
    return [
        *("systemd-run", "--scope", "--quiet", f"--unit={place.scope}", f"--slice={place.slice}", "--collect"),
        *(f"--property={name}={value}" for name, value in properties.items()),
        *("--description=Corral's containers", "sh", "-c", _KEEPER),
    ]


async def _start_scope(place: Place) -> str:
    """Starts the keeper in a new scope (or finds the one that is there) and returns the scope's group."""
    said = await _say_pid(plan_scope(place, policy=True))
    if "OOMPolicy" in said:  # an older systemd does not know that of a scope, and says so
        said = await _say_pid(plan_scope(place, policy=False))
    if said.isdigit():
        return _systemd_group(int(said))
    existing = await run(["systemctl", "show", "--property=ControlGroup", "--value", place.scope])
    found = existing.out.decode().strip()
    if existing.code != 0 or not found:
        raise HostError(f"systemd made no scope {place.scope}: {said}")
    return found


async def _say_pid(argv: list[str]) -> str:
    """What the keeper says, its pid, or else the error of who should have started it, which has ended then."""
    read, write = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            child = spawn(argv, stdout=write, stderr=write, setsid=True)
        finally:
            os.close(write)
        said = (await _read_line(read)).decode(errors="replace").strip()
    finally:
        os.close(read)
    if not said.isdigit():
        await child.wait()
    return said


def _systemd_group(pid: int) -> str:
    groups = membership(pid)
    return (groups.get("name=systemd") or groups.get("") or "").removesuffix("/keeper")


def _settle(cgroups: Cgroups, group: str) -> None:
    """v2 hands controllers down only from a group without processes: those in the scope go to the keeper's."""
    keeper = f"{group}/keeper"
    if not cgroups.exists(keeper):
        cgroups.create(keeper)
    for pid in cgroups.pids(group, recursive=False):
        cgroups.enter(keeper, pid)
    cgroups.hand_down(group)


async def _read_line(fd: int) -> bytes:
    """What a pipe says until its first line feed, or its end."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)
    readable = asyncio.Event()
    loop.add_reader(fd, readable.set)
    said = b""
    try:
        async with asyncio.timeout(_TRIES_SECONDS):
            while not said.endswith(b"\n"):
                await readable.wait()
                readable.clear()
                part = os.read(fd, 4096)
                if not part:
                    break
                said += part
    except TimeoutError:
        raise HostError(f"systemd-run did not answer within {_TRIES_SECONDS} s") from None
    finally:
        loop.remove_reader(fd)
    return said


async def remove_parent(cgroups: Cgroups, tag: str) -> None:
    """Ends the keeper and takes the parent group away; what still runs in it is killed."""
    for place in (plan_place(tag, systemd=True), plan_place(tag, systemd=False)):
        if cgroups.exists(place.group):
            cgroups.kill(place.group)
            if place.scope and running():
                await run(["systemctl", "stop", place.scope])  # answers when the scope's processes are gone
            await remove_group(cgroups, place.group)
