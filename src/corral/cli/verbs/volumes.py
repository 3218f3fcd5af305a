"""The volumes there are: volume create, ls, inspect, rm, prune."""

from __future__ import annotations

from corral.cli import things
from corral.cli.http import quote
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import Columns, decimal_size
from corral.cli.things import label_pairs, labels, pairs
from corral.cli.verbs.prune import confirmed
from corral.cli.verbs.ps import parse_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def create(session: Session, options: Parsed) -> int:
    body = {
        "Name": options.args[0] if options.args else options.text("name"),
        "Driver": options.text("driver"),
        "DriverOpts": pairs(options.list("opt")),
        "Labels": label_pairs(options.list("label")),
    }
    session.say(session.client.call("POST", "/volumes/create", body=body)["Name"])
    return 0


def _size(volume: dict[str, Any]) -> str:
    size = volume.get("UsageData", {}).get("Size", -1)
    return "N/A" if size < 0 else decimal_size(size)


COLUMNS = {
    "Driver": ("DRIVER", lambda v: v["Driver"]),
    "Name": ("VOLUME NAME", lambda v: v["Name"]),
    "Mountpoint": ("MOUNTPOINT", lambda v: v["Mountpoint"]),
    "Labels": ("LABELS", labels),
    "Scope": ("SCOPE", lambda v: v["Scope"]),
    "Links": ("LINKS", lambda v: str(v.get("UsageData", {}).get("RefCount", "N/A"))),
    "Size": ("SIZE", _size),
}


def ls(session: Session, options: Parsed) -> int:
    how, sizes = options.text("format"), options.on("size")
    query = {"filters": parse_filters(options.list("filter"))}
    found = session.client.call("GET", "/volumes", query)["Volumes"] or []
    if sizes or ".Size" in how or ".Links" in how:
        used = session.client.call("GET", "/system/df", {"type": "volume"})["Volumes"] or []
        usage = {volume["Name"]: volume for volume in used}
        found = [usage.get(volume["Name"], volume) for volume in found]
    if options.on("quiet") and not how:
        how = "{{.Name}}"
    show = Columns(COLUMNS, "{{.Driver}}\t{{.Name}}" + ("\t{{.Links}}\t{{.Size}}" if sizes else ""))
    for line in show.show(found, how, session.docker("volume ls --format …")):
        session.say(line)
    return 0


def inspect(session: Session, options: Parsed) -> int:
    return things.inspect(session, options, "volume")


def rm(session: Session, options: Parsed) -> int:
    query = {"force": options.on("force")}
    return session.each(
        options.args, lambda name: session.client.call("DELETE", f"/volumes/{quote(name)}", query) or name
    )


def prune(session: Session, options: Parsed) -> int:
    which = "all volumes" if options.on("all") else "all anonymous volumes"
    if not options.on("force") and not confirmed(f"This will remove {which} that no container has.\nGo on?"):
        return 1
    given = options.list("filter") + (["all=1"] if options.on("all") else [])
    done = session.client.call("POST", "/volumes/prune", {"filters": parse_filters(given)})
    if done["VolumesDeleted"]:
        session.say("Deleted Volumes:\n" + "\n".join(done["VolumesDeleted"]) + "\n")
    session.say(f"Total reclaimed space: {decimal_size(done['SpaceReclaimed'])}")
    return 0


FORMAT = text("-f --format", "FORMAT", "json, or a template of {{.Field}}")
FILTER = many("-f --filter", "KEY=VALUE", "only those for which it holds: dangling, driver, label, name")
LABEL = many("--label", "KEY=VALUE", "a label of the new volume")

VERBS = {
    "volume create": Verb(
        create,
        "volume create [OPTIONS] [NAME]",
        (
            text("-d --driver", "NAME", "only local is offered"),
            LABEL,
            text("--name", "NAME", "its name"),
            many("-o --opt", "KEY=VALUE", "what to mount: type, device and o, as in type=nfs"),
        ),
        most=1,
    ),
    "volume ls": Verb(
        ls,
        "volume ls [OPTIONS]",
        (
            FILTER,
            text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template"),
            flag("-q --quiet", "names only"),
            flag("-s --size", "how many containers have it, and how large it is"),
        ),
        most=0,
    ),
    "volume inspect": Verb(inspect, "volume inspect [OPTIONS] VOLUME…", (FORMAT,), least=1, completes="volumes"),
    "volume rm": Verb(
        rm,
        "volume rm [OPTIONS] VOLUME…",
        (flag("-f --force", "no error for one that is not there"),),
        least=1,
        completes="volumes",
    ),
    "volume prune": Verb(
        prune,
        "volume prune [OPTIONS]",
        (
            flag("-a --all", "those with a name, too"),
            many("--filter", "KEY=VALUE", "label=KEY, label!=KEY"),
            flag("-f --force", "do not ask"),
        ),
        most=0,
    ),
}
