"""`version` and `info`."""

from __future__ import annotations

import json

from corral import __version__
from corral.cli.fail import Failure
from corral.cli.options import Parsed, Verb, text
from corral.cli.render import binary_size, fill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session

FORMAT = text("-f --format", "FORMAT", "json, or a template of {{.Field}}")


def version(session: Session, options: Parsed) -> int:
    """The daemon's version too, if it is up; that it is not is no failure."""
    server: dict[str, Any] | None
    try:
        server = session.client.call("GET", "/version")
    except Failure:
        server = None
    found = {"Client": {"Version": __version__}, "Server": server}
    how = options.text("format")
    if how:
        session.say(json.dumps(found) if how == "json" else fill(how, found, session.docker("version --format …")))
        return 0
    session.say(f"Corral {__version__}")
    if server is None:
        session.say(f"Daemon: not up at {session.instance.url}")
        return 0
    session.say(f"Daemon: {server['Version']}, API {server['MinAPIVersion']} to {server['ApiVersion']}")
    for part in server.get("Components") or []:
        session.say(f"  {part['Name']}: {part['Version']}")
    return 0


def info(session: Session, options: Parsed) -> int:
    found = session.client.call("GET", "/info")
    how = options.text("format")
    if how:
        session.say(json.dumps(found) if how == "json" else fill(how, found, session.docker("info --format …")))
        return 0
    for line in summary(found):
        session.say(line)
    for warning in found.get("Warnings") or []:
        session.warn(warning)
    return 0


def summary(found: dict[str, Any]) -> list[str]:
    """What most want to know of /info. Pure."""
    counts = ", ".join(
        f"{found.get(f'Containers{state}', 0)} {state.lower()}" for state in ("Running", "Paused", "Stopped")
    )
    machine = f"{found['NCPU']} CPUs, {binary_size(found['MemTotal'])}"
    return [
        f"Containers: {found['Containers']} ({counts})",
        f"Images: {found['Images']}",
        f"Version: {found['ServerVersion']}",
        f"Storage driver: {found['Driver']}",
        f"Logging driver: {found.get('LoggingDriver', '')}",
        f"Cgroups: version {found.get('CgroupVersion', '')}, {found.get('CgroupDriver', '')}",
        f"Runtimes: {', '.join(found.get('Runtimes') or {})} (default {found.get('DefaultRuntime', '')})",
        f"Security: {', '.join(found.get('SecurityOptions') or [])}",
        f"Kernel: {found['KernelVersion']}",
        f"System: {found['OperatingSystem']} ({found['Architecture']}), {machine}",
        f"Name: {found['Name']}",
        f"Root: {found['DockerRootDir']}",
    ]


VERBS = {
    "version": Verb(version, "version [OPTIONS]", (FORMAT,), most=0),
    "info": Verb(info, "info [OPTIONS]", (FORMAT,), most=0),
}
