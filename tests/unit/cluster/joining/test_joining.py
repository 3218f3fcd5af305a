"""Joining, against the API server and the controllers that approve and sign."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from corral.cluster.apiserver.authentication import bootstrap
from corral.cluster.client.builtin import NODES
from corral.cluster.joining.credentials import authority_hash, expired, is_due, new_key, request
from corral.cluster.joining.joining import CSRS, allow_joining, ask_certificate, check_name, create_token, plan_answer
from corral.cluster.joining.rights import TOKEN_GROUP, parse_info, plan_info, plan_token, split_token
from corral.errors import Conflict, Forbidden, InvalidInput
from tests.support.apiserver import admin, api_server

TOKEN = "abcdef.0123456789abcdef"


async def test_a_token_is_known_to_the_server_until_it_ends(tmp_path: Path) -> None:
    async with api_server(tmp_path) as api:
        client = admin(api)
        await allow_joining(client, plan_info("https://a:6443", "PEM"))
        await allow_joining(client, plan_info("https://b:6443", "PEM"))  # again is fine
        await create_token(client, TOKEN, "2100-01-01T00:00:00Z", "a test")
        await api.caches.fresh()
        user = bootstrap.authenticate(TOKEN, api.caches, int(time.time()))
        assert user is not None and user.name == "system:bootstrap:abcdef" and TOKEN_GROUP in user.groups
        assert bootstrap.authenticate(TOKEN, api.caches, 4102444801) is None


async def test_a_request_that_is_denied_says_why(tmp_path: Path) -> None:
    async with api_server(tmp_path) as api:
        client = admin(api)
        before = await client.list(CSRS)
        asking = asyncio.create_task(ask_certificate(client, "n1"))
        denied = {"type": "Denied", "status": "True", "reason": "No", "message": "not here"}
        async for event in client.watch(CSRS, resource_version=before.resource_version):
            if event.type == "ADDED":
                await client.update(CSRS, {**event.object, "status": {"conditions": [denied]}}, subresource="approval")
                break
        with pytest.raises(Forbidden, match="not here"):
            await asyncio.wait_for(asking, 60)


async def test_a_name_that_a_ready_node_has_is_taken(tmp_path: Path) -> None:
    async with api_server(tmp_path) as api:
        client = admin(api)
        await check_name(client, "n1")
        node = await client.create(NODES, {"metadata": {"name": "n1"}})
        await check_name(client, "n1")
        status = {**node["status"], "conditions": [{"type": "Ready", "status": "True"}]}
        await client.update(NODES, {**node, "status": status}, subresource="status")
        with pytest.raises(Conflict, match="already exists in the cluster"):
            await check_name(client, "n1")


def test_hash_and_request(tmp_path: Path) -> None:
    from corral.cluster.apiserver.certificates.issuing import new_authority, new_leaf
    from corral.cluster.apiserver.certificates.renewal import Wanted

    now = int(time.time())
    authority = new_authority("kubernetes", now)
    assert authority_hash(authority).startswith("sha256:") and len(authority_hash(authority)) == 71
    assert request("n1", new_key()).startswith("-----BEGIN CERTIFICATE REQUEST-----")
    leaf = new_leaf(Wanted("system:node:n1", ("system:nodes",), client=True), authority, now, 1000)
    assert not is_due(leaf, "n1", now) and is_due(leaf, "n2", now) and is_due(leaf, "n1", now + 900)
    assert is_due("", "n1", now) and expired("", now) and expired(leaf, now + 1001) and not expired(leaf, now)
    with pytest.raises(InvalidInput):
        authority_hash("no certificate")


@pytest.mark.parametrize("token", ["", "abc.0123456789abcdef", "ABCDEF.0123456789abcdef", TOKEN + "0"])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(InvalidInput):
        split_token(token)


def test_a_secret_leaves_out_what_is_empty() -> None:
    assert "expiration" not in plan_token(TOKEN, "", "d")["data"]


def test_an_info_without_a_certificate() -> None:
    for text in ("", "certificate-authority-data: %%%"):
        with pytest.raises(InvalidInput):
            parse_info({"data": {"kubeconfig": text}})


def test_failed_is_an_answer_too() -> None:
    with pytest.raises(Forbidden, match="SignerValidationFailure"):
        plan_answer({"status": {"conditions": [{"type": "Failed", "reason": "SignerValidationFailure"}]}})
