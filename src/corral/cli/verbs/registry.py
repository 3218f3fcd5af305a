"""The verb `registry`: a registry alone, in the foreground, for whoever wants no more than that."""

from __future__ import annotations

import os

from corral.cli.instance import Instance
from corral.cli.options import Option, Parsed, Verb, text
from corral.cli.settings import REGISTRY, Setting
from corral.cli.verbs.daemon import become, role_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session

SYSTEM_ROOT = "/var/lib/corral-registry"


def short_key(setting: Setting) -> str:
    """What a setting of `up` is called here.

    >>> [short_key(setting) for setting in REGISTRY][:2]
    ['listen', 'tlscert']
    """
    return setting.key.removeprefix("registry-") if "-" in setting.key else "listen"


def option(setting: Setting) -> Option:
    made = setting.option()
    made.key = short_key(setting)
    made.names = [f"--{made.key}"]
    if made.key == "listen":
        made.help = "where it listens (default 127.0.0.1:5000)"
    return made


def default_root() -> str:
    """Root's is the system's, anybody else's their own."""
    if os.geteuid() == 0:
        return SYSTEM_ROOT
    return os.path.join(os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "corral-registry")


def registry(session: Session, options: Parsed) -> int:
    words = [
        f"--{setting.key}={os.path.abspath(value) if setting.value == 'FILE' and value else value}"
        for setting in REGISTRY
        for value in options.list(short_key(setting))
    ]
    words += [f"--config={os.path.abspath(value)}" for value in options.list("config")]
    words += [f"--log-level={value}" for value in options.list("log-level")]
    alone = Instance(default_root()) if session.instance.default else session.instance
    return become(role_command(alone, "registry", words))


VERBS = {
    "registry": Verb(
        registry,
        "registry [OPTIONS]",
        (
            text("--config", "FILE", "settings, named as those of `corral up` (registry-…)"),
            text("--log-level", "LEVEL", "debug, info, warning, error (default info)"),
            *(option(setting) for setting in REGISTRY),
        ),
        most=0,
    ),
}
