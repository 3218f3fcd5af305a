"""An OCI runtime: the program that makes a container's process (runc, crun, or one that takes the same commands)."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from corral.errors import HostError, Unavailable
from corral.linux.mounts import unmount_under
from corral.linux.spawn import Completed, run
from corral.runtime import start_fifo
from corral.runtime.cover import Cover
from corral.runtime.failure import last_error, plan_failure
from corral.runtime.nothing import Nothing
from corral.runtime.sealed import Sealed

SECONDS = 60.0
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z: ")  # crun begins lines of its log so, from some release on
START = "failed to create task for container: failed to start shim task: OCI runtime start failed"


class OciRuntime:
    """`root` is where it keeps the state of its containers, on a tmpfs. `cover` is what it must be started behind;
    `sealed` a copy of its program, to be started instead; `nothing` what it may have as stdin."""

    def __init__(
        self,
        name: str,
        path: str,
        version: str,
        root: str,
        cover: Cover | None = None,
        sealed: Sealed | None = None,
        nothing: Nothing | None = None,
    ) -> None:
        self.name, self.path, self.version, self.root, self.cover = name, path, version, root, cover
        self._sealed, self._nothing = sealed, nothing

    @property
    def program(self) -> str:
        """What is executed."""
        return self._sealed.path if self._sealed else self.path

    def command(self, directory: str, *, own_null: bool = False, tty: bool = False) -> list[str]:
        """How a monitor calls it, for what is in a bundle or exec directory: while `ready` for that is entered. With
        `own_null` it must not get the host's /dev/null as stdin (see `nothing.py`)."""
        before = self._nothing.command(output=tty) if own_null and self._nothing else []
        before += self.cover.command(_door(directory)) if self.cover else []
        return [*before, self.program, "--root", self.root]

    @contextmanager
    def ready(self, directory: str) -> Iterator[None]:
        """While it may be started by `command`. The mounts that it is to see are there already. HostError."""
        with self.cover.opened_at(_door(directory)) if self.cover else nullcontext():
            yield

    def recursive_read_only(self, kernel: tuple[int, int]) -> str:
        """Why what is mounted below a read-only mount cannot be made read-only too; "" where it can."""
        if kernel < (5, 12):  # mount_setattr(2)
            return "rro is not supported: function not implemented (kernel is older than 5.12?)"
        if not knows_recursive(self.name, self.version):
            return f'rro is not supported by runtime "{self.name}"'
        return ""

    @property
    def gone(self) -> bool:
        """Whether it has been uninstalled. What it has made runs on, and can be ended without it."""
        return not os.access(self.program, os.X_OK)

    def require(self) -> None:
        """Raises Unavailable when the program is gone."""
        if not os.access(self.path, os.X_OK):
            named = self.path or self.name
            raise Unavailable(f"the OCI runtime {named} does not exist: install the package {self.name}")

    async def start(self, id: str, pid: int = 0) -> None:
        """Executes the program of a container that was created. RuntimeFailed with the shell's exit code.

        With `pid`, the process that was made, it takes 0.1 ms instead of a command's 5 (see `start_fifo.py`).
        """
        quick = pid and start_fifo.knows(self.name, self.version)
        if quick and await start_fifo.start(self.name, f"{self.root}/{id}/exec.fifo", pid):
            return
        done = await self._run("start", id)
        if done.code != 0:
            raise plan_failure(START, _words(done))

    def never_ran(self, id: str, exit_code: int) -> bool:
        """Whether a process that has ended was only made: its start was cut short, so it still stood at its fifo, and
        gave up with exit status 1 when nobody was at the other end."""
        return exit_code == 1 and self.unstarted(id)

    def unstarted(self, id: str) -> bool:
        """Whether a process that was made waits for its start."""
        return os.path.exists(f"{self.root}/{id}/exec.fifo")

    async def kill(self, id: str, signal: int) -> None:
        """Sends a signal to the container's first process. HostError when it has none."""
        done = await self._run("kill", id, str(signal))
        if done.code != 0:
            raise HostError(f"{self.name} kill {id}: {_words(done)}")

    async def pause(self, id: str) -> None:
        """Freezes all processes. HostError when it does not run."""
        done = await self._run("pause", id)
        if done.code != 0:
            raise HostError(f"{self.name} pause {id}: {_words(done)}")

    async def resume(self, id: str) -> None:
        """The inverse of `pause`."""
        done = await self._run("resume", id)
        if done.code != 0:
            raise HostError(f"{self.name} resume {id}: {_words(done)}")

    def known(self) -> list[str]:
        """The ids of all containers whose state the runtime keeps, whole or cut short."""
        try:
            return sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir() and entry.name != ".cache")
        except FileNotFoundError:
            return []

    def forget(self, id: str) -> None:
        """`delete` for a container whose processes have all ended and whose cgroups the caller removes: 0.1 ms
        instead of a command's 5."""
        state = f"{self.root}/{id}"
        shutil.rmtree(state, ignore_errors=True)
        if os.path.isdir(state):  # runc mounts its own program there for a moment, and was killed in that
            unmount_under(state)
            shutil.rmtree(state, ignore_errors=True)

    async def delete(self, id: str, force: bool = False) -> None:
        """Removes a container's state and cgroups; forced, its processes too. One that does not exist is fine. Nothing
        happens when the program is gone: whoever removes the cgroup ends all that is in it."""
        if self.gone or not os.path.isdir(f"{self.root}/{id}"):
            return
        done = await self._run("delete", *(["--force"] if force else []), id)
        if done.code != 0 and "does not exist" not in _words(done):
            raise HostError(f"{self.name} delete {id}: {_words(done)}")
        self.forget(id)  # a state that was cut short, which the runtime does not know

    async def update(self, id: str, resources: Mapping[str, Any]) -> None:
        """Changes the limits of a running container; `resources` is OCI's linux.resources. HostError if refused."""
        done = await self._run("update", "--resources", "-", id, input=json.dumps(resources).encode())
        if done.code != 0:
            raise HostError(f"{self.name} update: {_words(done)}")

    async def state(self, id: str) -> dict[str, Any] | None:
        """What the runtime says of a container (OCI state), None if it does not know it."""
        if not os.path.isdir(f"{self.root}/{id}"):
            return None
        done = await self._run("state", id)
        if done.code != 0:
            return None
        state: dict[str, Any] = json.loads(done.out)
        return state

    async def exec(
        self, id: str, process: str, pid_file: str, timeout: float | None, more: Callable[[], float]
    ) -> Completed:
        """Runs a process (a file with OCI's process) in a container and waits for it; OutOfTime after `timeout`
        seconds and those that `more` then gives, and the process runs on."""
        arguments = ("exec", "--process", process, "--pid-file", pid_file, id)
        before = self._nothing.command() if self._nothing else []
        return await self._run(*arguments, timeout=timeout, more=more, before=before)

    async def _run(
        self,
        *arguments: str,
        input: bytes = b"",
        timeout: float | None = SECONDS,
        more: Callable[[], float] = lambda: 0.0,
        before: Sequence[str] = (),
    ) -> Completed:
        command = [self.program, "--root", self.root, *arguments]
        if self.cover is None:
            return await run([*before, *command], input=input, timeout=timeout, more=more)
        with self.cover.opened() as door:
            return await run([*before, *self.cover.command(door), *command], input=input, timeout=timeout, more=more)


def _door(directory: str) -> str:
    return f"{directory}/mounts"


def _words(done: Completed) -> str:
    """What a runtime wrote to standard error, without its log's decoration."""
    text = done.err.decode("utf-8", "replace").strip()
    return last_error(text) or plain_words(text)


def plain_words(text: str) -> str:
    """Pure: the last line of a runtime's complaint, without level and time.

    >>> plain_words('time="2026-01-01T00:00:00Z" level=error msg="container \\\\"x\\\\" does not exist"')
    'container "x" does not exist'
    >>> plain_words("2026-01-01T00:00:00.123456Z: mknod `/x`: File exists\\n")
    'mknod `/x`: File exists'
    """
    line = _TIME.sub("", text.splitlines()[-1]) if text else ""
    if ' msg="' in line:
        return line.partition(' msg="')[2].removesuffix('"').replace('\\"', '"')
    return line


def resolve_program(name: str) -> str | None:
    """The path of a program in PATH or in the directories where distributions keep such programs."""
    search: Sequence[str] = [*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/usr/libexec", "/usr/lib/podman"]
    return shutil.which(name, path=":".join(search))


RECURSIVE_SINCE = {"crun": (1, 4), "runc": (1, 1)}


def knows_recursive(name: str, version: str) -> bool:
    """Pure: whether that release of a runtime knows the mount option "rro".

    >>> knows_recursive("runc", "1.1.5+ds1"), knows_recursive("runc", "1.0.3"), knows_recursive("other", "9.9")
    (True, False, False)
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    since = RECURSIVE_SINCE.get(name)
    return bool(found and since and (int(found[1]), int(found[2])) >= since)
