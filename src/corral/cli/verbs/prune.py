"""`prune`: what nothing needs any more."""

from __future__ import annotations

import sys

from corral.cli.options import Parsed, Verb, flag, many
from corral.cli.render import decimal_size
from corral.cli.verbs.ps import parse_filters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def confirmed(question: str) -> bool:
    """Asks on the terminal; anything but y or yes is no."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def prune(session: Session, options: Parsed) -> int:
    every = options.on("all")
    kinds = ["all stopped containers", _images(every)]
    kinds += ["all anonymous volumes that no container uses"] if options.on("volumes") else []
    if not options.on("force") and not _agreed(session, kinds):
        return 1
    given = options.list("filter")
    answers = [_prune_containers(session, given), _prune_images(session, given, every)]
    if options.on("volumes"):
        answers.append(_post(session, "volumes", []))
    return _report(session, answers)


def prune_containers(session: Session, options: Parsed) -> int:
    if not options.on("force") and not _agreed(session, ["all stopped containers"]):
        return 1
    return _report(session, [_prune_containers(session, options.list("filter"))])


def prune_images(session: Session, options: Parsed) -> int:
    every = options.on("all")
    if not options.on("force") and not _agreed(session, [_images(every)]):
        return 1
    return _report(session, [_prune_images(session, options.list("filter"), every)])


def _images(every: bool) -> str:
    return "all images without a container" if every else "all images without a name"


def _agreed(session: Session, kinds: list[str]) -> bool:
    session.say("This will remove:\n" + "\n".join(f"  - {kind}" for kind in kinds))
    return confirmed("\nGo on?")


def _prune_containers(session: Session, filters: list[str]) -> Any:
    return _post(session, "containers", filters)


def _prune_images(session: Session, filters: list[str], every: bool) -> Any:
    return _post(session, "images", [*filters, f"dangling={'false' if every else 'true'}"])


def _post(session: Session, kind: str, filters: list[str]) -> Any:
    return session.client.call("POST", f"/{kind}/prune", {"filters": parse_filters(filters)})


def _report(session: Session, answers: list[Any]) -> int:
    for answer in answers:
        for title, found in (
            ("Containers", answer.get("ContainersDeleted")),
            ("Images", [f"{k.lower()}: {v}" for one in answer.get("ImagesDeleted") or [] for k, v in one.items()]),
            ("Volumes", answer.get("VolumesDeleted")),
        ):
            if found:
                session.say(f"Deleted {title}:\n" + "\n".join(found) + "\n")
    freed = sum(answer.get("SpaceReclaimed") or 0 for answer in answers)
    session.say(f"Total reclaimed space: {decimal_size(freed)}")
    return 0


ALL = flag("-a --all", "images with a name, too, if no container uses them")
FILTER = many("--filter", "KEY=VALUE", "until=TIME, label=KEY")
FORCE = flag("-f --force", "do not ask")

VERBS = {
    "prune": Verb(prune, "prune [OPTIONS]", (ALL, FILTER, FORCE, flag("--volumes", "anonymous volumes too")), most=0),
    "container prune": Verb(prune_containers, "container prune [OPTIONS]", (FILTER, FORCE), most=0),
    "image prune": Verb(prune_images, "image prune [OPTIONS]", (ALL, FILTER, FORCE), most=0),
}
