"""Images: images, import, load, save, tag, rmi, history; and commit and export, which start from a container."""

from __future__ import annotations

import sys

from corral.cli import terminal
from corral.cli.fail import Failure
from corral.cli.http import Reply, checked, quote
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import Columns, age, decimal_size, short
from corral.cli.stream import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

    from corral.cli.session import Session

BLOCK = 1 << 20


def split_reference(words: str) -> tuple[str, str]:
    """(repository, tag): the tag follows the last colon that no slash follows. Pure.

    >>> split_reference("host:5000/a/b"), split_reference("a:1")
    (('host:5000/a/b', ''), ('a', '1'))
    """
    head, colon, tail = words.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (words, "")


def rows(found: list[dict[str, Any]], digests: bool) -> list[dict[str, Any]]:
    """One row for each name of an image, `<none>` for one without. Pure."""
    result = []
    for image in found:
        tags = [t for t in image["RepoTags"] or [] if t != "<none>:<none>"]
        known = {d.partition("@")[0]: d.partition("@")[2] for d in image.get("RepoDigests") or []}
        for name in tags or ["<none>:<none>"]:
            repository, tag = split_reference(name)
            result.append({**image, "repository": repository, "tag": tag, "digest": known.get(repository, "<none>")})
    return result


def columns(whole: bool, digests: bool) -> Columns:
    middle = "{{.Digest}}\t" if digests else ""
    return Columns(
        {
            "ID": ("IMAGE ID", lambda i: i["Id"] if whole else short(i["Id"])),
            "Repository": ("REPOSITORY", lambda i: i["repository"]),
            "Tag": ("TAG", lambda i: i["tag"]),
            "Digest": ("DIGEST", lambda i: i["digest"]),
            "CreatedSince": ("CREATED", lambda i: _ago(i["Created"])),
            "CreatedAt": ("CREATED AT", lambda i: _local(i["Created"])),
            "Size": ("SIZE", lambda i: decimal_size(i["Size"])),
        },
        "{{.Repository}}\t{{.Tag}}\t" + middle + "{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    )


def _ago(seconds: float) -> str:
    import time

    return age(time.time() - seconds) + " ago"


def _local(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def images(session: Session, options: Parsed) -> int:
    from corral.cli.verbs.ps import parse_filters

    filters = options.list("filter") + [f"reference={name}" for name in options.args]
    query = {"all": options.on("all"), "filters": parse_filters(filters), "digests": options.on("digests")}
    found = session.client.call("GET", "/images/json", query)
    how = options.text("format")
    if options.on("quiet") and not how:
        lines = dict.fromkeys(i["Id"] if options.on("no-trunc") else short(i["Id"]) for i in found)
    else:
        show = columns(options.on("no-trunc"), options.on("digests"))
        lines = dict.fromkeys(show.show(rows(found, options.on("digests")), how, session.docker("images --format …")))
    for line in lines:
        session.say(line)
    return 0


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while data := file.read(BLOCK):
        yield data


def _input(path: str) -> BinaryIO:
    if path in ("", "-"):
        if terminal.is_terminal(0):
            raise Failure("requested load from stdin, but stdin is empty", 1)
        return sys.stdin.buffer
    try:
        return open(path, "rb")
    except OSError as error:
        raise Failure(f"open {path}: {(error.strerror or '').lower()}", 1) from None


def _output(session: Session, path: str, reply: Reply) -> None:
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
    reply = session.client.send("POST", "/images/create", query, _blocks(_input(source)))
    session.say(show_progress(session, checked(reply)))
    return 0


def load(session: Session, options: Parsed) -> int:
    body = _blocks(_input(options.text("input")))
    reply = session.client.send("POST", "/images/load", {"quiet": True}, body)
    show_progress(session, checked(reply))
    return 0


def save(session: Session, options: Parsed) -> int:
    reply = session.client.open("GET", "/images/get", {"names": options.args})
    _output(session, options.text("output"), reply)
    return 0


def export(session: Session, options: Parsed) -> int:
    reply = session.client.open("GET", f"/containers/{quote(options.args[0])}/export")
    _output(session, options.text("output"), reply)
    return 0


def tag(session: Session, options: Parsed) -> int:
    repository, name = split_reference(options.args[1])
    session.client.open("POST", f"/images/{quote(options.args[0])}/tag", {"repo": repository, "tag": name}).read()
    return 0


def rmi(session: Session, options: Parsed) -> int:
    query = {"force": options.on("force"), "noprune": options.on("no-prune")}

    def one(name: str) -> str:
        done = session.client.call("DELETE", f"/images/{quote(name)}", query)
        return "\n".join(f"{what}: {which}" for entry in done for what, which in entry.items())

    return session.each(options.args, one)


def history(session: Session, options: Parsed) -> int:
    whole = options.on("no-trunc")

    def by(words: str) -> str:
        words = words.replace("\t", " ")
        return words if whole or len(words) <= 45 else words[:44] + "…"

    def name(item: dict[str, Any]) -> str:
        return str(item["Id"]) if whole or item["Id"] == "<missing>" else short(item["Id"])

    show = Columns(
        {
            "ID": ("IMAGE", name),
            "CreatedSince": ("CREATED", lambda h: _ago(h["Created"])),
            "CreatedAt": ("CREATED AT", lambda h: _local(h["Created"])),
            "CreatedBy": ("CREATED BY", lambda h: by(h["CreatedBy"])),
            "Size": ("SIZE", lambda h: decimal_size(h["Size"])),
            "Comment": ("COMMENT", lambda h: h["Comment"]),
        },
        "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    )
    found = session.client.call("GET", f"/images/{quote(options.args[0])}/history")
    how = options.text("format") or ("{{.ID}}" if options.on("quiet") else "")
    for line in show.show(found, how, session.docker("history --format …")):
        session.say(line)
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


FORMAT = text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template")
WHOLE = flag("--no-trunc", "nothing shortened")
QUIET = flag("-q --quiet", "ids only")
CHANGE = many("-c --change", "INSTRUCTION", "a Dockerfile instruction for its configuration: CMD, ENV, …")
OUTPUT = text("-o --output", "FILE", "write to a file instead of stdout")

VERBS = {
    "images": Verb(
        images,
        "images [OPTIONS] [NAME]",
        (
            flag("-a --all", "intermediate ones too"),
            flag("--digests", "their digests"),
            many("-f --filter", "KEY=VALUE", "only those for which it holds"),
            FORMAT,
            WHOLE,
            QUIET,
        ),
        most=1,
        completes="images",
    ),
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
    "tag": Verb(tag, "tag IMAGE NAME[:TAG]", least=2, most=2, completes="images"),
    "rmi": Verb(
        rmi,
        "rmi [OPTIONS] IMAGE…",
        (flag("-f --force", "also if stopped containers use it"), flag("--no-prune", "keep untagged parents")),
        least=1,
        completes="images",
    ),
    "history": Verb(history, "history [OPTIONS] IMAGE", (FORMAT, WHOLE, QUIET), least=1, most=1, completes="images"),
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
