"""Isolated: an instance in a directory of its own under the system's temporary one, on ports that were free.

It speaks to Corral as its users do: by the `corral` command, and the files that it leaves in DIR/run.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from corral.cli.instance import Instance, daemon_pid
from corral.cli.verbs.daemon import kubernetes_url
from corral.errors import HostError
from corral.testing import leftovers

TRIES: Final = 5  # a port that was free may be another's a moment later
PATIENCE: Final = 300.0  # seconds that a command may take
SETTINGS: Final = 'kubernetes-eviction-hard = "none"\n'  # that the machine's disk is full is no failure of a test's
OURS: Final = ("DOCKER_", "KUBE", "CORRAL_", "NOTIFY_", "TESTCONTAINERS_")


def plan_environment(docker_host: str, kubeconfig: str, registry: str) -> dict[str, str]:
    """Pure: what leads clients to an instance; "" for what there is not. Ryuk, which clears up after testcontainers,
    is not needed: the instance goes, with all that is in it.

    >>> plan_environment("unix:///tmp/x/run/docker.sock", "", "127.0.0.1:5001")["DOCKER_HOST"]
    'unix:///tmp/x/run/docker.sock'
    >>> "KUBECONFIG" in plan_environment("unix:///tmp/x/run/docker.sock", "", "")
    False
    """
    found = {
        "DOCKER_HOST": docker_host,
        "KUBECONFIG": kubeconfig,
        "CORRAL_REGISTRY": registry,
        "TESTCONTAINERS_RYUK_DISABLED": "true",
        "TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE": docker_host.removeprefix("unix://"),
    }
    return {name: value for name, value in found.items() if value}


def plan_clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Pure: an environment without what would lead a client elsewhere.

    >>> plan_clean({"PATH": "/bin", "DOCKER_HOST": "tcp://far:2375", "KUBECONFIG": "/far"})
    {'PATH': '/bin'}
    """
    return {name: value for name, value in environment.items() if not name.startswith(OURS)}


class Isolated:
    """`with Isolated() as corral:`. `flags` are those of `corral up`, each with its value in one
    word, as in `Isolated("--kubernetes=false")`.

    No pod is evicted because the machine is short of something, unless a flag says so (`--kubernetes-eviction-hard`).

    It needs root. Nothing of it meets another instance, on this machine or in another worker of pytest-xdist: it has
    its own directory, sockets, ports, bridges, rules and cgroups. What a process that was killed (`kill -9`) has left
    behind goes when the next one starts.
    """

    def __init__(self, *flags: str) -> None:
        self.flags = flags
        self._instance: Instance | None = None
        self._addresses: list[str] = []
        self._held = -1

    def __enter__(self) -> Isolated:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when the engine, the registry and the API server answer.

        After `kill` it comes back as it was, on the same ports.

        :raises HostError: it cannot run here; the message says why.
        """
        if os.geteuid() != 0:
            raise HostError("an instance of Corral needs root: run these tests with sudo")
        if self._instance is not None:
            self.corral("up", "--detach", *self._addresses, *self.flags)
            return
        clear_up()
        self._instance = Instance(tempfile.mkdtemp(prefix=leftovers.PREFIX))
        try:
            self._held = leftovers.hold(self.root)
            Path(self._instance.config).write_text(SETTINGS)
            self._first_start()
        except BaseException:
            self.stop()
            raise

    def _first_start(self) -> None:
        for attempt in range(TRIES):
            self._addresses = [f"--registry=127.0.0.1:{_free_port()}", f"--kubernetes-address=127.0.0.1:{_free_port()}"]
            try:
                self.corral("up", "--detach", *self._addresses, *self.flags)
                return
            except HostError as error:
                if "in use" not in error.message or attempt == TRIES - 1:
                    raise

    def stop(self) -> None:
        """Ends it with all that runs in it, and deletes its state. An instance that is not there is fine.

        :raises HostError: something could not be taken away.
        """
        if self._instance is not None:
            _throw_away(self)
            self._instance = None
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def kill(self) -> None:
        """`kill -9` of the daemon; returns when it is dead. Containers and pods go on. `start` starts it again.

        :raises HostError: it does not run.
        """
        pid = self.pid
        handle = os.pidfd_open(pid)
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [])
        finally:
            os.close(handle)

    # -- where it is -------------------------------------------------------------------------------------------

    @property
    def instance(self) -> Instance:
        """Its paths. :raises HostError: it was not started."""
        if self._instance is None:
            raise HostError("this instance of Corral was not started, or is gone")
        return self._instance

    @property
    def root(self) -> Path:
        """The directory in which all of it is."""
        return Path(self.instance.root)

    @property
    def pid(self) -> int:
        """The daemon's. :raises HostError: it does not run."""
        if found := daemon_pid(self.instance):
            return found
        raise HostError(f"the daemon of {self.root} does not run")

    @property
    def docker_host(self) -> str:
        """What clients of the Docker API get as DOCKER_HOST: `unix:///tmp/corral-…/run/docker.sock`."""
        return self.instance.url

    @property
    def registry(self) -> str:
        """`127.0.0.1:PORT`: what images' names begin with that are pushed to, and pulled from, its own registry."""
        given = [flag.partition("=")[2] for flag in (*self._addresses, *self.flags) if flag.startswith("--registry=")]
        return "" if not given or given[-1] == "off" else given[-1]

    @property
    def kubeconfig(self) -> Path:
        """The file that makes a client of Kubernetes the administrator of its cluster."""
        return Path(self.instance.run, "kubeconfig")

    @property
    def api_url(self) -> str:
        """`https://127.0.0.1:PORT`: where the Kubernetes API is; "" if it is not served."""
        return kubernetes_url(self.instance)

    @property
    def log(self) -> str:
        """What the daemon logged so far."""
        return Path(self.instance.log_file).read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead clients here: docker, docker-py, testcontainers, kubectl, helm.

        CORRAL_REGISTRY is no client's own: it is for scripts that push and pull.
        """
        kubeconfig = str(self.kubeconfig) if self.api_url else ""
        return plan_environment(self.docker_host, kubeconfig, self.registry)

    # -- commands ----------------------------------------------------------------------------------------------

    def corral(self, *words: str, input: str = "") -> str:
        """What `corral WORDS` prints, run against this instance: `corral("kubectl", "apply", "-f", "-", input=yaml)`.

        :raises HostError: its exit code is not 0; the message has what it said.
        """
        command = [sys.executable, "-P", "-m", "corral.cli", "--root", self.instance.root, *words]
        return self.run(*command, input=input)

    def run(self, *command: str, input: str = "") -> str:
        """What any program prints that finds this instance by its environment.

        :raises HostError: its exit code is not 0; the message has what it said.
        """
        env = plan_clean(os.environ) | self.environment
        try:
            done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=PATIENCE, env=env)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"{' '.join(command)}: {error}") from None
        if done.returncode:
            raise HostError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


def clear_up() -> None:
    """Ends and deletes the instances of processes that were killed. One that cannot be taken away is warned of."""
    for root in leftovers.find():
        dead = Isolated()
        dead._instance = Instance(str(root))
        try:
            _throw_away(dead)
        except HostError as error:
            warnings.warn(f"left behind by a process that was killed: {root}: {error.message}", stacklevel=2)


def _throw_away(one: Isolated) -> None:
    one.corral("reset", "--yes", "--kill")  # what is thrown away need not end well
    shutil.rmtree(one.root, ignore_errors=True)


def _free_port() -> int:
    """A port of the loopback that is nobody's now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
