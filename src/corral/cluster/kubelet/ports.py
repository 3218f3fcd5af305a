"""Ports by number or by the name that a container gives them. Pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def find_port(container: Object, wanted: int | str) -> int:
    """ValueError for a name that the container does not have.

    >>> find_port({"ports": [{"name": "http", "containerPort": 80}]}, "http"), find_port({}, 8080)
    (80, 8080)
    """
    if isinstance(wanted, int):
        return wanted
    for port in container.get("ports") or ():
        if port.get("name") == wanted:
            return int(port["containerPort"])
    if wanted.isdigit():
        return int(wanted)
    raise ValueError(f"couldn't find port: {wanted} in {container.get('name')}")
