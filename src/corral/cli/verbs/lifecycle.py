"""The verbs that do one thing to each container: stop, restart, kill, pause, unpause, wait, rename, rm."""

from __future__ import annotations

from corral.cli.http import quote
from corral.cli.options import Option, Parsed, Verb, flag, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from corral.cli.http import Query
    from corral.cli.session import Session


def _post(session: Session, name: str, action: str, query: Query | None = None) -> None:
    session.client.open("POST", f"/containers/{quote(name)}/{action}", query).read()


def _each(action: str, query: Callable[[Parsed], Query]) -> Callable[[Session, Parsed], int]:
    def run(session: Session, options: Parsed) -> int:
        return session.each(options.args, lambda name: _post(session, name, action, query(options)))

    return run


def _grace(options: Parsed) -> Query:
    timeout = str(options.number("timeout")) if options.has("timeout") else ""
    timeout = str(options.number("time")) if options.has("time") else timeout
    return {"t": timeout, "signal": options.text("signal")}


def wait(session: Session, options: Parsed) -> int:
    def code(name: str) -> str:
        return str(session.client.call("POST", f"/containers/{quote(name)}/wait")["StatusCode"])

    return session.each(options.args, code)


def rename(session: Session, options: Parsed) -> int:
    old, new = options.args
    _post(session, old, "rename", {"name": new})
    return 0


def remove(session: Session, options: Parsed) -> int:
    query = {"force": options.on("force"), "v": options.on("volumes"), "link": options.on("link")}

    def one(name: str) -> None:
        session.client.call("DELETE", f"/containers/{quote(name)}", query)

    return session.each(options.args, one, missing_ok=options.on("force"))


SIGNAL = text("-s --signal", "SIGNAL", "the signal to send")
GRACE = (
    SIGNAL,
    text("-t --timeout", "SECONDS", "how long to wait before SIGKILL"),
    text("--time", "SECONDS", "the same"),
)


def _verb(name: str, options: tuple[Option, ...], query: Callable[[Parsed], Query], completes: str) -> Verb:
    usage = f"{name} {'[OPTIONS] ' if options else ''}CONTAINER…"
    return Verb(_each(name, query), usage, options, least=1, completes=completes)


VERBS = {
    "stop": _verb("stop", GRACE, _grace, "running"),
    "restart": _verb("restart", GRACE, _grace, "containers"),
    "kill": _verb("kill", (SIGNAL,), lambda o: {"signal": o.text("signal", "KILL")}, "running"),
    "pause": _verb("pause", (), lambda o: {}, "running"),
    "unpause": _verb("unpause", (), lambda o: {}, "containers"),
    "wait": Verb(wait, "wait CONTAINER…", least=1, completes="containers"),
    "rename": Verb(rename, "rename CONTAINER NAME", least=2, most=2, completes="containers"),
    "rm": Verb(
        remove,
        "rm [OPTIONS] CONTAINER…",
        (
            flag("-f --force", "also a running one: it is killed"),
            flag("-v --volumes", "its anonymous volumes too"),
            flag("-l --link", "the link only"),
        ),
        least=1,
        completes="containers",
    ),
}
