"""Two API servers that share one etcd: one cluster, whichever of them is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.app import Options
from corral.daemon.cluster_store import AUTHORITIES, share_authorities
from corral.errors import HostError
from corral.store.etcd import open_etcd
from corral.store.interface import Store
from corral.store.memory import MemoryStore
from tests.support.etcd import EtcdServer
from tests.support.kubernetes import ApiClient, LiveKubernetes
from tests.support.wait import eventually

pytestmark = pytest.mark.peers
Pair = tuple[LiveKubernetes, LiveKubernetes]
CONFIGS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    folder = tmp_path / "etcd"
    folder.mkdir()
    with EtcdServer(folder) as made:
        yield made


def server(etcd: EtcdServer, folder: Path) -> LiveKubernetes:
    async def opens() -> Store:
        store = await open_etcd([etcd.endpoint], root="/corral/")
        await share_authorities(store, folder / "pki")
        return store

    return LiveKubernetes(folder, options=Options(), opens=opens)


@pytest.fixture
def pair(etcd: EtcdServer, tmp_path: Path) -> Iterator[Pair]:
    with server(etcd, tmp_path / "one") as one, server(etcd, tmp_path / "two") as two:
        yield one, two


def config(name: str, value: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"x": value}}


def test_what_one_writes_the_other_has_at_once(pair: Pair) -> None:
    one, two = pair
    for number in range(50):
        made = one.admin.ok("POST", CONFIGS, config(f"c{number}"))
        assert two.admin.get(f"{CONFIGS}/c{number}")["metadata"]["uid"] == made["metadata"]["uid"]
        two.admin.patch(f"{CONFIGS}/c{number}", {"data": {"x": str(number)}})
        assert one.admin.get(f"{CONFIGS}/c{number}")["data"] == {"x": str(number)}
        one.admin.ok("DELETE", f"{CONFIGS}/c{number}")
        assert two.admin.ask("GET", f"{CONFIGS}/c{number}").status == 404
    assert two.admin.get(CONFIGS)["items"] == one.admin.get(CONFIGS)["items"]


def test_what_one_writes_the_other_tells_of(pair: Pair) -> None:
    one, two = pair
    begin = two.admin.get(CONFIGS)["metadata"]["resourceVersion"]
    watch = two.admin.watch(f"{CONFIGS}?watch=true&resourceVersion={begin}")
    revisions = [one.admin.ok("POST", CONFIGS, config(f"c{n}"))["metadata"]["resourceVersion"] for n in range(20)]
    found = [watch.next() for _ in revisions]
    assert [one["object"]["metadata"]["resourceVersion"] for one in found] == revisions
    watch.close()


def test_they_never_give_the_same_address_or_port(pair: Pair) -> None:
    def make(client: Callable[[], ApiClient], name: str) -> list[Any]:
        mine, spec = client(), {"type": "NodePort", "ports": [{"port": 80}]}
        return [
            mine.ok("POST", SERVICES, {"metadata": {"name": f"{name}-{n}"}, "spec": spec})["spec"] for n in range(25)
        ]

    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(make, one.another_admin, f"s{at}") for at, one in enumerate(pair * 2)]
        specs = [spec for one in made for spec in one.result()]
    assert len({one["clusterIP"] for one in specs}) == 100 == len({one["ports"][0]["nodePort"] for one in specs})
    taken = {"type": "ClusterIP", "clusterIP": specs[0]["clusterIP"], "ports": [{"port": 80}]}
    for one in pair:
        answer = one.admin.ask("POST", SERVICES, {"metadata": {"name": "late"}, "spec": taken})
        assert answer.status == 422 and "already allocated" in answer.told[2]


def test_writers_on_both_lose_no_update(pair: Pair) -> None:
    pair[0].admin.ok("POST", CONFIGS, config("count", "0"))

    def count(one: LiveKubernetes) -> None:
        client = one.another_admin()
        done = 0
        while done < 30:
            live = client.get(f"{CONFIGS}/count")
            live["data"]["x"] = str(int(live["data"]["x"]) + 1)
            done += client.ask("PUT", f"{CONFIGS}/count", live).status == 200

    threads = [threading.Thread(target=count, args=(one,)) for one in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pair[1].admin.get(f"{CONFIGS}/count")["data"] == {"x": "60"}


def test_one_cluster_has_one_authority(pair: Pair) -> None:
    one, two = pair
    one.admin.ok("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "robot"}})
    path = "/api/v1/namespaces/default/serviceaccounts/robot/token"
    token = one.admin.ok("POST", path, {"spec": {}})["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    told = two.bearer(token).ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert told["status"]["userInfo"]["username"] == "system:serviceaccount:default:robot"


def test_neighbours_in_the_same_etcd_keep_nobody_waiting(etcd: EtcdServer, tmp_path: Path) -> None:
    """Revisions of others pass by, and no watch of ours hears of them."""
    with server(etcd, tmp_path / "one") as one:

        async def noise() -> None:
            other = await open_etcd([etcd.endpoint], root="/neighbour/")
            for _ in range(20):
                await other.commit({"k": b""})
            other.close()
            await other.closed()

        for number in range(5):
            one.run(noise())
            one.admin.ok("POST", CONFIGS, config(f"c{number}"))
            one.run(noise())
            assert len(one.admin.get(CONFIGS)["items"]) == number + 1
    with server(etcd, tmp_path / "one") as again:
        assert len(again.admin.get(CONFIGS)["items"]) == 5


def test_it_says_so_when_etcd_is_away_and_goes_on_when_it_is_back(etcd: EtcdServer, pair: Pair) -> None:
    one, two = pair
    watch = two.admin.watch(f"{CONFIGS}?watch=true")
    one.admin.ok("POST", CONFIGS, config("before"))
    assert watch.next()["object"]["metadata"]["name"] == "before"
    etcd.kill()

    def away() -> bool:
        return all(each.admin.ask("GET", "/readyz").status == 500 for each in pair)

    eventually(away, "both are not ready", seconds=60)
    answer = one.admin.ask("GET", "/readyz/etcd")
    assert answer.status == 500 and etcd.endpoint in answer.body.decode()
    for asked in (("GET", CONFIGS), ("POST", CONFIGS, config("lost"))):
        code, reason, message = one.admin.ask(*asked).told
        assert (code, reason) == (503, "ServiceUnavailable") and etcd.endpoint in message
    etcd.start()

    def back() -> bool:
        return all(each.admin.ask("GET", "/readyz").status == 200 for each in pair)

    eventually(back, "both are ready", seconds=60)
    one.admin.ok("POST", CONFIGS, config("after"))
    assert {each["metadata"]["name"] for each in two.admin.get(CONFIGS)["items"]} >= {"before", "after"}
    watch.close()


async def test_who_has_authorities_of_another_cluster_is_sent_away(tmp_path: Path) -> None:
    store = MemoryStore()
    await share_authorities(store, tmp_path / "one")
    await share_authorities(store, tmp_path / "two")
    await share_authorities(store, tmp_path / "one")
    for name in AUTHORITIES:
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()
    await share_authorities(MemoryStore(), tmp_path / "other")
    with pytest.raises(HostError, match=r"ca\.pem: another cluster's"):
        await share_authorities(store, tmp_path / "other")
