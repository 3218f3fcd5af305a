"""Strategies that most kinds with a status share. Each changes its first argument in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, nonnegative
from corral.model.kubernetes.kinds.fields import fill, keep, number, part
from corral.model.kubernetes.problems import invalid

NOT_MORE = "cannot be greater than status.replicas"


def ensure_status(obj: Object, **always: Any) -> None:
    """Upstream always shows a status, if only an empty one; `always`: fields that clients expect even of a new object.

    >>> obj = {}; ensure_status(obj, replicas=0); obj
    {'status': {'replicas': 0}}
    """
    if not isinstance(obj.get("status"), dict):
        obj["status"] = {}
    for key, value in always.items():
        fill(obj["status"], key, value)


def clear_status(obj: Object) -> None:
    """A client that creates an object has no say in its status."""
    obj["status"] = {}


def cleared(**always: Any) -> Callable[[Object], None]:
    """The same, of a kind whose status always has some fields."""

    def clear(obj: Object) -> None:
        obj["status"] = dict(always)

    return clear


def keep_status(new: Object, old: Object) -> None:
    keep(new, old, "status")


def keep_spec(new: Object, old: Object) -> None:
    """For updates of the status."""
    keep(new, old, "spec")


def check_replicas(obj: Object, *counts: str, below: tuple[str, ...] = ()) -> Problems:
    """The counts of a workload's status: none is negative, those of `below` are not above `replicas`."""
    status = part(obj, "status")
    yield from nonnegative(status, "status", *counts, "observedGeneration", "collisionCount")
    for key in below:
        if number(status, key) > number(status, "replicas"):
            yield invalid(f"status.{key}", number(status, key), NOT_MORE)


def check_collisions(new: Object, old: Object) -> Problems:
    """The count of collisions of names never goes back."""
    value, was = part(new, "status").get("collisionCount"), part(old, "status").get("collisionCount")
    if was is not None and (value or 0) < was:
        yield invalid("status.collisionCount", value or 0, "cannot be decremented")
