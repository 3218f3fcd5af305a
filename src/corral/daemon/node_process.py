"""The process of a node on this machine. Whoever watches it need not be its parent: it may have outlived one.

A daemon that ends in good order, as it does when it is told to, takes its pid file away. One that stays behind is of a
process that was killed, or has crashed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from contextlib import suppress
from typing import Final

from corral.cli.instance import Instance, daemon_pid
from corral.cli.verbs.daemon import keep_log_small
from corral.errors import from_oserror
from corral.linux.inotify import CREATE, IGNORED, MODIFY, ONLYDIR, Inotify
from corral.linux.proc import open_pidfd, wait_exit

log = logging.getLogger("corral.daemon")

START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 30.0


async def launch(instance: Instance, command: list[str]) -> str:
    """Starts a daemon in a session of its own: what it says of its start. HostError."""
    try:
        keep_log_small(instance.log_file)
        read, write = os.pipe2(os.O_CLOEXEC)
    except OSError as error:
        raise from_oserror("start a node", error) from error
    try:
        with open(instance.log_file, "ab") as output:
            child = await asyncio.create_subprocess_exec(
                *command,
                f"--ready-fd={write}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                start_new_session=True,
            )
    except OSError as error:
        os.close(read)
        raise from_oserror("start a node", error) from error
    finally:
        os.close(write)
    with os.fdopen(read, "rb") as pipe:
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await asyncio.to_thread(pipe.read)
        except asyncio.CancelledError:  # it may not hold the lock yet by which it would be found
            with suppress(ProcessLookupError):
                child.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await child.wait()
            except TimeoutError:
                child.kill()
            raise
        except TimeoutError:
            child.kill()
            await child.wait()
            return f"was not ready within {START_SECONDS:.0f} s; its log: {instance.log_file}"
    text = said.decode(errors="replace").strip()
    if text != "ready":
        await child.wait()  # it holds its lock to the end, and would be taken for one that runs
    return text


async def end(instance: Instance) -> None:
    """Tells a node's daemon to end, and waits for it."""
    pid = daemon_pid(instance)
    if not pid:
        return
    handle = open_pidfd(pid)
    if handle is None:
        return
    try:
        if daemon_pid(instance) != pid:  # it ended before we held it, and the number may be another's
            return
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(handle, gone.set)
        async with asyncio.timeout(STOP_SECONDS):
            await gone.wait()
    except TimeoutError:
        log.error("the daemon in %s (pid %d) did not end within %.0f s", instance.root, pid, STOP_SECONDS)
    except ProcessLookupError:
        pass
    finally:
        asyncio.get_running_loop().remove_reader(handle)
        os.close(handle)


async def gone(instance: Instance) -> None:
    """Returns when no daemon of the instance runs: at once, if there is none."""
    while pid := daemon_pid(instance):
        handle = open_pidfd(pid)
        if handle is None:
            continue
        try:
            if daemon_pid(instance) == pid:  # else it ended before we held it, and the number may be another's
                await wait_exit(handle)
        finally:
            os.close(handle)


async def appears(instance: Instance) -> None:
    """Returns when a daemon of the instance runs, or the folder is removed that it has for that. HostError where there
    is none, or nobody can watch it."""
    watch = Inotify()
    try:
        watch.add(instance.run, CREATE | MODIFY | ONLYDIR)  # the pid is written after the lock is taken
        if daemon_pid(instance):
            return
        async for event in watch:  # `corral reset` has the lock, too, but may be over by the time that we look
            if daemon_pid(instance) or event.mask & IGNORED:
                return
    finally:
        watch.close()


def was_killed(instance: Instance) -> bool:
    """Of one that does not run: it did not end in good order."""
    return os.path.exists(instance.pid_file)
