"""conmon: the program that is the monitor. Its arguments, and how to find those that run."""

from __future__ import annotations

import os

from corral.errors import InvalidInput
from corral.linux.proc import cmdline
from corral.runtime.oci import OciRuntime


def plan_arguments(
    id: str, runtime: OciRuntime, directory: str, exits: str, tty: bool, stdin: bool, *, foreign: bool = True
) -> list[str]:
    """Pure: conmon's arguments, common to containers and execs. `foreign`: the runtime sees the user before it has left
    the host's devices."""
    program, *given = runtime.command(directory, own_null=foreign and (tty or not stdin), tty=tty)
    arguments = [
        *["--sync", "--no-sync-log", "--api-version", "1", "--cid", id, "--cuuid", id, "--name", id],
        *["--runtime", program, "--bundle", directory, "--container-pidfile", f"{directory}/pid"],
        *["--exit-dir", exits, "--full-attach"],
        *(["--terminal"] if tty else []),
        *(["--stdin"] if stdin else []),
    ]
    # crun writes in this form to the container's stderr, too, when the program cannot be executed after all.
    form = "text" if runtime.name == "crun" else "json"
    for argument in [*given, "--log", f"{directory}/runtime.log", "--log-format", form]:
        arguments += ["--runtime-arg", argument]
    return arguments


def plan_log(path: str | None) -> str:
    """Pure: conmon's log option. InvalidInput for a path that it would cut.

    >>> plan_log(None), plan_log("/a/b.log")
    ('off', 'k8s-file:/a/b.log')
    """
    if path is None:
        return "off"
    if ":" in path:
        raise InvalidInput(f"the monitor cannot write the log {path}: choose a root directory without a colon")
    return f"k8s-file:{path}"


def leftovers(prefix: str) -> dict[str, int]:
    """The monitors that live, of bundle and exec directories at or below `prefix`: directory -> pid.

    Looks at every process of the host (20 ms for a thousand): for a daemon's start, not for every day.
    """
    found = {}
    for name in os.listdir("/proc"):
        arguments = cmdline(int(name)) if name.isdigit() else []
        if "--bundle" in arguments[:-1] and "--exit-dir" in arguments:
            directory = arguments[arguments.index("--bundle") + 1]
            if directory == prefix or directory.startswith(prefix.rstrip("/") + "/"):
                found[directory] = int(name)
    return found
