"""Writes what a plan of EndpointSlices says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client, Object
from corral.cluster.controllers.endpointslice.plan import SlicePlan
from corral.cluster.controllers.resources import SLICES
from corral.model.kubernetes.status import StatusError


async def write(client: Client, slices: Informer, plan: SlicePlan) -> None:
    """Returns when the copy knows of the writes: the next decision sees them. StatusError.

    New slices come first and old ones go last; an endpoint may be in two for a moment, but never in none.
    """
    written: list[Object] = []
    try:
        for one in plan.create:
            written.append(await client.create(SLICES, one))
        for one in in_order(plan.update, slices.get):
            written.append(await client.update(SLICES, one))
        for one in plan.delete:
            await _delete(client, one)
    except StatusError:
        await _seen(slices, written)  # the next try must not make again what is made
        raise
    await _seen(slices, written)


def in_order(updates: Sequence[Object], before: Callable[[str], Object | None]) -> list[Object]:
    """Pure: first those that get ready endpoints, so that what ends never looks like the last that a service has while
    those in its place are only about to be written. `before`: the slice of a key as it is.

    >>> leaving, coming = ({"conditions": {"ready": ready}, "addresses": ["10.0.0.1"]} for ready in (False, True))
    >>> def piece(name, *ends): return {"metadata": {"name": name, "namespace": "n"}, "endpoints": list(ends)}
    >>> known = {"n/a": piece("a", coming), "n/b": piece("b")}
    >>> [one["metadata"]["name"] for one in in_order([piece("a", leaving), piece("b", coming)], known.get)]
    ['b', 'a']
    """
    return sorted(updates, key=lambda one: _ready(before(meta.key(one))) - _ready(one))


def _ready(piece: Object | None) -> int:
    ends = (piece or {}).get("endpoints") or ()
    return sum((end.get("conditions") or {}).get("ready") is not False for end in ends)


async def _seen(slices: Informer, written: list[Object]) -> None:
    if written:
        await slices.seen(written[-1])


async def _delete(client: Client, one: Object) -> None:
    try:
        options = {"preconditions": {"uid": meta.uid(one)}}
        await client.delete(SLICES, meta.name(one), meta.namespace(one), options=options)
    except StatusError as error:
        if error.reason != "NotFound":
            raise
