"""The images there are: images, tag, rmi, history."""

from __future__ import annotations

from corral.cli.http import quote
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import Columns, age, decimal_size, short, split_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def rows(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
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


_UNTOLD = -62_135_596_800  # Go's zero time: an image that does not say when it was made


def _ago(seconds: float) -> str:
    """How long ago that was, for people.

    >>> _ago(_UNTOLD)
    'N/A'
    """
    import time

    if seconds == _UNTOLD:
        return "N/A"
    return age(time.time() - seconds) + " ago"


def _local(seconds: float) -> str:
    import time

    if seconds == _UNTOLD:
        return "0001-01-01 00:00:00 +0000 UTC"
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def images(session: Session, options: Parsed) -> int:
    from corral.cli.verbs.ps import parse_filters

    filters = options.list("filter") + [f"reference={name}" for name in options.args]
    query = {"all": options.on("all"), "filters": parse_filters(filters), "digests": options.on("digests")}
    found = session.client.call("GET", "/images/json", query)
    how = options.text("format")
    if options.on("quiet") and not how:
        how = "{{.ID}}"
    show = columns(options.on("no-trunc"), options.on("digests"))
    for line in show.show(rows(found), how, session.docker("images --format …")):
        session.say(line)
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

    return session.each(options.args, one, missing_ok=options.on("force"))


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


FORMAT = text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template")
WHOLE = flag("--no-trunc", "nothing shortened")
QUIET = flag("-q --quiet", "ids only")

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
    "tag": Verb(tag, "tag IMAGE NAME[:TAG]", least=2, most=2, completes="images"),
    "rmi": Verb(
        rmi,
        "rmi [OPTIONS] IMAGE…",
        (flag("-f --force", "also if stopped containers use it"), flag("--no-prune", "keep untagged parents")),
        least=1,
        completes="images",
    ),
    "history": Verb(history, "history [OPTIONS] IMAGE", (FORMAT, WHOLE, QUIET), least=1, most=1, completes="images"),
}
