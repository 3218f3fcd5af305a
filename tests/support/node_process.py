"""A process that stands for a node's daemon: it holds the lock, and no more."""

from __future__ import annotations

import os
import signal
import sys

from corral.cli.instance import Instance, daemon_pid

# Ends in good order at SIGTERM; does not start where a file forbids it.
DAEMON = """
import os, signal, sys
from corral.cli.instance import Instance
from corral.daemon.lock import InstanceLock
instance, fd = Instance(sys.argv[1]), int(sys.argv[2].partition("=")[2])
lock = InstanceLock(instance)
lock.take()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
broken = os.path.exists(instance.root + "/broken")
os.write(fd, b"it is broken" if broken else b"ready")
os.close(fd)
if not broken:
    signal.sigwait([signal.SIGTERM])
lock.release()
"""


def command(instance: Instance) -> list[str]:
    return [sys.executable, "-c", DAEMON, instance.root]


def kill(node: Instance) -> int:
    pid = daemon_pid(node)
    os.kill(pid, signal.SIGKILL)
    return pid
