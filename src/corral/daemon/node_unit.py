"""A machine that has joined comes back after a reboot: its unit is written, enabled and started; `reset` removes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import Final

from corral.cli.instance import Instance
from corral.daemon.unit import own_command, render, unit_name
from corral.errors import Conflict, HostError, from_oserror

FOLDER: Final = "/etc/systemd/system"
MARK: Final = "# Written by corral join; corral reset removes it."


def unit_path(instance: Instance, folder: str = FOLDER) -> str:
    return os.path.join(folder, f"{unit_name(instance)}.service")


def install(instance: Instance, settings: Sequence[str], folder: str = FOLDER) -> str:
    """Hands the node, which must not run meanwhile, over to systemd: the unit's name. It runs when this returns.

    `settings`: the words that `corral node` gets. Conflict where somebody else's unit has that name; HostError.
    """
    path, name = unit_path(instance, folder), unit_name(instance)
    if os.path.lexists(path) and not is_ours(path):
        raise Conflict(f"{path} is there already, and is not changed: it may start `corral node` after a reboot")
    text = render(own_command(), instance, ("node", *settings), MARK)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise from_oserror(f"write {path}", error) from error
    systemctl("daemon-reload")
    systemctl("enable", "--quiet", name)
    systemctl("restart", name)
    return name


def uninstall(instance: Instance, folder: str = FOLDER) -> None:
    """None is fine, and another's is left alone. HostError."""
    path = unit_path(instance, folder)
    if not is_ours(path):
        return
    systemctl("disable", "--quiet", unit_name(instance))
    os.unlink(path)
    systemctl("daemon-reload")


def is_ours(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().rstrip("\n") == MARK
    except OSError:
        return False


def systemctl(*words: str) -> None:
    """HostError, with what it said."""
    try:
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=320)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"systemctl {' '.join(words)}: {error}") from error
    if done.returncode != 0:
        raise HostError(f"systemctl {' '.join(words)}: {done.stderr.strip() or done.returncode}")
