"""The systemd unit: a template beside this file, filled with the path of this installation's command."""

from __future__ import annotations

import os
import sys

from corral.cli.instance import Instance

TEMPLATE = os.path.join(os.path.dirname(__file__), "corral.service")


def render(command: str, root: str = "") -> str:
    """The unit's text; `root` for an instance that is not the default one.

    >>> [line for line in render("/opt/bin/corral").splitlines() if line.startswith("ExecStart")]
    ['ExecStart=/opt/bin/corral up']
    """
    with open(TEMPLATE, encoding="utf-8") as file:
        text = file.read()
    return text.replace("@COMMAND@", f"{command} --root {root}" if root else command)


def print_unit(instance: Instance) -> int:
    """The unit on stdout; what to type on stderr, so that stdout can be redirected into the file."""
    command = os.path.join(os.path.dirname(sys.executable), "corral")
    print(render(command, "" if instance.default else instance.root), end="")
    name = "/etc/systemd/system/corral.service"
    print(
        f"To install it:\n  sudo {command} up --print-unit | sudo tee {name} >/dev/null\n"
        "  sudo systemctl daemon-reload && sudo systemctl enable --now corral",
        file=sys.stderr,
    )
    return 0
