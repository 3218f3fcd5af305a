"""Deletes the Secrets of bootstrap tokens that have expired. Follows upstream's pkg/controller/bootstrap/tokencleaner.

The server refuses such a token anyway; its Secret would stay for ever.
"""

from __future__ import annotations

import math

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import SECRETS
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.bootstrap_tokens import NAMESPACE, SECRET_TYPE, seconds_left
from corral.model.kubernetes.status import StatusError


def is_token(secret: Object) -> bool:
    return secret.get("type") == SECRET_TYPE and meta.namespace(secret) == NAMESPACE


class TokenCleaner(Controller):
    name = "token-cleaner-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._secrets = shared.informers.of(SECRETS)
        super().__init__([self._secrets])
        self._secrets.on_change(self._secret_changed)

    def _secret_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and is_token(new):
            self.queue.add(meta.key(new))

    async def reconcile(self, key: str) -> float | None:
        secret = self._secrets.get(key)
        if secret is None or not is_token(secret) or meta.deleting(secret):
            return None
        left = seconds_left(secret, self._shared.now().timestamp())
        if left > 0:
            return None if left == math.inf else left
        options = {"preconditions": {"uid": meta.uid(secret), "resourceVersion": secret["metadata"]["resourceVersion"]}}
        try:
            await self._shared.client.delete(SECRETS, meta.name(secret), NAMESPACE, options=options)
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):  # another of that name, or it has been changed just now
                raise
        return None
