"""`prune`: what nothing needs any more."""

from __future__ import annotations

import sys

from corral.cli.options import Parsed, Verb, flag, many
from corral.cli.render import decimal_size
from corral.cli.verbs.ps import parse_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session


def confirmed(question: str) -> bool:
    """Asks on the terminal; anything but y or yes is no."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def prune(session: Session, options: Parsed) -> int:
    every = options.on("all")
    kinds = ["all stopped containers", "all images without a container" if every else "all images without a name"]
    kinds += ["all anonymous volumes that no container uses"] if options.on("volumes") else []
    if not options.on("force"):
        session.say("This will remove:\n" + "\n".join(f"  - {kind}" for kind in kinds))
        if not confirmed("\nGo on?"):
            return 1
    given = options.list("filter")
    containers = session.client.call("POST", "/containers/prune", {"filters": parse_filters(given)})
    dangling = [*given, f"dangling={'false' if every else 'true'}"]
    images = session.client.call("POST", "/images/prune", {"filters": parse_filters(dangling)})
    volumes = session.client.call("POST", "/volumes/prune", {"filters": ""}) if options.on("volumes") else {}
    freed = 0
    for title, found in (
        ("Containers", containers.get("ContainersDeleted")),
        ("Images", [f"{k.lower()}: {v}" for one in images.get("ImagesDeleted") or [] for k, v in one.items()]),
        ("Volumes", volumes.get("VolumesDeleted")),
    ):
        if found:
            session.say(f"Deleted {title}:\n" + "\n".join(found) + "\n")
    freed = sum(answer.get("SpaceReclaimed") or 0 for answer in (containers, images, volumes))
    session.say(f"Total reclaimed space: {decimal_size(freed)}")
    return 0


VERBS = {
    "prune": Verb(
        prune,
        "prune [OPTIONS]",
        (
            flag("-a --all", "images with a name, too, if no container uses them"),
            many("--filter", "KEY=VALUE", "until=TIME, label=KEY"),
            flag("-f --force", "do not ask"),
            flag("--volumes", "anonymous volumes too"),
        ),
        most=0,
    )
}
