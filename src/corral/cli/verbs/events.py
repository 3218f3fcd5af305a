"""`events`: what happens, as it happens."""

from __future__ import annotations

import json
import sys

from corral.cli.options import Parsed, Verb, many, text
from corral.cli.render import fill
from corral.cli.verbs.ps import parse_filters
from corral.cli.when import iso_nano, parse_when

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def line(event: dict[str, Any]) -> str:
    """TIME TYPE ACTION ID (attributes). Pure."""
    attributes = event["Actor"].get("Attributes") or {}
    more = ", ".join(f"{k}={v}" for k, v in sorted(attributes.items()))
    when = iso_nano(event["timeNano"])
    return f"{when} {event['Type']} {event['Action']} {event['Actor']['ID']}" + (f" ({more})" if more else "")


def events(session: Session, options: Parsed) -> int:
    query = {
        "since": parse_when(options.text("since")),
        "until": parse_when(options.text("until")),
        "filters": parse_filters(options.list("filter")),
    }
    how = options.text("format")
    how = "{{json .}}" if how == "json" else how
    for raw in session.client.open("GET", "/events", query).lines():
        event = json.loads(raw)
        session.say(fill(how, event, session.docker("events --format …")) if how else line(event))
        sys.stdout.flush()
    return 0


VERBS = {
    "events": Verb(
        events,
        "events [OPTIONS]",
        (
            many("-f --filter", "KEY=VALUE", "only those for which it holds"),
            text("--format", "FORMAT", "json, or a template of {{.Field}}"),
            text("--since", "TIME", "from then on, as far as is remembered"),
            text("--until", "TIME", "until then"),
        ),
        most=0,
    )
}
