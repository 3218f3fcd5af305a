"""Which Corral on this machine: a root directory, and the places that follow from it."""

from __future__ import annotations

import os

DEFAULT_ROOT = "/var/lib/corral"
DEFAULT_RUN = "/run/corral"
DEFAULT_CONFIG = "/etc/corral/config.toml"


class Instance:
    """The paths of one instance. The default one follows the file system's customs; others keep all in one place.

    >>> Instance("/var/lib/corral").socket
    '/run/corral/docker.sock'
    >>> Instance("/tmp/x").pid_file, Instance("/tmp/x").config
    ('/tmp/x/run/corral.pid', '/tmp/x/config.toml')
    """

    def __init__(self, root: str = "") -> None:
        asked = os.path.abspath(root or DEFAULT_ROOT)
        self.default = asked == DEFAULT_ROOT
        self.root = asked if self.default else os.path.realpath(asked)  # one instance, however it is spelled
        self.run = DEFAULT_RUN if self.default else os.path.join(self.root, "run")
        self.config = DEFAULT_CONFIG if self.default else os.path.join(self.root, "config.toml")
        self.socket = os.path.join(self.run, "docker.sock")
        self.pid_file = os.path.join(self.run, "corral.pid")
        self.log_file = os.path.join(self.root, "corral.log")
        self.node_identity = os.path.join(self.root, "node", "identity.pem")  # is there once it has joined a cluster

    @property
    def volatile(self) -> str:
        """Where the engine keeps what need not survive a boot: on /run, whose files cost least, if there is one.

        >>> Instance("/tmp/x").volatile[:12]
        '/run/corral-'
        """
        if self.default or not os.path.isdir("/run"):
            return self.run
        from hashlib import sha256

        return f"/run/corral-{sha256(os.fsencode(self.root)).hexdigest()[:8]}"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def command(self, rest: str) -> str:
        """What to type to reach this instance: `corral ps`, or `corral --root /tmp/x ps`.

        >>> Instance("/tmp/x").command("ps")
        'corral --root /tmp/x ps'
        """
        return f"corral {rest}" if self.default else f"corral --root {self.root} {rest}"

    @property
    def start_command(self) -> str:
        """What starts it again: a machine that has joined a cluster elsewhere is a node of that, and no server.

        >>> Instance("/tmp/x").start_command
        'corral --root /tmp/x up --detach'
        """
        return self.command("node --detach" if os.path.exists(self.node_identity) else "up --detach")


def from_environment(root: str = "") -> Instance:
    """`--root` wins over CORRAL_ROOT, which wins over the default."""
    return Instance(root or os.environ.get("CORRAL_ROOT", ""))


def daemon_pid(instance: Instance) -> int:
    """The pid of the instance's daemon, 0 if none runs: it holds a lock on its pid file while it lives.

    Asking takes no lock, so it never gets into the way of a daemon that starts.
    """
    import fcntl
    import struct

    try:
        fd = os.open(instance.pid_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        asked = struct.pack("@hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = struct.unpack("@hhqqi4x", fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            return 0
        text = os.read(fd, 32).strip()  # the lock's own pid is 0 if the holder is in another pid namespace
        return pid or (int(text) if text.isdigit() else 0)
    finally:
        os.close(fd)
