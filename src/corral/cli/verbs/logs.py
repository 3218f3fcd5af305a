"""`logs`: what a container wrote."""

from __future__ import annotations

from corral.cli.http import quote
from corral.cli.options import Parsed, Verb, flag, text
from corral.cli.stream import show_frames
from corral.cli.when import parse_when

TYPE_CHECKING = False
if TYPE_CHECKING:
    from corral.cli.session import Session


def logs(session: Session, options: Parsed) -> int:
    query: dict[str, str | int | bool | list[str]] = {
        "stdout": True,
        "stderr": True,
        "follow": options.on("follow"),
        "timestamps": options.on("timestamps"),
        "details": options.on("details"),
        "tail": options.text("tail", "all"),
        "since": parse_when(options.text("since")),
        "until": parse_when(options.text("until")),
    }
    show_frames(session.client.open("GET", f"/containers/{quote(options.args[0])}/logs", query))
    return 0


VERBS = {
    "logs": Verb(
        logs,
        "logs [OPTIONS] CONTAINER",
        (
            flag("-f --follow", "go on until it ends"),
            text("-n --tail", "N", "the last N lines only"),
            flag("-t --timestamps", "the time before each line"),
            text("--since", "TIME", "from then on: 2024-01-02T13:23:37Z, or 42m for that long ago"),
            text("--until", "TIME", "until then"),
            flag("--details", "the log's own labels too"),
        ),
        least=1,
        most=1,
        completes="containers",
    )
}
