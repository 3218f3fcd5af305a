"""Services with real packets: pods are network namespaces on a bridge of a node that is one, too."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections import Counter
from dataclasses import replace

import pytest

from corral.cluster.client.builtin import ENDPOINT_SLICES, NODES, PODS, SERVICES
from corral.cluster.proxy import Proxy, ProxySettings
from corral.cluster.proxy.settings import PodNetwork
from corral.cluster.proxy.tables import plan_removal, plan_tables
from corral.linux.namespaces import in_netns
from corral.linux.nftables import Nft
from corral.model.kubernetes.labels import ZONE
from tests.support.wait import eventually_async
from tests.system.proxy.node import (
    GATEWAY4,
    LONG,
    NODE,
    NODE_IP,
    NODE_IP6,
    OUTER,
    OUTER6,
    UDP,
    Node,
    Place,
    end,
    piece,
    pod_object,
    running,
    service,
)

pytestmark = pytest.mark.root
BOTH = 32  # requests that one of two endpoints gets none of: once in 2 * 10^9 times


async def test_a_cluster_ip_is_reached_from_pods_the_node_and_outside(here: Node, proxy: Proxy) -> None:
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one), end(two)))
    assert set(await client.names("10.96.0.7", 80, BOTH)) == {"one", "two"}
    assert (await client.ask("10.96.0.7", 80))[1] == client.ip
    assert (await client.ask("10.96.0.7", 80, UDP))[1] == client.ip
    assert (await here.ask("10.96.0.7", 80))[0] in ("one", "two")
    assert (await here.outside.ask("10.96.0.7", 80))[1] == GATEWAY4


async def test_each_endpoint_gets_its_share(here: Node, proxy: Proxy) -> None:
    pods, client = [here.pod(f"p{n}") for n in range(3)], here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", *map(end, pods)))
    counts = Counter(await client.names("10.96.0.7", 80, 600, UDP))
    assert set(counts) == {"p0", "p1", "p2"}
    assert min(counts.values()) > 140  # 200 each; so few happen once in 10^7 times


async def test_a_pod_reaches_itself(here: Node, proxy: Proxy) -> None:
    one = here.pod("one")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one)))
    assert await one.ask("10.96.0.7", 80) == ("one", GATEWAY4)
    assert await one.ask("10.96.0.7", 80, UDP) == ("one", GATEWAY4)


@pytest.mark.parametrize("pods", ["10.244.9.0/24", "10.244.0.0/16"], ids=["one-node", "many-nodes"])
async def test_another_instance_on_the_host_leaves_pods_as_they_are(here: Node, proxy: Proxy, pods: str) -> None:
    """Its rules are asked first, for it came later; and marks look the same, whose ever they are."""
    settings = ProxySettings("corral_py", (pods,), (PodNetwork("10.244.9.0/24", "02:42:0a:f4:09:01"),))
    here.nft(plan_tables(settings))
    try:
        one, client = here.pod("one"), here.pod("client")
        await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one)))
        assert await client.ask("10.96.0.7", 80) == ("one", client.ip)
        assert await one.ask("10.96.0.7", 80) == ("one", GATEWAY4)
        assert (await here.outside.ask("10.96.0.7", 80))[1] == GATEWAY4
    finally:
        here.nft(plan_removal(settings.table))


@pytest.mark.parametrize("local", ["10.244.0.0/24", "10.244.9.0/24"], ids=["its-own", "another-instance"])
async def test_a_node_of_many_lets_a_pod_call_itself_by_a_published_port(here: Node, local: str) -> None:
    """The engine's table leads and hides it: there is no service, so no mark. All pods of the range look alike."""
    one = here.pod("one")
    lead = f"ip daddr {NODE_IP} tcp dport 8000 dnat ip to {one.ip}:8080"
    here.nft(
        f"""table inet engine {{
            chain arrive {{ type nat hook prerouting priority dstnat; {lead}; }}
            chain leave {{ type nat hook postrouting priority srcnat; ct status dnat masquerade; }}
        }}"""
    )
    here.nft(plan_tables(ProxySettings("corral_py", ("10.244.0.0/16",), (PodNetwork(local, "02:42:0a:f4:09:01"),))))
    assert await one.ask(NODE_IP, 8000) == ("one", GATEWAY4)


async def test_node_ports_and_addresses_of_others(here: Node, proxy: Proxy) -> None:
    one, client = here.pod("one"), here.pod("client")
    spec = {"type": "LoadBalancer", "externalIPs": ["198.18.0.1"]}
    status = {"loadBalancer": {"ingress": [{"ip": "198.18.0.2"}, {"ip": "198.18.0.3", "ipMode": "Proxy"}]}}
    ports = (("TCP", 80, 30080), ("UDP", 80, 30080))
    await here.put(proxy, service("web", "10.96.0.7", ports=ports, status=status, **spec), piece("web", end(one)))
    for kind in (socket.SOCK_STREAM, UDP):
        assert await here.outside.ask(NODE_IP, 30080, kind) == ("one", GATEWAY4)
        assert (await client.ask(NODE_IP, 30080, kind))[0] == "one"
        assert (await here.ask(NODE_IP, 30080, kind))[0] == "one"
        for address in ("198.18.0.1", "198.18.0.2"):
            assert await here.outside.ask(address, 80, kind) == ("one", GATEWAY4)
    assert not await here.outside.can("198.18.0.3", 80)
    assert not await here.outside.can(NODE_IP, 30081)


async def test_who_is_in_the_ranges_may(here: Node, proxy: Proxy) -> None:
    one = here.pod("one")
    status = {"loadBalancer": {"ingress": [{"ip": "198.18.0.2"}]}}
    spec = {"type": "LoadBalancer", "status": status, "loadBalancerSourceRanges": ["203.0.113.0/24"]}
    await here.put(proxy, service("web", "10.96.0.7", **spec), piece("web", end(one)))
    assert not await here.outside.can("198.18.0.2", 80)
    spec["loadBalancerSourceRanges"] = ["203.0.113.0/24", "192.0.2.0/24"]
    await here.put(proxy, service("web", "10.96.0.7", **spec))
    assert await here.outside.reaches("198.18.0.2", 80)


async def test_external_traffic_that_is_to_stay_local(here: Node, proxy: Proxy) -> None:
    near, far, client = here.pod("near"), here.pod("far"), here.pod("client")
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": (("TCP", 80, 30080),)}
    await here.put(proxy, service("web", "10.96.0.7", **spec), piece("web", end(near), end(far, node="node-2")))
    assert set(await here.outside.names(NODE_IP, 30080, 12)) == {"near"}
    assert (await here.outside.ask(NODE_IP, 30080))[1] == OUTER
    assert set(await client.names(NODE_IP, 30080, BOTH)) == {"near", "far"}
    await here.put(proxy, piece("web", end(far, node="node-2")))
    assert not await here.outside.can(NODE_IP, 30080)
    assert await client.reaches(NODE_IP, 30080)


async def test_a_pod_of_another_node_calls_what_is_to_stay_local(here: Node) -> None:
    """It comes as it is: an endpoint elsewhere would answer it past this node, and it would wait for ever."""
    here.settings = replace(here.settings, pods=(*here.settings.pods, f"{OUTER}/32", f"{OUTER6}/128"))
    near, far = here.pod("near"), here.pod("far")
    spec = {"type": "NodePort", "externalTrafficPolicy": "Local", "ports": (("TCP", 80, 30080),)}
    slices = [piece("web", end(near, v), end(far, v, node="node-2"), family=v) for v in (4, 6)]
    async with running(here) as proxy:
        await here.put(proxy, service("web", ips=["10.96.0.7", "fd00:96::7"], **spec), *slices)
        for address, caller in ((NODE_IP, OUTER), (NODE_IP6, OUTER6)):
            assert set(await here.outside.names(address, 30080, 24)) == {"near"}
            assert (await here.outside.ask(address, 30080))[1] == caller


async def test_internal_traffic_that_is_to_stay_local(here: Node, proxy: Proxy) -> None:
    near, far, client = here.pod("near"), here.pod("far"), here.pod("client")
    ends = piece("web", end(near), end(far, node="node-2"))
    await here.put(proxy, service("web", "10.96.0.7", internalTrafficPolicy="Local"), ends)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"near"}


async def test_a_service_without_endpoints_refuses_at_once(here: Node, proxy: Proxy) -> None:
    client = here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web"))
    for place in (client, here, here.outside):
        with pytest.raises(ConnectionRefusedError):
            await place.ask("10.96.0.7", 80, timeout=2)
        with pytest.raises(ConnectionRefusedError):
            await place.ask("10.96.0.7", 81, timeout=2)  # a port that it does not have
    with pytest.raises(ConnectionRefusedError):
        await client.ask("10.96.0.7", 80, UDP, timeout=2)


async def test_clients_are_led_to_the_same_endpoint_again(here: Node, proxy: Proxy) -> None:
    pods, client = [here.pod(f"p{n}") for n in range(4)], here.pod("client")
    spec = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 600}}}
    ports = (("TCP", 80, 30080), ("UDP", 80, 30080))
    slices = (piece("web", *map(end, pods)), piece("web", *(end(p, 6) for p in pods), family=6))
    both = service("web", ips=["10.96.0.7", "fd00:96::7"], ports=ports, type="NodePort", **spec)
    await here.put(proxy, both, *slices)
    for address, port in (("10.96.0.7", 80), ("fd00:96::7", 80), (NODE_IP, 30080)):
        for kind in (socket.SOCK_STREAM, UDP):
            assert len(set(await client.names(address, port, 12, kind))) == 1
    [first] = set(await client.names("10.96.0.7", 80, 1))
    await here.put(proxy, piece("web", *(end(p) for p in pods if p.name != first)))
    again = set(await client.names("10.96.0.7", 80, 12))
    assert len(again) == 1 and first not in again


async def test_terminating_endpoints_serve_only_as_the_last(here: Node, proxy: Proxy) -> None:
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    leaving = end(one, ready=False, serving=True, terminating=True)
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one), end(two)))
    assert not await proxy.gone(one.ip, 0.01)
    here.api.put(ENDPOINT_SLICES, piece("web", leaving, end(two)))
    assert await proxy.gone(one.ip, LONG)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"two"}
    await here.put(proxy, piece("web", leaving))
    assert set(await client.names("10.96.0.7", 80, 3)) == {"one"}
    assert await proxy.gone(one.ip, LONG)  # nothing else will come: its end need not wait
    assert await proxy.gone("10.244.0.200", LONG)


async def test_a_node_says_that_its_pod_ends_before_any_slice_does(here: Node, proxy: Proxy) -> None:
    """Whoever writes slices may be dead. Only the pod's own node is believed, and the last endpoint is waited for."""
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    ends = [{**end(place), "targetRef": {"kind": "Pod", "uid": f"uid-{place.name}"}} for place in (one, two)]
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", *ends))
    assert not await proxy.gone(one.ip, 0.2, uid="uid-one", node="elsewhere")
    assert set(await client.names("10.96.0.7", 80, BOTH)) == {"one", "two"}
    assert await proxy.gone(one.ip, LONG, uid="uid-one", node=NODE)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"two"}
    await here.put(proxy, piece("web", *ends))  # written by who does not know yet
    assert set(await client.names("10.96.0.7", 80, 12)) == {"two"}
    assert not await proxy.gone(two.ip, 0.2, uid="uid-two", node=NODE)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"two"}  # all end: better than nobody; the first has ended
    third = {**end(here.pod("three")), "targetRef": {"kind": "Pod", "uid": "uid-three"}}
    await here.put(proxy, piece("web", third, *ends))
    assert await proxy.gone(two.ip, LONG)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"three"}


async def test_a_pod_is_not_the_last_where_slices_name_one_that_is_not_known_yet(here: Node, proxy: Proxy) -> None:
    """Slices and pods come by two streams; the one of pods may be late."""
    old, new, client = here.pod("old"), here.pod("new"), here.pod("client")
    known = pod_object("new", "default", NODE, new.addresses, {})
    ends = [{**end(place), "targetRef": {"kind": "Pod", "uid": f"uid-{place.name}"}} for place in (old, new)]
    ends[0]["conditions"] = {"ready": False, "serving": True, "terminating": True}
    here.api.remove(PODS, "default/new")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", *ends))
    assert "old" in await client.names("10.96.0.7", 80, BOTH)
    assert not await proxy.gone(old.ip, 0.2, uid="uid-old", node=NODE)
    here.api.put(PODS, known)
    assert await proxy.gone(old.ip, LONG, uid="uid-old", node=NODE)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"new"}


async def test_pods_that_the_api_has_deleted_end_whatever_the_slices_say(here: Node, proxy: Proxy) -> None:
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    ends = [{**end(place), "targetRef": {"kind": "Pod", "uid": f"uid-{place.name}"}} for place in (one, two)]
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", *ends))
    assert set(await client.names("10.96.0.7", 80, BOTH)) == {"one", "two"}
    ending = pod_object("two", "default", NODE, two.addresses, {})
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    here.api.put(PODS, ending)
    await here.put(proxy)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"one"}
    three = here.pod("three")
    third = {**end(three), "targetRef": {"kind": "Pod", "uid": "uid-three"}}
    await here.put(proxy, piece("web", *ends, third))
    here.api.remove(PODS, "default/one")  # its address may be another's by now
    await here.put(proxy)
    assert set(await client.names("10.96.0.7", 80, 12)) == {"three"}
    await here.put(proxy, piece("web", *ends))  # written by who does not know yet
    assert set(await client.names("10.96.0.7", 80, 12)) == {"two"}  # it is there still, and no other


async def test_who_is_never_answered_is_led_elsewhere_with_the_next_try(here: Node, proxy: Proxy) -> None:
    """The kernel would send every try of a connection to where the first one was sent."""
    dead, alive, client = here.pod("dead"), here.pod("alive"), here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(dead)))
    in_netns(dead.netns, fall_silent)
    with in_netns(client.netns, lambda: socket.socket()) as talking:
        talking.settimeout(60)
        trying = asyncio.create_task(asyncio.to_thread(talking.connect, ("10.96.0.7", 80)))
        await eventually_async(lambda: in_netns(here.netns, tries), "the first try has been led away")
        await here.put(proxy, piece("web", end(alive)))
        await trying
        assert (await asyncio.to_thread(talking.recv, 100)).startswith(b"alive")


def fall_silent(port: int = 8080) -> None:
    """Nothing arrives there any more, and nothing leaves."""
    nft = Nft()
    arriving = f"chain arriving {{ type filter hook input priority 0; tcp dport {port} drop; }};"
    leaving = f"chain leaving {{ type filter hook output priority 0; tcp sport {port} drop; }};"
    nft.run(f"table inet silent {{ {arriving} {leaving} }}")
    nft.close()


def tries() -> bool:
    with open("/proc/thread-self/net/nf_conntrack") as file:
        return any("dport=80 [UNREPLIED]" in line for line in file)


async def test_an_open_connection_outlives_its_endpoint(here: Node, proxy: Proxy) -> None:
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    listening = in_netns(one.netns, lambda: socket.create_server(("0.0.0.0", 9090)))
    talking = in_netns(client.netns, lambda: socket.socket())
    with listening, talking:
        await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one), port=9090))
        talking.settimeout(LONG)
        await asyncio.to_thread(talking.connect, ("10.96.0.7", 80))
        accepted, _ = await asyncio.to_thread(listening.accept)
        with accepted:
            await here.put(proxy, piece("web", end(two)))
            accepted.sendall(b"still here")
            assert await asyncio.to_thread(talking.recv, 100) == b"still here"


@pytest.mark.parametrize("family", [4, 6])
async def test_who_speaks_with_a_pod_that_is_gone_is_told_so(here: Node, proxy: Proxy, family: int) -> None:
    """Its machine may have died with it: nobody has ended the connection."""
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    place = "10.96.0.7" if family == 4 else "fd00:96::7"
    with await connected(here, proxy, client, one, place) as talking:
        here.api.remove(PODS, "default/one")
        await here.put(proxy, piece("web", end(two, family), family=family, port=9090))
        talking.sendall(b"are you there?")
        with pytest.raises(ConnectionResetError):
            await asyncio.to_thread(talking.recv, 100)


async def test_a_pod_that_is_gone_while_no_proxy_runs_is_forgotten(here: Node) -> None:
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    async with running(here) as proxy:
        talking = await connected(here, proxy, client, one, "10.96.0.7")
        here.api.put(NODES, {"metadata": {"name": NODE}, "spec": {"podCIDRs": ["10.244.0.0/24"]}})
    with talking:
        here.api.remove(PODS, "default/one")
        here.api.put(ENDPOINT_SLICES, piece("web", end(two), port=9090))
        async with running(here) as proxy:
            await here.put(proxy)
            talking.sendall(b"are you there?")
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(talking.recv, 100)


async def connected(here: Node, proxy: Proxy, client: Place, pod: Place, address: str) -> socket.socket:
    """A connection from the client to the service's only pod, which takes it and falls silent."""
    family, kind = (6, socket.AF_INET6) if ":" in address else (4, socket.AF_INET)
    listening = in_netns(pod.netns, lambda: socket.create_server((pod.addresses[family == 6], 9090), family=kind))
    await here.put(proxy, service("web", address), piece("web", end(pod, family), family=family, port=9090))
    with listening:
        talking = in_netns(client.netns, lambda: socket.socket(kind))
        talking.settimeout(LONG)
        await asyncio.to_thread(talking.connect, (address, 80))
        in_netns(pod.netns, lambda: fall_silent(9090))
    return talking


async def test_udp_senders_that_never_pause_are_led_anew(here: Node, proxy: Proxy) -> None:
    one, two, client = here.pod("one"), here.pod("two"), here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one)))
    sender = in_netns(client.netns, lambda: socket.socket(socket.AF_INET, UDP))
    with sender:
        sender.settimeout(LONG)
        sender.connect(("10.96.0.7", 80))
        sender.send(b"?")
        assert (await asyncio.to_thread(sender.recv, 100)).startswith(b"one")
        await here.put(proxy, piece("web", end(two)))
        sender.send(b"?")
        assert (await asyncio.to_thread(sender.recv, 100)).startswith(b"two")


async def test_both_families(here: Node, proxy: Proxy) -> None:
    one, client = here.pod("one"), here.pod("client")
    both = service("web", ips=["10.96.0.7", "fd00:96::7"], type="NodePort", ports=(("TCP", 80, 30080), ("UDP", 80, 0)))
    await here.put(proxy, both, piece("web", end(one)), piece("web", end(one, 6), family=6))
    assert await client.ask("fd00:96::7", 80) == ("one", client.addresses[1])
    assert await client.ask("fd00:96::7", 80, UDP) == ("one", client.addresses[1])
    assert (await one.ask("fd00:96::7", 80))[0] == "one"
    assert (await here.outside.ask(NODE_IP6, 30080))[0] == "one"
    await here.put(proxy, piece("web", family=6))
    with pytest.raises(ConnectionRefusedError):
        await client.ask("fd00:96::7", 80, timeout=2)


async def test_what_goes_away_leaves_nothing(here: Node, proxy: Proxy) -> None:
    one, client = here.pod("one"), here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one)))
    assert await client.reaches("10.96.0.7", 80)
    here.api.remove(SERVICES, "default/web")
    await here.put(proxy)
    assert not await client.can("10.96.0.7", 80)
    left = here.nft("list ruleset")
    assert "10.244.0.0/24" in left
    assert "10.96.0.7" not in left and one.ip not in left.replace("10.244.0.0/24", "")


async def test_one_that_makes_no_sense_does_not_stop_the_others(here: Node, proxy: Proxy) -> None:
    one, client = here.pod("one"), here.pod("client")
    bad = piece("bad", {"addresses": ["nonsense"], "conditions": {}})
    await here.put(proxy, service("bad", "10.96.0.8"), bad, service("web", "10.96.0.7"), piece("web", end(one)))
    assert await client.reaches("10.96.0.7", 80)


@pytest.mark.parametrize("damage", ["ruleset", "table inet {}", "map inet {} heads4"])
async def test_a_flushed_firewall_is_repaired(here: Node, proxy: Proxy, damage: str) -> None:
    one, client = here.pod("one"), here.pod("client")
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", end(one)))
    here.nft(f"flush {damage.format(proxy._settings.table)}")
    async with asyncio.timeout(LONG):
        while not await client.can("10.96.0.7", 80):
            pass


async def test_a_load_balancer_asks_for_health(here: Node, proxy: Proxy) -> None:
    one = here.pod("one")
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000}
    await here.put(proxy, service("web", "10.96.0.7", **spec), piece("web", end(one)))
    assert await asyncio.to_thread(_health, here) == (200, b'"localEndpoints":1')
    await here.put(proxy, piece("web"))
    assert await asyncio.to_thread(_health, here) == (503, b'"localEndpoints":0')


def _health(here: Node) -> tuple[int, bytes]:

    def work() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(NODE_IP, 32000, timeout=LONG)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body[body.index(b'"localE') :][:18]

    return in_netns(here.outside.netns, work)


async def test_who_is_near_serves_while_there_is_one(here: Node, proxy: Proxy) -> None:
    near, far, client = here.pod("near"), here.pod("far"), here.pod("client")
    ends = [{**end(one), "hints": {"forZones": [{"name": zone}]}} for one, zone in ((near, "a"), (far, "b"))]
    await here.put(proxy, service("web", "10.96.0.7"), piece("web", *ends))
    assert set(await client.names("10.96.0.7", 80, BOTH)) == {"near", "far"}  # the node is in no zone
    here.api.put(NODES, {"metadata": {"name": NODE, "labels": {ZONE: "a"}}})
    await here.put(proxy)
    assert set(await client.names("10.96.0.7", 80, 20)) == {"near"}
    await here.put(proxy, piece("web", ends[1]))
    assert set(await client.names("10.96.0.7", 80, 20)) == {"far"}
