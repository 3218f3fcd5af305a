"""`run` and `create`."""

from __future__ import annotations

import os

from corral.cli import create_options
from corral.cli.create_body import plan_create, read_file
from corral.cli.fail import ApiError, Failure
from corral.cli.http import quote
from corral.cli.live import begin, detach_keys, foreground, require_terminal
from corral.cli.options import Parsed, Verb, flag, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def make(session: Session, options: Parsed, body: dict[str, Any]) -> str:
    """Creates the container: its id. The id file is claimed first, so that two runs cannot share it."""
    path = options.text("cidfile")
    file = -1
    if path:
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Failure(f"corral: container ID file {path}: {error.strerror}", 125) from None
    try:
        made = _created(session, options, body)
        if path:
            os.write(file, made["Id"].encode())
    except Failure:
        if path:
            os.unlink(path)
        raise
    finally:
        if path:
            os.close(file)
    for warning in made.get("Warnings") or []:
        session.warn(f"WARNING: {warning}")
    return str(made["Id"])


def _created(session: Session, options: Parsed, body: dict[str, Any]) -> dict[str, Any]:
    """The daemon's answer; an image that is missing is pulled, unless --pull says otherwise."""
    query = {"name": options.text("name"), "platform": options.text("platform")}
    when, image = options.text("pull", "missing"), body["Image"]
    if when not in ("always", "missing", "never"):
        raise Failure(f'corral: invalid pull option: \'{when}\': must be one of "always", "missing" or "never"', 125)
    try:
        if when == "always":
            _pull(session, options, image)
        try:
            return dict(session.client.call("POST", "/containers/create", query, body))
        except ApiError as error:
            if error.status != 404 or when != "missing" or not error.reason.startswith("No such image"):
                raise
        session.warn(f"Unable to find image '{_tagged(image)}' locally")
        _pull(session, options, image)
        return dict(session.client.call("POST", "/containers/create", query, body))
    except Failure as error:
        raise Failure(f"corral: {error.message}", 125) from None


def _tagged(image: str) -> str:
    from corral.cli.verbs.registries import tagged

    return tagged(image)


def _pull(session: Session, options: Parsed, image: str) -> None:
    """The progress goes where errors go: stdout is the program's."""
    from corral.cli.verbs.registries import pull_image

    pull_image(session, image, platform=options.text("platform"), quiet=options.on("quiet"), fd=2)


def create(session: Session, options: Parsed) -> int:
    body = plan_create(options, os.environ, read_file)
    if options.on("interactive"):
        body["StdinOnce"] = True
    body.update(AttachStdin=options.on("interactive"), AttachStdout=True, AttachStderr=True)
    session.say(make(session, options, body))
    return 0


def streams(options: Parsed) -> tuple[bool, bool, bool]:
    """Which of stdin, stdout, stderr the terminal is connected to. Pure."""
    if options.on("detach"):
        return False, False, False
    asked = [word.lower() for word in options.list("attach")]
    stdin = "stdin" in asked if asked else options.on("interactive")
    return stdin, not asked or "stdout" in asked, not asked or "stderr" in asked


def run(session: Session, options: Parsed) -> int:
    stdin, stdout, stderr = streams(options)
    tty = options.on("tty")
    if options.on("detach") and options.has("attach"):
        raise Failure("conflicting options: cannot specify both --attach and --detach", 1)
    require_terminal(tty, stdin)
    keys = detach_keys(options.text("detach-keys"))
    body = plan_create(options, os.environ, read_file)
    body.update(AttachStdin=stdin, AttachStdout=stdout, AttachStderr=stderr)
    body["StdinOnce"] = stdin
    container = make(session, options, body)
    path = f"/containers/{quote(container)}"
    if options.on("detach"):
        begin(lambda: session.client.open("POST", f"{path}/start").read())
        session.say(container)
        return 0
    return _attached(session, options, path, (stdin, stdout, stderr), keys)


def _attached(session: Session, options: Parsed, path: str, sides: tuple[bool, bool, bool], keys: bytes) -> int:
    """Attach and wait first, so that nothing the program writes and no exit is missed; then start."""
    client = session.client
    query = {"stream": True, **dict(zip(("stdin", "stdout", "stderr"), sides, strict=True))}
    reply = client.hijack(f"{path}/attach", query)
    waiting = client.open("POST", f"{path}/wait", {"condition": "removed" if options.on("rm") else "next-exit"})
    begin(lambda: client.open("POST", f"{path}/start").read())
    tty = options.on("tty")
    proxy = options.on("sig-proxy", default=True)
    if foreground(client, reply, path, tty=tty, stdin=sides[0], keys=keys, proxy=proxy) == "detached":
        return 0
    result = waiting.json()
    if (result.get("Error") or {}).get("Message"):
        raise Failure(f"corral: {result['Error']['Message']}", 125)
    return int(result["StatusCode"])


RUN_OPTIONS = (
    flag("-d --detach", "in the background: print the id"),
    text("--detach-keys", "KEYS", "the keys that leave it running, ctrl-p,ctrl-q"),
    flag("--sig-proxy", "pass signals on (--sig-proxy=false: do not)"),
)

VERBS = {
    "run": Verb(
        run,
        "run [OPTIONS] IMAGE [PROGRAM] [ARGUMENT…]",
        (*RUN_OPTIONS, *create_options.ALL),
        least=1,
        program=True,
        completes="images",
    ),
    "create": Verb(
        create,
        "create [OPTIONS] IMAGE [PROGRAM] [ARGUMENT…]",
        create_options.ALL,
        least=1,
        program=True,
        completes="images",
    ),
}
