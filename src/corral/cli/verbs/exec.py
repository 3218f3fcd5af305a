"""`exec`: one more program in a running container."""

from __future__ import annotations

import os

from corral.cli.create_body import environment, read_file
from corral.cli.fail import ApiError, Failure
from corral.cli.http import quote
from corral.cli.live import detach_keys, foreground, require_terminal, start_code
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.terminal import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def execute(session: Session, options: Parsed) -> int:
    container, *command = options.args
    detach, tty, stdin = options.on("detach"), options.on("tty"), options.on("interactive")
    if not detach:
        require_terminal(tty, stdin)
    keys = detach_keys(options.text("detach-keys"))
    body: dict[str, Any] = {
        "Cmd": command,
        "Tty": tty,
        "AttachStdin": stdin and not detach,
        "AttachStdout": not detach,
        "AttachStderr": not detach,
        "Env": environment(options, os.environ, read_file),
        "User": options.text("user"),
        "WorkingDir": options.text("workdir"),
        "Privileged": options.on("privileged"),
        "DetachKeys": options.text("detach-keys"),
    }
    client = session.client
    path = "/exec/" + client.call("POST", f"/containers/{quote(container)}/exec", body=body)["Id"]
    try:
        if detach:
            client.open("POST", f"{path}/start", body={"Detach": True, "Tty": tty}).read()
            return 0
        rows, columns = size()
        start: dict[str, Any] = {"Detach": False, "Tty": tty}
        if tty and rows:
            start["ConsoleSize"] = [rows, columns]
        reply = client.hijack(f"{path}/start", body=start)
    except ApiError as error:
        raise Failure(error.message, start_code(error)) from None
    if foreground(client, reply, path, tty=tty, stdin=stdin, keys=keys, proxy=False) == "detached":
        return 0
    return int(client.call("GET", f"{path}/json")["ExitCode"] or 0)


VERBS = {
    "exec": Verb(
        execute,
        "exec [OPTIONS] CONTAINER PROGRAM [ARGUMENT…]",
        (
            flag("-d --detach", "in the background"),
            text("--detach-keys", "KEYS", "the keys that leave it running, ctrl-p,ctrl-q"),
            many("-e --env", "NAME=VALUE", "environment variable"),
            many("--env-file", "FILE", "environment variables, one a line"),
            flag("-i --interactive", "connect its input"),
            flag("-t --tty", "give it a terminal"),
            flag("--privileged", "all capabilities"),
            text("-u --user", "USER[:GROUP]", "who runs it"),
            text("-w --workdir", "DIR", "where it starts"),
        ),
        least=2,
        program=True,
        completes="running",
    )
}
