"""The systemd unit: a template beside this file, filled with the path of this installation's command."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence

from corral.cli.instance import Instance
from corral.errors import NotFound
from corral.linux.systemd import plan_place
from corral.networks.names import InstanceNames

TEMPLATE = os.path.join(os.path.dirname(__file__), "corral.service")


def render(command: str, instance: Instance, verb: Sequence[str] = ("up",), mark: str = "") -> str:
    """The unit's text. `verb`: what the command shall do; `mark`: a line that says whose it is.

    >>> [line for line in render("/opt/bin/corral", Instance()).splitlines() if line.startswith(("ExecStart", "After"))]
    ['After=network.target nss-lookup.target', 'ExecStart=/opt/bin/corral up']
    """
    with open(TEMPLATE, encoding="utf-8") as file:
        text = file.read()
    place = plan_place(InstanceNames.of_root(instance.root).tag, systemd=True)
    words = [command] if instance.default else [command, "--root", instance.root]
    values = {
        "@COMMAND@": " ".join(map(quote, (*words, *verb))),
        "@MARK@": f"{mark}\n" if mark else "",
        # A node whose server is away tries again; five times in ten seconds systemd would take for hopeless.
        "@PAUSE@": "5" if verb[0] == "node" else "1",
        "@SCOPE@": place.scope,
        "@VOLATILE@": os.path.basename(instance.volatile),
    }
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


def quote(word: str) -> str:
    """A word of a unit's command line. Pure: systemd expands % and $, and splits at blanks.

    >>> print(quote("/srv/50% off"), quote("/usr/bin/corral"))
    "/srv/50%% off" /usr/bin/corral
    """
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if any(char in text for char in " \t\"\\'") else text


def unit_name(instance: Instance) -> str:
    """
    >>> unit_name(Instance()), unit_name(Instance("/srv/x"))
    ('corral', 'corral-c0fd')
    """
    return plan_place(InstanceNames.of_root(instance.root).tag, systemd=True).service.removesuffix(".service")


def own_command() -> str:
    """The path of this installation's command. NotFound where it has none."""
    beside = os.path.join(os.path.dirname(sys.executable), "corral")
    found = beside if os.access(beside, os.X_OK) else shutil.which("corral")  # not every pip puts it beside python
    if not found:
        raise NotFound("the corral command is neither beside this Python nor on PATH, so a unit cannot start it")
    return os.path.abspath(found)


def print_unit(instance: Instance) -> int:
    """The unit on stdout; what to type on stderr, so that stdout can be redirected into the file."""
    command, unit = own_command(), unit_name(instance)
    print(render(command, instance), end="")
    words = [command, *([] if instance.default else ["--root", instance.root]), "up", "--print-unit"]
    print(
        f"To install it:\n  sudo {shlex.join(words)} | sudo tee /etc/systemd/system/{unit}.service >/dev/null\n"
        f"  sudo systemctl daemon-reload && sudo systemctl enable --now {unit}",
        file=sys.stderr,
    )
    return 0
