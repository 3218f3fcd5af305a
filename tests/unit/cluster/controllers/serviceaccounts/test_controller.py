from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.controllers.resources import SERVICE_ACCOUNTS
from corral.cluster.controllers.serviceaccounts.controller import ServiceAccountsController
from tests.support.world import working


async def test_each_namespace_has_its_account_and_keeps_it() -> None:
    async with working(ServiceAccountsController) as world:
        await world.namespace("a")
        found = await world.until(SERVICE_ACCOUNTS, lambda found: len(found) == 5)
        assert {meta.key(one) for one in found} >= {"a/default", "default/default", "kube-system/default"}
        old = await world.client.delete(SERVICE_ACCOUNTS, "default", "a")
        await world.until_one(SERVICE_ACCOUNTS, "default", lambda one: meta.uid(one) != meta.uid(old), "a")
