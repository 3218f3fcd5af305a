"""Images from and to registries: pull, push, search, login, logout."""

from __future__ import annotations

import sys

from corral.cli import accounts, terminal
from corral.cli.fail import ApiError, Failure
from corral.cli.http import checked, quote
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import Columns, split_reference
from corral.cli.transfer import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def split_name(name: str) -> tuple[str, str]:
    """(name, tag or digest) as the API takes them. Pure.

    >>> split_name("a@sha256:0"), split_name("localhost:5000/a:1"), split_name("a")
    (('a', 'sha256:0'), ('localhost:5000/a', '1'), ('a', ''))
    """
    before, at, digest = name.partition("@")
    repository, tag = split_reference(before)
    return repository, digest if at else tag


def tagged(name: str) -> str:
    """The name with the tag that it means when it names none. Pure.

    >>> tagged("a"), tagged("localhost:5000/a"), tagged("a:1"), tagged("a@sha256:0")
    ('a:latest', 'localhost:5000/a:latest', 'a:1', 'a@sha256:0')
    """
    return name if split_name(name)[1] else f"{name}:latest"


def who_asks(session: Session, name: str) -> dict[str, str]:
    """The header with our account at an image's registry."""
    return accounts.header(accounts.account_or_nobody(accounts.server_of_image(name), session.warn))


def pull_image(session: Session, name: str, *, platform: str = "", quiet: bool = False, fd: int = 1) -> None:
    """Pulls one image, drawing on a descriptor."""
    repository, tag = split_name(name)
    query = {"fromImage": repository, "tag": tag or "latest", "platform": platform}
    who = who_asks(session, name)
    show(checked(session.client.send("POST", "/images/create", query, headers=who)), quiet=quiet, fd=fd)


def pull(session: Session, options: Parsed) -> int:
    quiet, platform = options.on("quiet"), options.text("platform")
    for name in options.args:
        repository, tag = split_name(name)
        if options.on("all-tags"):
            if tag:
                raise Failure("tag can't be used with --all-tags/-a", 1)
            who = who_asks(session, name)
            query = {"fromImage": repository, "platform": platform}
            show(checked(session.client.send("POST", "/images/create", query, headers=who)), quiet=quiet)
        else:
            if not tag and not quiet:
                session.say("Using default tag: latest")
            pull_image(session, name, platform=platform, quiet=quiet)
        if quiet:
            session.say(name)
    return 0


def push(session: Session, options: Parsed) -> int:
    name = options.args[0]
    tag = split_name(name)[1]
    if options.on("all-tags") and tag:
        raise Failure("tag can't be used with --all-tags/-a", 1)
    if not options.on("all-tags") and not tag:
        tag = "latest"
        if not options.on("quiet"):
            session.say("Using default tag: latest")
    push_image(session, name, tag, quiet=options.on("quiet"))
    if options.on("quiet"):
        session.say(name)
    return 0


def push_image(session: Session, name: str, tag: str = "", *, quiet: bool = False, fd: int = 1) -> None:
    """Pushes an image, drawing on a descriptor. Without a `tag` it is the name's own."""
    repository, own = split_name(name)
    who = who_asks(session, name)
    reply = session.client.send("POST", f"/images/{quote(repository)}/push", {"tag": tag or own}, headers=who)
    show(checked(reply), quiet=quiet, fd=fd)


def search(session: Session, options: Parsed) -> int:
    from corral.cli.verbs.ps import parse_filters

    term = options.args[0]
    query = {"term": term, "limit": options.text("limit"), "filters": parse_filters(options.list("filter"))}
    who = who_asks(session, term)
    found: list[dict[str, Any]] = checked(session.client.send("GET", "/images/search", query, headers=who)).json()
    whole = options.on("no-trunc")

    def about(hit: dict[str, Any]) -> str:
        words = " ".join(hit["description"].split())
        return words if whole or len(words) <= 45 else words[:44] + "…"

    columns = Columns(
        {
            "Name": ("NAME", lambda hit: hit["name"]),
            "Description": ("DESCRIPTION", about),
            "StarCount": ("STARS", lambda hit: str(hit["star_count"])),
            "IsOfficial": ("OFFICIAL", lambda hit: "[OK]" if hit["is_official"] else ""),
        },
        "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
    )
    for line in columns.show(found, options.text("format"), session.docker("search --format …")):
        session.say(line)
    return 0


def login(session: Session, options: Parsed) -> int:
    server = accounts.server_of(options.args[0] if options.args else "")
    username, password = options.text("username"), options.text("password")
    if options.on("password-stdin"):
        if password:
            raise Failure("--password and --password-stdin are mutually exclusive", 1)
        if not username:
            raise Failure("the --password-stdin option requires --username to be set", 1)
        password = sys.stdin.read().rstrip("\r\n")
    elif password:
        session.warn("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
    known = {} if username or password else accounts.account(server)
    if not known.get("identitytoken") and not known.get("password"):
        username, password = _ask(username, password)
        known = {"username": username, "password": password, "serveraddress": server}
    try:
        said = session.client.call("POST", "/auth", body=known)
    except ApiError as error:
        raise Failure(error.message, 1) from None
    token = said.get("IdentityToken", "") or known.get("identitytoken", "")
    helper = accounts.remember(server, known.get("username", ""), known.get("password", ""), token)
    if not helper:
        session.warn(f"WARNING! Your credentials are stored unencrypted in '{accounts.config_path()}'.")
    session.say(said["Status"])
    return 0


def _ask(username: str, password: str) -> tuple[str, str]:
    """What is missing, from the terminal."""
    if not terminal.is_terminal(0) and not (username and password):
        raise Failure("Error: Cannot perform an interactive login from a non TTY device", 1)
    if not username:
        username = input("Username: ").strip()
    if not username:
        raise Failure("Error: Non-null Username Required", 1)
    if not password:
        from getpass import getpass

        password = getpass("Password: ")
    if not password:
        raise Failure("Error: Password Required", 1)
    return username, password


def logout(session: Session, options: Parsed) -> int:
    server = accounts.server_of(options.args[0] if options.args else "")
    shown = "" if server == accounts.HUB else server
    if accounts.forget(server):
        session.say(f"Removing login credentials for {shown or server}")
    else:
        session.say(f"Not logged in to {shown or server}")
    return 0


QUIET = flag("-q --quiet", "no progress")
PLATFORM = text("--platform", "OS/ARCH[/VARIANT]", "which of several platforms; this machine's")

VERBS = {
    "pull": Verb(
        pull,
        "pull [OPTIONS] NAME[:TAG|@DIGEST]…",
        (flag("-a --all-tags", "all tags of the repository"), PLATFORM, QUIET),
        least=1,
    ),
    "push": Verb(
        push,
        "push [OPTIONS] NAME[:TAG]",
        (flag("-a --all-tags", "all tags of the repository"), QUIET),
        least=1,
        most=1,
        completes="images",
    ),
    "search": Verb(
        search,
        "search [OPTIONS] [REGISTRY/]TERM",
        (
            many("-f --filter", "KEY=VALUE", "is-official=true, stars=3"),
            text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template"),
            text("--limit", "N", "at most so many, 1 to 100 (25)"),
            flag("--no-trunc", "nothing shortened"),
        ),
        least=1,
        most=1,
    ),
    "login": Verb(
        login,
        "login [OPTIONS] [REGISTRY]",
        (
            text("-u --username", "NAME", "who you are there"),
            text("-p --password", "PASSWORD", "better: --password-stdin"),
            flag("--password-stdin", "read the password from stdin"),
        ),
        most=1,
    ),
    "logout": Verb(logout, "logout [REGISTRY]", most=1),
}
