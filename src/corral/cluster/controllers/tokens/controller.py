"""Fills and deletes the Secrets that hold tokens. One key: a Secret."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import SECRETS, SERVICE_ACCOUNTS
from corral.cluster.controllers.shared import Shared
from corral.cluster.controllers.tokens.plan import (
    Sign,
    account_key,
    is_token_of,
    plan_secret,
    without_secret,
)
from corral.model.kubernetes.status import StatusError

BY_ACCOUNT = "account"


class TokensController(Controller):
    """A token goes with its account. `authority`: the certificate (PEM) by which clients know the server."""

    name = "serviceaccount-token-controller"

    def __init__(self, shared: Shared, sign: Sign, authority: str) -> None:
        self._client, self._sign, self._authority = shared.client, sign, authority
        self._secrets = shared.informers.of(SECRETS)
        self._accounts = shared.informers.of(SERVICE_ACCOUNTS)
        super().__init__([self._secrets, self._accounts])
        self._secrets.add_index(BY_ACCOUNT, lambda one: [key] if (key := account_key(one)) else [])
        self._secrets.on_change(self._secret_changed)
        self._accounts.on_change(self._account_changed)

    def _secret_changed(self, old: Object | None, new: Object | None) -> None:
        if account_key(new or old) is not None:
            self.queue.add(meta.key(new or old or {}))

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        for secret in self._secrets.indexed(BY_ACCOUNT, meta.key(new or old or {})):
            self.queue.add(meta.key(secret))

    async def reconcile(self, key: str) -> float | None:
        secret = self._secrets.get(key)
        owner = account_key(secret)
        if secret is None or owner is None:
            await self._forget(key)
        elif not meta.deleting(secret):
            await self._settle(secret, owner)
        return None

    async def _settle(self, secret: Object, owner: str) -> None:
        account = self._accounts.get(owner)
        if account is None or not is_token_of(secret, account):
            account = await self._live_account(owner)
        if account is None or not is_token_of(secret, account):
            await self._delete(secret)
            return
        changed = plan_secret(secret, account, self._sign, self._authority)
        if changed is not None:
            await self._secrets.seen(await self._client.update(SECRETS, changed))

    async def _live_account(self, key: str) -> Object | None:
        """Before a token goes for want of its account, the server is asked."""
        namespace, name = meta.split_key(key)
        try:
            return await self._client.get(SERVICE_ACCOUNTS, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    async def _delete(self, secret: Object) -> None:
        meant = {"uid": meta.uid(secret), "resourceVersion": secret["metadata"]["resourceVersion"]}
        try:
            await self._client.delete(
                SECRETS, meta.name(secret), meta.namespace(secret), options={"preconditions": meant}
            )
        except StatusError as error:
            if error.code != 404:
                raise

    async def _forget(self, key: str) -> None:
        """No account names a Secret that is gone."""
        namespace, name = meta.split_key(key)
        for account in list(self._accounts.all()):
            if meta.namespace(account) == namespace and (changed := without_secret(account, name)) is not None:
                await self._client.update(SERVICE_ACCOUNTS, changed)
