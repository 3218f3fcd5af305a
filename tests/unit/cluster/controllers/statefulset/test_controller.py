"""StatefulSets on a real API server: pods in order, with their claims."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running, template


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, ("statefulset-controller",)) as found:
        yield found


@pytest.fixture
async def kubelet(shop: Cluster) -> AsyncIterator[Kubelet]:
    async with running(Kubelet(shop)) as found:
        yield found


def stateful_set(replicas: int = 3, claims: bool = False, **spec: Any) -> Object:
    wanted = {
        "replicas": replicas,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": template("db"),
        **spec,
    }
    if claims:
        claim_spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        wanted["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim_spec}]
    return {"metadata": {"name": "db", "namespace": "shop"}, "spec": wanted}


async def ready(shop: Cluster, count: int, **more: Any) -> Object:
    def holds(one: Object) -> bool:
        status = one.get("status") or {}
        counts = {
            "readyReplicas": count,
            "replicas": count,
            "observedGeneration": one["metadata"]["generation"],
            **more,
        }
        return all((status.get(key) or 0) == value for key, value in counts.items())

    return await shop.until(STATEFUL_SETS, "shop/db", holds)


async def change(shop: Cluster, patch: Object) -> None:
    written = await shop.client.patch(STATEFUL_SETS, "db", "shop", patch=patch)
    await shop.shared.informers.of(STATEFUL_SETS).seen(written)


def image(image: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}


def watched(shop: Cluster) -> list[tuple[str, str]]:
    """(what, pod) as it happens: made, ready, gone."""
    seen: list[tuple[str, str]] = []

    def note(old: Object | None, new: Object | None) -> None:
        if old is None and new is not None:
            seen.append(("made", meta.name(new)))
        elif new is None and old is not None:
            seen.append(("gone", meta.name(old)))

    shop.shared.informers.of(PODS).on_change(note)
    return seen


async def test_pods_come_and_go_in_order_with_their_claims(shop: Cluster, kubelet: Kubelet) -> None:
    seen = watched(shop)
    policy = {"whenDeleted": "Retain", "whenScaled": "Delete"}
    await shop.client.create(STATEFUL_SETS, stateful_set(claims=True, persistentVolumeClaimRetentionPolicy=policy))
    found = await ready(shop, 3)
    assert seen == [("made", f"db-{n}") for n in range(3)]
    assert found["status"]["currentRevision"] == found["status"]["updateRevision"]
    pod = await shop.client.get(PODS, "db-1", "shop")
    assert pod["spec"]["hostname"] == "db-1" and pod["spec"]["subdomain"] == "db"
    assert pod["metadata"]["labels"] == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "1",
        "statefulset.kubernetes.io/pod-name": "db-1",
        "controller-revision-hash": found["status"]["currentRevision"],
    }
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}} in pod["spec"]["volumes"]
    claims = (await shop.client.list(CLAIMS, "shop")).items
    assert sorted(meta.name(one) for one in claims) == ["data-db-0", "data-db-1", "data-db-2"]
    told = await shop.events("db")
    assert ("SuccessfulCreate", "create Claim data-db-0 Pod db-0 in StatefulSet db success") in told
    assert ("SuccessfulCreate", "create Pod db-0 in StatefulSet db successful") in told
    pod = await shop.client.get(PODS, "db-2", "shop")
    seen.clear()
    await change(shop, {"spec": {"replicas": 1}})
    await ready(shop, 1)
    assert seen == [("gone", "db-2"), ("gone", "db-1")]
    claim = await shop.client.get(CLAIMS, "data-db-2", "shop")
    assert [(one["kind"], one["uid"]) for one in claim["metadata"]["ownerReferences"]] == [("Pod", meta.uid(pod))]


async def test_an_update_goes_downwards_to_the_partition(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(STATEFUL_SETS, stateful_set())
    await ready(shop, 3)
    seen = watched(shop)
    seen.clear()
    strategy = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    patch = image("busybox:2")
    patch["spec"] |= strategy
    await change(shop, patch)
    await ready(shop, 3, updatedReplicas=2, currentReplicas=1)
    assert seen == [("gone", "db-2"), ("made", "db-2"), ("gone", "db-1"), ("made", "db-1")]
    await change(shop, {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    found = await ready(shop, 3, updatedReplicas=3, currentReplicas=3)
    assert found["status"]["currentRevision"] == found["status"]["updateRevision"]
    revisions = (await shop.client.list(CONTROLLER_REVISIONS, "shop")).items
    assert sorted(one["revision"] for one in revisions) == [1, 2]


async def test_a_broken_pod_stops_an_ordered_set_until_it_is_deleted(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(STATEFUL_SETS, stateful_set())
    await ready(shop, 3)
    kubelet.broken = lambda pod: pod["spec"]["containers"][0]["image"] == "busybox:bad"
    await change(shop, image("busybox:bad"))
    await shop.until(STATEFUL_SETS, "shop/db", lambda one: one["status"].get("readyReplicas") == 2)
    await shop.until(PODS, "shop/db-2", lambda pod: pod["spec"]["containers"][0]["image"] == "busybox:bad")
    await change(shop, image("busybox:3"))
    found = await shop.until(
        STATEFUL_SETS, "shop/db", lambda one: one["status"]["observedGeneration"] == one["metadata"]["generation"]
    )
    assert found["status"]["readyReplicas"] == 2
    await shop.client.delete(PODS, "db-2", "shop")
    await ready(shop, 3, updatedReplicas=3)


async def test_a_parallel_set_waits_for_nobody_and_repairs_itself(shop: Cluster, kubelet: Kubelet) -> None:
    kubelet.broken = lambda pod: pod["spec"]["containers"][0]["image"] == "busybox:1"
    ordinals = {"ordinals": {"start": 5}}
    await shop.client.create(STATEFUL_SETS, stateful_set(podManagementPolicy="Parallel", **ordinals))
    await shop.until(STATEFUL_SETS, "shop/db", lambda one: one["status"].get("replicas") == 3)
    assert sorted(meta.name(pod) for pod in shop.pods(app="db")) == ["db-5", "db-6", "db-7"]
    await change(shop, image("busybox:2"))
    await ready(shop, 3, updatedReplicas=3)


async def test_a_failed_pod_is_made_anew(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(STATEFUL_SETS, stateful_set(1))
    await ready(shop, 1)
    pod = await shop.client.get(PODS, "db-0", "shop")
    await kubelet.tell(pod, "Failed")
    await shop.until(PODS, "shop/db-0", lambda one: meta.uid(one) != meta.uid(pod))
    await ready(shop, 1)
    assert ("RecreatingFailedPod", "StatefulSet shop/db is recreating failed Pod db-0") in await shop.events("db")


async def test_on_delete_leaves_pods_until_somebody_deletes_them(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(STATEFUL_SETS, stateful_set(2, updateStrategy={"type": "OnDelete"}))
    await ready(shop, 2)
    await change(shop, image("busybox:2"))
    await ready(shop, 2, currentReplicas=2)
    before = {meta.name(pod): meta.uid(pod) for pod in shop.pods(app="db")}
    await shop.client.delete(PODS, "db-0", "shop")
    await ready(shop, 2, updatedReplicas=1)
    after = {meta.name(pod): meta.uid(pod) for pod in shop.pods(app="db")}
    assert after["db-1"] == before["db-1"] and after["db-0"] != before["db-0"]
