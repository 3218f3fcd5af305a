"""The daemon's life: lock, open, say that it is ready, wait for a signal, close. Containers go on."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from contextlib import AsyncExitStack

from corral import __version__
from corral.cli.instance import Instance
from corral.daemon import kubernetes, listeners, registry
from corral.daemon.assemble import assemble
from corral.daemon.checks import check_settings
from corral.daemon.config import Settings, log_level
from corral.daemon.lock import InstanceLock
from corral.engine import reserve
from corral.errors import Conflict, CorralError
from corral.kit.garbage import Collecting
from corral.linux.nftables import start_early
from corral.linux.systemd import sd_notify, shutting_down, take_notify_address

log = logging.getLogger("corral.daemon")

DESCRIPTORS = 65536  # a few for each container
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def start_log(level: str) -> None:
    """The log of this process, on stderr. A line that cannot be written, as on a full disk, is lost: what would be said
    of it went the same way."""
    logging.basicConfig(level=level, format=LOG_FORMAT, stream=sys.stderr)
    logging.raiseExceptions = False


class Ready:
    """Tells whoever started us how it went: `corral up --detach` through a pipe, systemd through its socket."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        if fd >= 0:
            os.set_inheritable(fd, False)  # a child that had it would keep the starter waiting
        self._manager = take_notify_address()

    def ready(self) -> None:
        Collecting().start()
        self._tell("ready\n")
        sd_notify(self._manager, f"READY=1\nMAINPID={os.getpid()}")

    def failed(self, message: str) -> None:
        self._tell(f"{message}\n")
        sd_notify(self._manager, f"STATUS={message.splitlines()[0]}")

    def stopping(self) -> None:
        sd_notify(self._manager, "STOPPING=1")

    def _tell(self, text: str) -> None:
        if self._fd < 0:
            return
        try:
            os.write(self._fd, text.encode())
        except BrokenPipeError:
            log.warning("whoever started this daemon did not wait for it")
        os.close(self._fd)
        self._fd = -1


def serve(instance: Instance, settings: Settings, ready_fd: int = -1) -> int:
    """Runs the daemon to its end: the exit code. A failure to start is told to the starter and on stderr."""
    start_log(log_level(settings))
    ready = Ready(ready_fd)
    lock = InstanceLock(instance)
    try:
        check_settings(settings)
        listeners.check(settings)
        registry.check(settings, instance)
        kubernetes.check(settings)
        check_no_node(instance)
        reserve.tend(instance.root)
        lock.take()
        prepare_process()
        start_early()
        asyncio.run(_life(instance, settings, ready))
    except CorralError as error:
        message = error.message + reserve.advice(instance.root)
        log.error("%s", message)
        ready.failed(message)
        return 1
    finally:
        lock.release()
    return 0


def check_no_node(instance: Instance) -> None:
    """Conflict where this machine has joined a cluster elsewhere: a server here would take over the containers of its
    pods, and the node would stay away."""
    if os.path.exists(instance.node_identity):
        raise Conflict(
            f"this machine has joined a cluster: {instance.start_command} starts it as its node again; "
            f"to leave that cluster: {instance.command('reset')}"
        )


def prepare_process() -> None:
    """What a daemon needs of its process: no directory held, files as their modes say, enough descriptors."""
    os.chdir("/")
    os.umask(0o022)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _life(instance: Instance, settings: Settings, ready: Ready) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        engine = await assemble(stack, instance, settings)
        log.info("Corral %s is ready at %s (pid %d)", __version__, instance.url, os.getpid())
        ready.ready()
        reserve.tend(instance.root)
        await stopping.wait()
        ready.stopping()
        if await shutting_down():
            log.info("the machine goes down: stopping the containers")
            await engine.halt()
        else:
            log.info("stopping: containers go on")
