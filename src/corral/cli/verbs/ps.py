"""`ps`: which containers there are."""

from __future__ import annotations

import json

from corral.cli.fail import Misuse
from corral.cli.options import Parsed, Verb, flag, many, text
from corral.cli.render import Columns, decimal_size, short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session


def parse_filters(words: list[str]) -> str:
    """`--filter key=value …` as the API's JSON. Pure.

    >>> parse_filters(["status=running", "status=paused", "label=a=b"])
    '{"status": ["running", "paused"], "label": ["a=b"]}'
    """
    found: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise Misuse(f'invalid argument "{word}" for "-f, --filter" flag: not of the form key=value')
        found.setdefault(key.strip().lower(), []).append(value.strip())
    return json.dumps(found) if found else ""


def ports(entries: list[dict[str, Any]]) -> str:
    """Pure: published ports as `where->port/protocol`, the others alone.

    >>> web = {"IP": "0.0.0.0", "PublicPort": 8080, "PrivatePort": 80, "Type": "tcp"}
    >>> ports([web, {"PrivatePort": 53, "Type": "udp"}])
    '0.0.0.0:8080->80/tcp, 53/udp'
    """
    found = []
    for one in entries:
        where = one.get("IP", "")
        where = f"[{where}]" if ":" in where else where
        outside = f"{where}:{one['PublicPort']}->" if one.get("PublicPort") else ""
        found.append(f"{outside}{one['PrivatePort']}/{one['Type']}")
    return ", ".join(found)


def _command(words: str, whole: bool) -> str:
    return f'"{words if whole or len(words) <= 20 else words[:19] + "…"}"'


def _ago(created: float) -> str:
    import time

    from corral.cli.render import age

    return age(time.time() - created) + " ago"


def _size(item: dict[str, Any]) -> str:
    return f"{decimal_size(item.get('SizeRw', 0))} (virtual {decimal_size(item.get('SizeRootFs', 0))})"


def _local(created: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(created))


def columns(whole: bool, size: bool) -> Columns:
    default = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
    return Columns(
        {
            "ID": ("CONTAINER ID", lambda c: c["Id"] if whole else short(c["Id"])),
            "Image": ("IMAGE", lambda c: c["Image"]),
            "Command": ("COMMAND", lambda c: _command(c["Command"], whole)),
            "CreatedAt": ("CREATED AT", lambda c: _local(c["Created"])),
            "RunningFor": ("CREATED", lambda c: _ago(c["Created"])),
            "Status": ("STATUS", lambda c: c["Status"]),
            "State": ("STATE", lambda c: c["State"]),
            "Ports": ("PORTS", lambda c: ports(c["Ports"])),
            "Names": ("NAMES", lambda c: ",".join(name.lstrip("/") for name in c["Names"])),
            "Labels": ("LABELS", lambda c: ",".join(f"{k}={v}" for k, v in sorted(c["Labels"].items()))),
            "Mounts": ("MOUNTS", lambda c: ",".join(m.get("Name") or m.get("Source", "") for m in c["Mounts"])),
            "Networks": ("NETWORKS", lambda c: ",".join(c.get("NetworkSettings", {}).get("Networks") or {})),
            "LocalVolumes": ("LOCAL VOLUMES", lambda c: str(sum(m.get("Type") == "volume" for m in c["Mounts"]))),
            "Size": ("SIZE", _size),
        },
        default + ("\t{{.Size}}" if size else ""),
    )


def ps(session: Session, options: Parsed) -> int:
    how = options.text("format")
    size = options.on("size") or ".Size" in how
    limit = 1 if options.on("latest") else options.number("last", -1)
    query = {
        "all": options.on("all"),
        "size": size,
        "limit": str(limit) if limit > 0 else "",
        "filters": parse_filters(options.list("filter")),
    }
    found = session.client.call("GET", "/containers/json", query)
    whole = options.on("no-trunc")
    if options.on("quiet") and not how:
        how = "{{.ID}}"
    for line in columns(whole, size).show(found, how, session.docker("ps --format …")):
        session.say(line)
    return 0


VERBS = {
    "ps": Verb(
        ps,
        "ps [OPTIONS]",
        (
            flag("-a --all", "also those that do not run"),
            many("-f --filter", "KEY=VALUE", "only those for which it holds"),
            text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template"),
            text("-n --last", "N", "the last N that were created, running or not"),
            flag("-l --latest", "the last one that was created"),
            flag("--no-trunc", "nothing shortened"),
            flag("-q --quiet", "ids only"),
            flag("-s --size", "how much disk each uses"),
        ),
        most=0,
    )
}
