"""Controller: the loop that all controllers share."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence

from corral.cluster.client.informer import Informer
from corral.cluster.client.queue import WorkQueue
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.controllers")


def is_gone(error: StatusError, key: str) -> bool:
    """Pure: whether what could not be written is the key's own object, which somebody has deleted meanwhile.

    >>> from corral.model.kubernetes.status import not_found
    >>> is_gone(not_found("replicasets", "web", "apps"), "shop/web"), is_gone(not_found("pods", "a"), "shop/web")
    (True, False)
    """
    return error.reason == "NotFound" and error.details.get("name") == key.rpartition("/")[2]


class Controller(ABC):
    """Subclasses subscribe in __init__ (`informer.on_change(…)`, which adds keys to `queue`) and write `reconcile`.

    `needs` are the informers that must have their first picture before anything is decided.
    """

    name = "controller"
    workers = 4

    def __init__(self, needs: Sequence[Informer]) -> None:
        self.queue = WorkQueue()
        self._needs = needs

    @abstractmethod
    async def reconcile(self, key: str) -> float | None:
        """Makes the world look like the object of this key (which may be gone).

        Returns seconds after which to look again, None for not before something changes. Raises StatusError.
        """

    async def run(self) -> None:
        """Until it is cancelled."""
        for informer in self._needs:
            await informer.synced.wait()
        try:
            async with asyncio.TaskGroup() as group:
                for n in range(self.workers):
                    group.create_task(self._work(), name=f"{self.name}-{n}")
        finally:
            self.queue.close()

    async def _work(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                again = await self.reconcile(key)
                self.queue.forget(key)
                if again is not None:
                    self.queue.add_after(key, again)
            except StatusError as error:
                pause = self.queue.retry(key)
                if error.reason != "Conflict" and not is_gone(error, key):  # somebody was faster: no news
                    log.warning("%s: %s: %s (again in %.3f s)", self.name, key, error, pause)
            except Exception:
                self.queue.retry(key)
                log.exception("%s: %s", self.name, key)
            finally:
                self.queue.done(key)
