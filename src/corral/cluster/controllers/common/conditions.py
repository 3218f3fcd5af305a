"""Conditions of a status. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from corral.cluster.client.protocol import Object


def find(conditions: Iterable[Object] | None, type: str) -> Object | None:
    return next((one for one in conditions or () if one.get("type") == type), None)


def without(conditions: Iterable[Object] | None, type: str) -> list[Object]:
    return [one for one in conditions or () if one.get("type") != type]


def make(type: str, status: bool | str, reason: str, message: str, now: str) -> Object:
    """A condition with the time of its transition.

    >>> make("Available", True, "MinimumReplicasAvailable", "text", "t")["status"]
    'True'
    """
    found = {"type": type, "status": str(status), "lastTransitionTime": now, "reason": reason, "message": message}
    return {key: value for key, value in found.items() if value != ""}
