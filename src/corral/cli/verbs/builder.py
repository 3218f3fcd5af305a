"""`builder`: what builds keep to be fast the next time, and throwing it away."""

from __future__ import annotations

from corral.cli.fail import Misuse
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import decimal_size, parse_size, table
from corral.cli.verbs.prune import confirmed
from corral.cli.verbs.ps import parse_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def builder(session: Session, options: Parsed) -> int:
    verb = options.args[0]
    if verb == "du":
        return usage(session, options)
    if verb == "prune":
        return prune(session, options)
    raise Misuse(f"unknown command: builder {verb} (du and prune are known; `corral build` builds)")


def usage(session: Session, options: Parsed) -> int:
    found: list[dict[str, Any]] = session.client.call("GET", "/system/df", {"type": "build-cache"})["BuildCache"] or []
    if options.on("verbose"):
        for one in found:
            session.say("\n".join(f"{key + ':':<13} {value}" for key, value in one.items()) + "\n")
    else:
        rows = [
            [one["ID"], str(not one["InUse"]).lower(), decimal_size(one["Size"]), one.get("LastUsedAt") or ""]
            for one in found
        ]
        session.say(table(["ID", "RECLAIMABLE", "SIZE", "LAST ACCESSED"], rows))
    total = sum(one["Size"] for one in found)
    free = sum(one["Size"] for one in found if not one["InUse"])
    session.say(f"Reclaimable:  {decimal_size(free)}\nTotal:        {decimal_size(total)}")
    return 0


def prune(session: Session, options: Parsed) -> int:
    every = options.on("all")
    if not options.on("force"):
        what = "all build cache" if every else "all dangling build cache"
        session.say(f"WARNING! This will remove {what}.")
        if not confirmed("Are you sure you want to continue?"):
            return 1
    query: dict[str, object] = {"all": every, "filters": parse_filters(options.list("filter"))}
    for name in ("reserved-space", "max-used-space", "min-free-space"):
        if options.has(name):
            query[name] = parse_size(options.text(name))
    if options.has("keep-storage"):
        query["reserved-space"] = parse_size(options.text("keep-storage"))
    said = session.client.call("POST", "/build/prune", query)
    for id in said.get("CachesDeleted") or []:
        session.say(id)
    session.say(f"Total reclaimed space: {decimal_size(said['SpaceReclaimed'])}")
    return 0


VERBS = {
    "builder": Verb(
        builder,
        "builder du|prune [OPTIONS]",
        (
            flag("-a --all", "prune: also what the next build would use"),
            flag("-f --force", "prune: do not ask"),
            many("--filter", "KEY=VALUE", "prune: until=TIME, id=ID, type=TYPE, description~=TEXT, inuse, shared"),
            text("--keep-storage", "BYTES", "prune: how much may stay"),
            text("--reserved-space", "BYTES", "prune: how much always stays"),
            text("--max-used-space", "BYTES", "prune: how much may stay at most"),
            text("--min-free-space", "BYTES", "prune: until so much of the disk is free"),
            flag("--verbose", "du: everything about each"),
        ),
        least=1,
        most=1,
    )
}
