"""More machines for a cluster: node, join, token create."""

from __future__ import annotations

import os

from corral.cli.instance import daemon_pid
from corral.cli.options import Parsed, Verb, flag, text
from corral.cli.settings import SETTINGS
from corral.cli.verbs.daemon import (
    become,
    need_root,
    role_command,
    run_role,
    setting_words,
    start_detached,
    stop_daemon,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session

SYSTEMD = "/run/systemd/system"  # is there where systemd is the init

JOINING = (
    text("--token", "TOKEN", "vouches for this machine until it has a certificate"),
    text("--ca-hash", "sha256:HEX", "the hash of the cluster's key: vouches for the server"),
    text("--name", "NAME", "of the node (default: this machine's)"),
    text("--config", "FILE", "settings (default /etc/corral/config.toml, with --root DIR/config.toml)"),
)


def node_words(options: Parsed, server: str) -> list[str]:
    """The words of the role `node`."""
    given = [("server", server), *((key, options.text(key)) for key in ("token", "ca-hash", "name"))]
    return [*(f"--{key}={value}" for key, value in given if value), *setting_words(options)]


def node(session: Session, options: Parsed) -> int:
    need_root("node")
    command = role_command(session.instance, "node", node_words(options, options.text("server")))
    if not options.on("detach"):
        return become(command)
    return _start(session, command)


def join(session: Session, options: Parsed) -> int:
    """Joins, and then hands the node over to systemd, where it runs."""
    need_root("join")
    instance = session.instance
    code = _start(session, role_command(instance, "node", node_words(options, options.args[0])))
    if code or options.on("no-service") or not os.path.isdir(SYSTEMD):
        return code
    stop_daemon(instance)  # which has its certificate now; containers go on
    return run_role(role_command(instance, "enable", setting_words(options)))


def _start(session: Session, command: list[str]) -> int:
    pid = daemon_pid(session.instance)
    if pid:
        session.say(f"Corral is up already (pid {pid}) at {session.instance.url}.")
        return 1
    pid = start_detached(session.instance, command)
    session.say(f"This machine is a node of the cluster (pid {pid}).")
    session.say(f"Its log: {session.instance.log_file}")
    return 0


def token(session: Session, options: Parsed) -> int:
    need_root("token create")
    return become(role_command(session.instance, "token", [f"--url={value}" for value in options.list("url")]))


VERBS = {
    "node": Verb(
        node,
        "node [OPTIONS]",
        (
            text("--server", "URL", "of the cluster to join; a machine that has joined knows it"),
            flag("-d --detach", "return when the node is registered, leave it running"),
            *JOINING,
            *(setting.option() for setting in SETTINGS),
        ),
        most=0,
    ),
    "join": Verb(
        join,
        "join URL [OPTIONS]",
        (
            *JOINING,
            flag("--no-service", "no systemd unit that starts it again after a reboot"),
            *(setting.option() for setting in SETTINGS),
        ),
        least=1,
        most=1,
    ),
    "token create": Verb(
        token,
        "token create [OPTIONS]",
        (text("--url", "URL", "where other machines reach the API (default: this machine's address)"),),
        most=0,
    ),
}
