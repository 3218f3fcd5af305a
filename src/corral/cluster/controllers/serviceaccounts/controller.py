"""Makes the account `default` in each namespace. One key: a namespace."""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NAMESPACES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in, is_active
from corral.cluster.controllers.resources import SERVICE_ACCOUNTS
from corral.cluster.controllers.shared import Shared

DEFAULT: Final = "default"


class ServiceAccountsController(Controller):
    """Whoever deletes it gets a new one."""

    name = "serviceaccount-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._namespaces = shared.informers.of(NAMESPACES)
        self._accounts = shared.informers.of(SERVICE_ACCOUNTS)
        super().__init__([self._namespaces, self._accounts])
        self._namespaces.on_change(self._namespace_changed)
        self._accounts.on_change(self._account_changed)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.name(new))

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None and meta.name(old) == DEFAULT:
            self.queue.add(meta.namespace(old))

    async def reconcile(self, key: str) -> float | None:
        if is_active(self._namespaces.get(key)) and self._accounts.get(f"{key}/{DEFAULT}") is None:
            await create_in(self._client, SERVICE_ACCOUNTS, {"metadata": {"name": DEFAULT, "namespace": key}})
        return None
