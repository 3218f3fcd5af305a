from __future__ import annotations

import base64
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.resources import SECRETS, SERVICE_ACCOUNTS
from corral.cluster.controllers.tokens.controller import TokensController
from corral.cluster.controllers.tokens.plan import TYPE
from tests.support.world import World, keys, working


def controller(world: World) -> TokensController:
    return TokensController(world.shared, world.api.issuer.sign, keys().ca)


def secret(account: str, **notes: str) -> Object:
    found = {"kubernetes.io/service-account.name": account, **notes}
    return {"metadata": {"name": f"{account}-token", "annotations": found}, "type": TYPE}


def token(found: Object) -> Any:
    return base64.b64decode((found.get("data") or {}).get("token", "")).decode()


async def test_a_secret_gets_a_token_that_the_server_takes_until_the_account_goes() -> None:
    async with working(controller) as world:
        account = await world.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}}, "default")
        await world.create(SECRETS, secret("web"), "default")
        found = await world.until_one(SECRETS, "web-token", token)
        assert base64.b64decode(found["data"]["ca.crt"]).decode() == keys().ca
        assert base64.b64decode(found["data"]["namespace"]) == b"default"
        assert found["metadata"]["annotations"]["kubernetes.io/service-account.uid"] == meta.uid(account)
        proven = world.api.authenticator.service_accounts.authenticate(token(found), 1_800_000_000)
        assert proven.user.name == "system:serviceaccount:default:web"
        named = {"secrets": [{"name": "web-token"}, {"name": "other"}]}
        await world.client.patch(SERVICE_ACCOUNTS, "web", "default", patch=named)
        await world.client.delete(SECRETS, "web-token", "default")
        await world.until_one(SERVICE_ACCOUNTS, "web", lambda one: one["secrets"] == [{"name": "other"}])
        await world.create(SECRETS, secret("web"), "default")
        await world.until_one(SECRETS, "web-token", token)
        await world.client.delete(SERVICE_ACCOUNTS, "web", "default")
        await world.until_gone(SECRETS, "web-token")


async def test_a_secret_for_no_account_or_another_goes() -> None:
    async with working(controller) as world:
        await world.create(SERVICE_ACCOUNTS, {"metadata": {"name": "web"}}, "default")
        await world.create(SECRETS, {"metadata": {"name": "mine"}}, "default")
        await world.create(SECRETS, secret("nobody"), "default")
        await world.create(SECRETS, secret("web", **{"kubernetes.io/service-account.uid": "old"}), "default")
        await world.until(SECRETS, lambda found: [meta.name(one) for one in found] == ["mine"])
