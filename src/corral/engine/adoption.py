"""What a daemon does with the containers that it finds when it starts.

The last daemon may have been killed between any two lines, and the machine may have been restarted.
"""

from __future__ import annotations

from typing import Literal

from corral.model.container import State, Struct


class Found(Struct):
    """What the host shows of one container. `exit_code` is what its monitor wrote, None if nothing.

    `process` is the state of its first process: "running" (its program was executed), "created" (the runtime made
    it, the program was not executed), or "" (there is none).
    """

    ready: bool
    state: State
    process: Literal["running", "created", ""] = ""
    exit_code: int | None = None
    ran: bool = True  # its program was executed before that
    monitor: bool = False  # its monitor lives and made a process: if that is gone, it is about to write how
    bundle: bool = False  # a bundle directory is there
    fresh: bool = False  # ... made after the last recorded end: by a start that was not recorded


Action = Literal["discard", "adopt", "ended", "sweep", "leave"]


def plan_adoption(found: Found) -> Action:
    """Pure: what to do with one container.

    - "discard": its creation was not finished: remove all of it
    - "adopt": it runs, or its monitor is about to tell its end: watch it again
    - "ended": it ran, and does not now: record the end, then its restart policy decides
    - "sweep": it does not run, but a start or a clean-up was cut short: remove what that left
    - "leave": nothing to do

    Killed between the start of the program and its record, a container that runs is adopted:

    >>> plan_adoption(Found(ready=True, state=State("created"), process="running", bundle=True, fresh=True))
    'adopt'
    >>> plan_adoption(Found(ready=True, state=State("created"), process="created", bundle=True, fresh=True))
    'sweep'
    >>> plan_adoption(Found(ready=True, state=State("running", pid=7), exit_code=3))
    'ended'
    """
    if not found.ready or found.state.status == "removing":
        return "discard"
    recorded = found.state.status in ("running", "paused")
    if found.exit_code is not None:
        return "ended" if recorded or (found.fresh and found.ran) else "sweep"
    if found.process == "running" or (found.monitor and not found.process and (recorded or found.fresh)):
        return "adopt"
    if recorded:
        return "ended"
    return "sweep" if found.bundle or found.process else "leave"
