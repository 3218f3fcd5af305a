"""Looking at one container or image: inspect, top, port, diff."""

from __future__ import annotations

import json

from corral.cli.fail import ApiError, Failure
from corral.cli.http import quote
from corral.cli.options import Parsed, Verb, flag, text
from corral.cli.render import fill, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session

PLACES = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "volume": "/volumes/{}",
    "network": "/networks/{}",
}


def find(session: Session, name: str, kind: str, size: bool) -> Any:
    """The first thing of that name: a container, then an image, a volume, a network."""
    if kind and kind not in PLACES:
        raise Failure(f'"{kind}" is not a valid value for --type; use one of: {", ".join(PLACES)}', 1)
    for place in [PLACES[kind]] if kind else PLACES.values():
        try:
            return session.client.call("GET", place.format(quote(name)), {"size": size})
        except ApiError as error:
            if error.status not in (404, 400, 501):
                raise
    raise Failure(f"Error: No such {kind or 'object'}: {name}", 1)


def inspect(session: Session, options: Parsed) -> int:
    found, code = [], 0
    for name in options.args:
        try:
            found.append(find(session, name, options.text("type"), options.on("size")))
        except Failure as error:
            session.warn(error.message)
            code = 1
    how = options.text("format")
    if how:
        for one in found:
            text_ = (
                json.dumps(one, ensure_ascii=False) if how == "json" else fill(how, one, session.docker("inspect -f …"))
            )
            session.say(text_)
    else:
        session.say(json.dumps(found, indent=4, ensure_ascii=False))
    return code


def top(session: Session, options: Parsed) -> int:
    name, *arguments = options.args
    found = session.client.call("GET", f"/containers/{quote(name)}/top", {"ps_args": " ".join(arguments)})
    session.say(table(found["Titles"], found["Processes"]))
    return 0


def port(session: Session, options: Parsed) -> int:
    name, *wanted = options.args
    ports = session.client.call("GET", f"/containers/{quote(name)}/json")["NetworkSettings"]["Ports"] or {}
    if not wanted:
        for key in sorted(ports):
            for place in _places(ports[key]):
                session.say(f"{key} -> {place}")
        return 0
    asked = wanted[0] if "/" in wanted[0] else f"{wanted[0]}/tcp"
    if not ports.get(asked):
        raise Failure(f"Error: No public port '{asked}' published for {name}", 1)
    for place in _places(ports[asked]):
        session.say(place)
    return 0


def _places(bindings: list[dict[str, str]] | None) -> list[str]:
    """Where a port is published. Pure.

    >>> _places([{"HostIp": "::1", "HostPort": "80"}]), _places(None)
    (['[::1]:80'], [])
    """
    found = [(binding["HostIp"], binding["HostPort"]) for binding in bindings or []]
    return [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address, port in found]


def diff(session: Session, options: Parsed) -> int:
    for change in session.client.call("GET", f"/containers/{quote(options.args[0])}/changes") or []:
        session.say(f"{'CAD'[change['Kind']]} {change['Path']}")
    return 0


VERBS = {
    "inspect": Verb(
        inspect,
        "inspect [OPTIONS] NAME…",
        (
            text("-f --format", "FORMAT", "json, or a template of {{.Path.To.Field}} and {{json .Field}}"),
            flag("-s --size", "how much disk it uses, too"),
            text("--type", "TYPE", "container, image, volume or network"),
        ),
        least=1,
        completes="containers",
    ),
    "top": Verb(top, "top CONTAINER [PS-OPTIONS…]", least=1, program=True, completes="running"),
    "port": Verb(port, "port CONTAINER [PORT[/PROTOCOL]]", least=1, most=2, completes="running"),
    "diff": Verb(diff, "diff CONTAINER", least=1, most=1, completes="containers"),
}
