"""What claims ask for, request by request, with what their device classes add. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from corral.errors import CorralError

Object = dict[str, Any]

MOST: Final = 32  # devices of one claim


class CannotAllocate(CorralError):
    """Something is wrong with a claim or a class: no node would help."""


class Selector(NamedTuple):
    """`owner` and `number`: whose it is, for messages."""

    owner: str
    number: int
    expression: str


@dataclass(frozen=True, eq=False)
class Wish:
    """One request, or one alternative of a request. `count` None: all that match. `claim`: its place among claims."""

    claim: int
    name: str  # "request", or "request/alternative"
    kind: Object  # the DeviceClass
    count: int | None
    selectors: tuple[Selector, ...]
    tolerations: tuple[Object, ...] = ()
    admin: bool = False

    @property
    def request(self) -> str:
        return self.name.partition("/")[0]

    def is_meant(self, names: Sequence[str]) -> bool:
        """By a constraint or a configuration that names requests; none: it is for all."""
        return not names or self.name in names or self.request in names


class Step(NamedTuple):
    """A request: the first of the wishes that can be fulfilled is enough."""

    claim: int
    request: str
    wishes: tuple[Wish, ...]


def read_steps(claims: Sequence[Object], classes: Mapping[str, Object]) -> list[Step]:
    """CannotAllocate.

    >>> exactly = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 2}
    >>> claim = {"metadata": {"name": "c", "namespace": "d"}, "spec": {"devices": {"requests": [
    ...     {"name": "r", "exactly": exactly}]}}}
    >>> [step] = read_steps([claim], {"gpu": {"metadata": {"name": "gpu"}, "spec": {}}})
    >>> step.request, step.wishes[0].count
    ('r', 2)
    >>> read_steps([claim], {})
    Traceback (most recent call last):
    corral.cluster.scheduler.devices.wishes.CannotAllocate: request r: device class gpu does not exist
    """
    return [
        _step(number, claim, request, classes)
        for number, claim in enumerate(claims)
        for request in (claim["spec"].get("devices") or {}).get("requests") or ()
    ]


def _step(number: int, claim: Object, request: Object, classes: Mapping[str, Object]) -> Step:
    name = request["name"]
    if request.get("firstAvailable"):
        asked = [(f"{name}/{one['name']}", one) for one in request["firstAvailable"]]
    elif request.get("exactly"):
        asked = [(name, request["exactly"])]
    else:
        raise CannotAllocate(f"request {name}: unsupported request type")
    return Step(number, name, tuple(_wish(number, claim, full, one, classes) for full, one in asked))


def _wish(number: int, claim: Object, name: str, asked: Object, classes: Mapping[str, Object]) -> Wish:
    kind = classes.get(asked["deviceClassName"])
    if kind is None:
        raise CannotAllocate(f"request {name}: device class {asked['deviceClassName']} does not exist")
    if asked.get("capacity"):
        text = "asks for a part of a device's capacity, which this scheduler does not share out"
        raise CannotAllocate(f"claim {claim_key(claim)}, request {name}: {text}: ask for whole devices")
    owners = (f"class {kind['metadata']['name']}", kind["spec"]), (f"claim {claim_key(claim)}", asked)
    selectors = tuple(
        Selector(owner, place, one["cel"]["expression"])
        for owner, holder in owners
        for place, one in enumerate(holder.get("selectors") or ())
    )
    count = None if asked.get("allocationMode") == "All" else int(asked.get("count") or 1)
    return Wish(
        number,
        name,
        kind,
        count,
        selectors,
        tuple(asked.get("tolerations") or ()),
        bool(asked.get("adminAccess")),
    )


def claim_key(claim: Object) -> str:
    return f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
