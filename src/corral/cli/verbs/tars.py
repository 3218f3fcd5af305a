"""What makes images, and what makes tars of images and containers: import, load, save, export, commit."""

from __future__ import annotations

import sys

from corral.cli import terminal
from corral.cli.fail import Failure
from corral.cli.http import Reply, checked, quote
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import split_reference
from corral.cli.stream import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from corral.cli.session import Session

BLOCK = 1 << 20


def blocks(file: BinaryIO) -> Iterator[bytes]:
    while data := file.read(BLOCK):
        yield data


def source_of(path: str) -> BinaryIO:
    if path in ("", "-"):
        if terminal.is_terminal(0):
            raise Failure("requested load from stdin, but stdin is empty", 1)
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except OSError as error:
        raise Failure(f"open {path}: {(error.strerror or '').lower()}", 1) from None


def write_out(session: Session, path: str, reply: Reply) -> None:
    """The body into a file that appears only when it is whole, or to stdout."""
    if not path:
        if terminal.is_terminal(1):
            raise Failure("cowardly refusing to save to a terminal. Use the -o flag or redirect", 1)
        for data in reply.chunks():
            write_all(1, data)
        return
    import os

    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            for data in reply.chunks():
                file.write(data)
        os.replace(part, path)
    except OSError as error:
        raise Failure(f"write {path}: {(error.strerror or '').lower()}", 1) from None
    finally:
        if os.path.exists(part):
            os.unlink(part)


def show_progress(session: Session, reply: Reply, quiet: bool = False) -> str:
    """Prints a stream of {"stream": …}, {"status": …}; an {"error": …} fails. Returns the last status."""
    import json

    last = ""
    for line in reply.lines():
        said = json.loads(line)
        if said.get("error"):
            raise Failure(said["error"], 1)
        last = said.get("status", last)
        if said.get("stream") and not quiet:
            session.say(said["stream"].rstrip("\n"))
    return last


def import_(session: Session, options: Parsed) -> int:
    source, *rest = options.args
    repository, tag = split_reference(rest[0]) if rest else ("", "")
    query = {
        "fromSrc": "-",
        "repo": repository,
        "tag": tag,
        "message": options.text("message"),
        "platform": options.text("platform"),
        "changes": options.list("change"),
    }
    if "://" in source:
        raise Failure(
            f"import from a URL is not offered here; use: curl -L {source} | corral import - {' '.join(rest)}", 1
        )
    reply = session.client.send("POST", "/images/create", query, blocks(source_of(source)))
    session.say(show_progress(session, checked(reply)))
    return 0


def load(session: Session, options: Parsed) -> int:
    body = blocks(source_of(options.text("input")))
    reply = session.client.send("POST", "/images/load", {"quiet": True}, body)
    show_progress(session, checked(reply))
    return 0


def save(session: Session, options: Parsed) -> int:
    reply = session.client.open("GET", "/images/get", {"names": options.args})
    write_out(session, options.text("output"), reply)
    return 0


def export(session: Session, options: Parsed) -> int:
    reply = session.client.open("GET", f"/containers/{quote(options.args[0])}/export")
    write_out(session, options.text("output"), reply)
    return 0


def commit(session: Session, options: Parsed) -> int:
    container, *rest = options.args
    repository, name = split_reference(rest[0]) if rest else ("", "")
    query = {
        "container": container,
        "repo": repository,
        "tag": name,
        "comment": options.text("message"),
        "author": options.text("author"),
        "changes": options.list("change"),
        "pause": str(int(options.on("pause", default=True))),
    }
    session.say(session.client.call("POST", "/commit", query, {})["Id"])
    return 0


CHANGE = many("-c --change", "INSTRUCTION", "a Dockerfile instruction for its configuration: CMD, ENV, …")
OUTPUT = text("-o --output", "FILE", "write to a file instead of stdout")

VERBS = {
    "import": Verb(
        import_,
        "import [OPTIONS] FILE|- [NAME[:TAG]]",
        (CHANGE, text("-m --message", "TEXT", "comment"), text("--platform", "OS/ARCH", "its platform")),
        least=1,
        most=2,
    ),
    "load": Verb(
        load,
        "load [OPTIONS]",
        (text("-i --input", "FILE", "read a file instead of stdin"), flag("-q --quiet", "no progress (there is none)")),
        most=0,
    ),
    "save": Verb(save, "save [OPTIONS] IMAGE…", (OUTPUT,), least=1, completes="images"),
    "export": Verb(export, "export [OPTIONS] CONTAINER", (OUTPUT,), least=1, most=1, completes="containers"),
    "commit": Verb(
        commit,
        "commit [OPTIONS] CONTAINER [NAME[:TAG]]",
        (
            text("-a --author", "TEXT", "who made it"),
            CHANGE,
            text("-m --message", "TEXT", "comment"),
            flag("-p --pause", "freeze it meanwhile (--pause=false: do not)"),
        ),
        least=1,
        most=2,
        completes="containers",
    ),
}
