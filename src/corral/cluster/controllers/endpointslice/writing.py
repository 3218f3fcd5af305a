"""Writes what a plan of EndpointSlices says."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client
from corral.cluster.controllers.endpointslice.plan import SlicePlan
from corral.cluster.controllers.resources import SLICES
from corral.model.kubernetes.status import StatusError


async def write(client: Client, slices: Informer, plan: SlicePlan) -> None:
    """Returns when the copy knows of the writes: the next decision sees them. StatusError.

    New slices come first and old ones go last; an endpoint may be in two for a moment, but never in none.
    """
    last = None
    for one in plan.create:
        last = await client.create(SLICES, one)
    for one in plan.update:
        last = await client.update(SLICES, one)
    for one in plan.delete:
        try:
            options = {"preconditions": {"uid": meta.uid(one)}}
            await client.delete(SLICES, meta.name(one), meta.namespace(one), options=options)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
    if last is not None:
        await slices.seen(last)
