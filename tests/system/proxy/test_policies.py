"""Network policies with real packets."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from corral.cluster.client.builtin import NAMESPACES, NETWORK_POLICIES, PODS
from corral.cluster.proxy import Proxy
from corral.linux.namespaces import in_netns
from tests.system.proxy.node import (
    LONG,
    NODE,
    UDP,
    Node,
    Place,
    end,
    piece,
    pod_object,
    service,
)

pytestmark = pytest.mark.root


def policy(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


async def test_isolation_and_what_is_let_in(here: Node, proxy: Proxy) -> None:
    here.api.put(NAMESPACES, {"metadata": {"name": "other", "labels": {"team": "b"}}})
    web, friend, stranger = here.pod("web", app="web"), here.pod("friend", app="friend"), here.pod("stranger")
    other = here.pod("other", namespace="other")
    web.serve(9090)
    await here.put(proxy)
    assert all([await place.reaches(web.ip, 8080) for place in (friend, stranger, other, here, here.outside)])
    chosen = {"podSelector": {"matchLabels": {"app": "web"}}}
    await here.put(proxy, policy("deny", **chosen))
    assert not any([await place.can(web.ip, 8080) for place in (friend, other, here.outside)])
    assert await here.reaches(web.ip, 8080)  # the node itself: it asks how the pod is
    assert await web.reaches(friend.ip, 8080)  # only one way
    peers = [{"podSelector": {"matchLabels": {"app": "friend"}}}, {"namespaceSelector": {"matchLabels": {"team": "b"}}}]
    ingress = [{"from": peers, "ports": [{"protocol": "TCP", "port": "web"}]}]
    await here.put(proxy, policy("some", **chosen, ingress=ingress))
    assert await friend.reaches(web.ip, 8080) and await other.reaches(web.ip, 8080)
    assert await friend.reaches(web.addresses[1], 8080)
    assert not await stranger.can(web.ip, 8080) and not await stranger.can(web.addresses[1], 8080)
    assert not await friend.can(web.ip, 9090) and not await friend.can(web.ip, 8080, UDP)


async def test_what_pods_may_call(here: Node, proxy: Proxy) -> None:
    web, other, client = here.pod("web", app="web"), here.pod("other"), here.pod("client", app="client")
    here.outside.serve(443)
    here.outside.serve(444)
    egress = [
        {"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]},
        {
            "to": [{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25"]}}],
            "ports": [{"port": 440, "endPort": 443}],
        },
    ]
    selector = {"matchLabels": {"app": "client"}}
    await here.put(proxy, policy("out", podSelector=selector, policyTypes=["Egress"], egress=egress))
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(web)))
    assert await client.reaches(web.ip, 8080) and await client.reaches(web.ip, 8080, UDP)
    assert await client.reaches("10.96.0.7", 80)
    assert not await client.can(other.ip, 8080)
    assert await client.reaches("192.0.2.2", 443) and not await client.can("192.0.2.2", 444)
    assert await other.reaches(client.ip, 8080) and await other.reaches("192.0.2.2", 444)
    here.serve(7070)
    assert not await client.can("10.244.0.1", 7070) and await other.reaches("10.244.0.1", 7070)


async def test_open_connections_go_on(here: Node, proxy: Proxy) -> None:
    web, client = here.pod("web"), here.pod("client")
    listening = in_netns(web.netns, lambda: socket.create_server(("0.0.0.0", 9090)))
    with listening:
        talking = await asyncio.to_thread(in_netns, client.netns, lambda: socket.create_connection((web.ip, 9090)))
        accepted, _ = await asyncio.to_thread(listening.accept)
        with talking, accepted:
            await here.put(proxy, policy("deny"))
            assert not await client.can(web.ip, 9090)
            talking.settimeout(LONG)
            talking.sendall(b"still")
            assert await asyncio.to_thread(accepted.recv, 100) == b"still"
            accepted.sendall(b"here")
            assert await asyncio.to_thread(talking.recv, 100) == b"here"


async def test_pods_that_change_sides(here: Node, proxy: Proxy) -> None:
    web, client = here.pod("web", app="web"), here.pod("client")
    rule = {"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}]}
    await here.put(proxy, policy("some", podSelector={"matchLabels": {"app": "web"}}, ingress=[rule]))
    assert not await client.can(web.ip, 8080)
    await label(here, proxy, client, role="friend")
    assert await client.reaches(web.ip, 8080)
    await label(here, proxy, client)
    assert not await client.can(web.ip, 8080)
    here.api.remove(NETWORK_POLICIES, "default/some")
    await here.put(proxy)
    assert await client.reaches(web.ip, 8080)


async def label(here: Node, proxy: Proxy, place: Place, **labels: str) -> None:
    here.api.put(PODS, pod_object(place.name, "default", NODE, place.addresses, labels))
    await here.put(proxy)
