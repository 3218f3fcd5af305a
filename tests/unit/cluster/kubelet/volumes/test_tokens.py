"""Tokens that are asked for anew in time."""

from __future__ import annotations

from typing import Any

from corral.cluster.kubelet.times import SECOND, rfc3339
from corral.cluster.kubelet.volumes.tokens import Tokens
from tests.support.kubelet_pods import pod


async def test_a_token_is_kept_and_renewed() -> None:
    now, asked = 1_700_000_000.0, list[dict[str, Any]]()

    async def issue(namespace: str, account: str, request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        ends = rfc3339(int(now + request["spec"]["expirationSeconds"]) * SECOND)
        return {"status": {"token": f"{namespace}/{account}/{len(asked)}", "expirationTimestamp": ends}}

    tokens = Tokens(issue, lambda: now)
    source = {"path": "token", "audience": "me", "expirationSeconds": 1000}
    assert tokens.due() is None
    assert await tokens.get(pod(), "v", source) == "shop/default/1"
    assert asked[0]["spec"]["audiences"] == ["me"] and asked[0]["spec"]["boundObjectRef"]["uid"] == "u1"
    now += 700
    assert await tokens.get(pod(), "v", source) == "shop/default/1"
    assert tokens.due() == 1_700_000_800.0
    now += 101
    assert await tokens.get(pod(), "v", source) == "shop/default/2"
