"""`system df`: what takes how much disk, and how much of it nothing needs."""

from __future__ import annotations

from corral.cli.options import Parsed, Verb, text
from corral.cli.render import Columns, decimal_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from corral.cli.session import Session

    Row = dict[str, Any]


def plan_rows(found: dict[str, Any]) -> list[Row]:
    """One row for each kind of thing, of the answer to /system/df. Pure.

    >>> volumes = [{"UsageData": {"Size": 7, "RefCount": 1}}, {"UsageData": {"Size": 3, "RefCount": 0}}]
    >>> plan_rows({"Volumes": volumes})[2]
    {'Type': 'Local Volumes', 'TotalCount': 2, 'Active': 1, 'Size': 10, 'Free': 3}
    """
    images = found.get("Images") or []
    containers = found.get("Containers") or []
    volumes = [volume["UsageData"] for volume in found.get("Volumes") or []]
    cache = [one for one in found.get("BuildCache") or [] if not one["Shared"]]
    needed = sum(image["Size"] - max(image["SharedSize"], 0) for image in images if image["Containers"] > 0)
    stored = found.get("LayersSize") or 0
    return [
        _row("Images", images, stored, max(stored - needed, 0), sum(i["Containers"] > 0 for i in images)),
        _sum(
            "Containers",
            [(c.get("SizeRw") or 0, c["State"] in ("running", "paused", "restarting")) for c in containers],
        ),
        _sum("Local Volumes", [(max(v["Size"], 0), v["RefCount"] > 0) for v in volumes]),
        _sum("Build Cache", [(one["Size"], one["InUse"]) for one in cache]),
    ]


def _sum(kind: str, things: list[tuple[int, bool]]) -> Row:
    free = sum(size for size, used in things if not used)
    return _row(kind, things, sum(size for size, _ in things), free, sum(used for _, used in things))


def _row(kind: str, things: list[Any], size: int, free: int, active: int) -> Row:
    return {"Type": kind, "TotalCount": len(things), "Active": active, "Size": size, "Free": free}


def _reclaimable(row: Row) -> str:
    """
    >>> _reclaimable({"Size": 10, "Free": 3}), _reclaimable({"Size": 0, "Free": 0})
    ('3B (30%)', '0B')
    """
    share = f" ({row['Free'] * 100 // row['Size']}%)" if row["Size"] else ""
    return decimal_size(row["Free"]) + share


COLUMNS = {
    "Type": ("TYPE", lambda row: row["Type"]),
    "TotalCount": ("TOTAL", lambda row: str(row["TotalCount"])),
    "Active": ("ACTIVE", lambda row: str(row["Active"])),
    "Size": ("SIZE", lambda row: decimal_size(row["Size"])),
    "Reclaimable": ("RECLAIMABLE", _reclaimable),
}


def df(session: Session, options: Parsed) -> int:
    rows = plan_rows(session.client.call("GET", "/system/df"))
    show = Columns(COLUMNS, "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}")
    for line in show.show(rows, options.text("format"), session.docker("system df --format …")):
        session.say(line)
    return 0


VERBS = {
    "system df": Verb(
        df,
        "system df [OPTIONS]",
        (text("--format", "FORMAT", "json, a template of {{.Column}}, or table and a template"),),
        most=0,
    )
}
