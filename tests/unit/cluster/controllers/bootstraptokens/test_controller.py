from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.bootstraptokens.controller import TokenCleaner
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import SECRETS
from corral.cluster.joining.joining import create_token
from tests.support.world import World, working

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def until_left(world: World, *wanted: str) -> None:
    def left(found: list[Object]) -> bool:
        return sorted(one["metadata"]["name"] for one in found) == sorted(wanted)

    await world.until(SECRETS, left, "kube-system")


async def test_a_token_goes_when_it_has_expired_and_not_before() -> None:
    moment = [BEGIN]

    def cleaner(world: World) -> Controller:
        world.shared.now = lambda: moment[0]
        return TokenCleaner(world.shared)

    async with working(cleaner) as world:
        other = {"expiration": base64.b64encode(to_text(BEGIN - timedelta(days=1)).encode()).decode()}
        await world.create(SECRETS, {"metadata": {"name": "other"}, "data": other}, "kube-system")
        await create_token(world.client, "cccccc.0123456789abcdef", to_text(BEGIN - timedelta(hours=1)), "over")
        await create_token(world.client, "dddddd.0123456789abcdef", "soon", "no time")
        await create_token(world.client, "aaaaaa.0123456789abcdef", "", "for ever")
        await create_token(world.client, "bbbbbb.0123456789abcdef", to_text(BEGIN + timedelta(hours=1)), "an hour")
        await until_left(world, "bootstrap-token-aaaaaa", "bootstrap-token-bbbbbb", "other")
        moment[0] += timedelta(hours=2)
        labels = {"metadata": {"labels": {"look": "again"}}}
        await world.client.patch(SECRETS, "bootstrap-token-bbbbbb", "kube-system", patch=labels)
        await until_left(world, "bootstrap-token-aaaaaa", "other")


async def test_it_looks_again_by_itself_when_the_time_is_over() -> None:
    async with working(lambda world: TokenCleaner(world.shared)) as world:
        soon = to_text(datetime.now(UTC) + timedelta(seconds=2))
        await create_token(world.client, "aaaaaa.0123456789abcdef", soon, "")
        await until_left(world, "bootstrap-token-aaaaaa")
        await until_left(world)
