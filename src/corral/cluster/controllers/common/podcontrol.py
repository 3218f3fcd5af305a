"""Making and deleting pods for an owner, with the events that tell of it. Follows upstream's RealPodControl."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS
from corral.cluster.client.events import Recorder
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client, Object
from corral.model.kubernetes.status import StatusError

BURST = 500  # pods made or deleted in one go


class Outcome(NamedTuple):
    """How many, and what stopped the rest."""

    done: int
    error: StatusError | None = None


def batches(total: int, first: int = 1) -> Iterator[int]:
    """Pure: sizes that double, so that what fails for all is asked for few times.

    >>> list(batches(20))
    [1, 2, 4, 8, 5]
    """
    size = first
    while total > 0:
        now = min(size, total)
        yield now
        total -= now
        size *= 2


def namespace_is_going(error: StatusError) -> bool:
    """Pure: nothing can be made there any more, which is nobody's fault."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


class PodControl:
    """`pods` is the informer that knows of what was written before a call returns."""

    def __init__(self, client: Client, pods: Informer, recorder: Recorder) -> None:
        self._client, self._pods, self._recorder = client, pods, recorder

    async def create(self, owner: Object, pod: Object) -> Object:
        """Raises StatusError."""
        try:
            made = await self._client.create(PODS, pod, meta.namespace(owner))
        except StatusError as error:
            if not namespace_is_going(error):
                self._recorder.warning(owner, "FailedCreate", f"Error creating: {error}")
            raise
        self._recorder.normal(owner, "SuccessfulCreate", f"Created pod: {meta.name(made)}")
        await self._pods.seen(made)
        return made

    async def create_all(self, owner: Object, pods: Sequence[Object]) -> Outcome:
        """In batches that double, until one of a batch fails."""
        done = 0
        for size in batches(len(pods)):
            batch = pods[done : done + size]
            results = await asyncio.gather(*(self.create(owner, pod) for pod in batch), return_exceptions=True)
            failed = [one for one in results if isinstance(one, BaseException)]
            if failed:
                return Outcome(done + size - len(failed), first_status(failed))
            done += size
        return Outcome(done)

    async def delete(self, owner: Object, pod: Object) -> None:
        """Gone already is as good. Raises StatusError."""
        name = meta.name(pod)
        options = {"preconditions": {"uid": meta.uid(pod)}}
        try:
            gone = await self._client.delete(PODS, name, meta.namespace(pod), options=options)
        except StatusError as error:
            if error.reason in ("NotFound", "Conflict"):
                return
            self._recorder.warning(owner, "FailedDelete", f"Error deleting: {error}")
            raise
        self._recorder.normal(owner, "SuccessfulDelete", f"Deleted pod: {name}")
        await self._pods.seen(gone)

    async def delete_all(self, owner: Object, pods: Iterable[Object]) -> Outcome:
        wanted = list(pods)
        results = await asyncio.gather(*(self.delete(owner, pod) for pod in wanted), return_exceptions=True)
        failed = [one for one in results if isinstance(one, BaseException)]
        return Outcome(len(wanted) - len(failed), first_status(failed) if failed else None)


def first_status(errors: Iterable[BaseException]) -> StatusError:
    """The first StatusError; raises what is none: that is a mistake of ours."""
    for error in errors:
        if not isinstance(error, StatusError):
            raise error
        return error
    raise ValueError("no error at all")
