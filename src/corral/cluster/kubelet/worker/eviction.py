"""Empty directories that have grown over their limit: their pod is ended. Nothing tells of that, so it is looked at."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from corral.model.kubernetes.quantity import parse

Object = dict[str, Any]

PERIOD: Final = 10.0  # seconds between two looks


def plan_limits(pod: Object) -> dict[str, str]:
    """Pure: the volumes on the disk that have a limit; one in memory has it from the kernel.

    >>> volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    >>> plan_limits({"spec": {"volumes": [volume, {"name": "w", "emptyDir": {"medium": "Memory", "sizeLimit": "1"}}]}})
    {'v': '1Mi'}
    """
    found = {}
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("emptyDir") or {}
        if source.get("sizeLimit") and source.get("medium") != "Memory" and parse(str(source["sizeLimit"])):
            found[volume["name"]] = str(source["sizeLimit"])
    return found


async def over_limit(pod: Object, places: Mapping[str, str]) -> str:
    """Why the pod is to be ended, "" where all is well."""
    for name, limit in plan_limits(pod).items():
        if name in places and await asyncio.to_thread(usage, places[name]) > parse(limit).ceil():
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    return ""


def usage(place: str) -> int:
    """Bytes on the disk. What vanishes meanwhile does not count."""
    total = 0
    for base, _, names in os.walk(place):
        for name in names:
            with suppress(OSError):
                total += os.lstat(f"{base}/{name}").st_blocks * 512
    return total
