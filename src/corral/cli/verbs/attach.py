"""`attach`, and `start` (which may attach as well)."""

from __future__ import annotations

from corral.cli.fail import ApiError, Failure, Misuse
from corral.cli.http import quote
from corral.cli.live import begin, detach_keys, foreground, require_terminal
from corral.cli.options import Parsed, Verb, flag, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session

KEYS = text("--detach-keys", "KEYS", "the keys that leave it running, ctrl-p,ctrl-q")
PROXY = flag("--sig-proxy", "pass signals on (--sig-proxy=false: do not)")


def attach(session: Session, options: Parsed) -> int:
    name = options.args[0]
    found = session.client.call("GET", f"/containers/{quote(name)}/json")
    state = found["State"]
    if not state["Running"]:
        raise Failure("cannot attach to a stopped container, start it first", 1)
    if state["Paused"]:
        raise Failure("cannot attach to a paused container, unpause it first", 1)
    if state["Restarting"]:
        raise Failure("cannot attach to a restarting container, wait until it is running", 1)
    stdin = found["Config"]["OpenStdin"] and not options.on("no-stdin")
    return _attached(session, options, found, stdin, started=True)


def start(session: Session, options: Parsed) -> int:
    if not (options.on("attach") or options.on("interactive")):
        return session.each(options.args, lambda name: _start(session, name))
    if len(options.args) > 1:
        raise Misuse("you cannot start and attach multiple containers at once", 1)
    found = session.client.call("GET", f"/containers/{quote(options.args[0])}/json")
    stdin = options.on("interactive") and found["Config"]["OpenStdin"]
    return _attached(session, options, found, stdin, started=False)


def _start(session: Session, name: str) -> None:
    session.client.open("POST", f"/containers/{quote(name)}/start").read()


def _attached(session: Session, options: Parsed, found: dict[str, object], stdin: bool, *, started: bool) -> int:
    client = session.client
    path = f"/containers/{found['Id']}"
    config = found["Config"]
    assert isinstance(config, dict)
    tty = bool(config["Tty"])
    require_terminal(tty, stdin)
    keys = detach_keys(options.text("detach-keys"))
    reply = client.hijack(f"{path}/attach", {"stream": True, "stdin": stdin, "stdout": True, "stderr": True})
    waiting = client.open("POST", f"{path}/wait", {"condition": "not-running" if started else "next-exit"})
    if not started:
        try:
            begin(lambda: client.open("POST", f"{path}/start").read())
        except ApiError as error:
            raise Failure(error.message, 1) from None
    proxy = options.on("sig-proxy", default=True)
    if foreground(client, reply, path, tty=tty, stdin=stdin, keys=keys, proxy=proxy) == "detached":
        return 0
    result = waiting.json()
    return int(result["StatusCode"])


VERBS = {
    "attach": Verb(
        attach,
        "attach [OPTIONS] CONTAINER",
        (KEYS, flag("--no-stdin", "do not connect the input"), PROXY),
        least=1,
        most=1,
        completes="running",
    ),
    "start": Verb(
        start,
        "start [OPTIONS] CONTAINER…",
        (
            flag("-a --attach", "show its output, pass signals on"),
            KEYS,
            flag("-i --interactive", "type into it"),
            PROXY,
        ),
        least=1,
        completes="containers",
    ),
}
