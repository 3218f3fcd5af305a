"""sig-storage: volumes and claims in the API, beside the controllers that bind and protect them."""

from __future__ import annotations

import pytest

from tests.support.conformance import Cluster, Object, Space, container, pod
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

VOLUMES = "/api/v1/persistentvolumes"


def _pair(space: Space, number: int) -> tuple[str, Object]:
    """A volume of a driver that is not there, and a claim for it."""
    name = f"{space.name}-{number}"
    spec = {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": name, "csi": {"driver": "example.com", "volumeHandle": name},
    }  # fmt: skip
    space.admin.ok("POST", VOLUMES, {"metadata": {"name": name, "labels": {"of": space.name}}, "spec": spec})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": name}
    return name, space.create("persistentvolumeclaims", name, {"spec": claim}, labels={"of": space.name})


def test_the_life_of_a_volume_and_its_claim(cluster: Cluster, space: Space) -> None:
    name, claim = _pair(space, 1)
    bound = lambda one: (one.get("status") or {}).get("phase") == "Bound"  # noqa: E731
    cluster.until(VOLUMES, name, bound)
    space.until(name, bound, "persistentvolumeclaims")
    for path in (f"{VOLUMES}/{name}", space.path("persistentvolumeclaims", name)):
        found = cluster.admin.patch(path, {"metadata": {"labels": {"patched": "yes"}}}).json
        found["metadata"]["labels"]["updated"] = "yes"
        updated = cluster.admin.ok("PUT", path, found)
        assert updated["metadata"]["labels"] == {"of": space.name, "patched": "yes", "updated": "yes"}
    assert space.get("persistentvolumeclaims", name)["metadata"]["uid"] == claim["metadata"]["uid"]
    space.delete("persistentvolumeclaims", name)
    space.gone(name, "persistentvolumeclaims")
    cluster.until(VOLUMES, name, lambda one: one["status"]["phase"] == "Released")
    cluster.admin.ok("DELETE", f"{VOLUMES}/{name}")
    cluster.until(VOLUMES, name, lambda one: not one)
    name, _ = _pair(space, 2)
    cluster.admin.ok("DELETE", f"{space.path('persistentvolumeclaims')}?labelSelector=of={space.name}")
    cluster.admin.ok("DELETE", f"{VOLUMES}?labelSelector=of={space.name}")
    space.gone(name, "persistentvolumeclaims")
    cluster.until(VOLUMES, name, lambda one: not one)


def test_their_status_can_be_changed(cluster: Cluster, space: Space) -> None:
    name, _ = _pair(space, 1)
    claim, volume = space.path("persistentvolumeclaims", name), f"{VOLUMES}/{name}"
    space.until(name, lambda one: one["status"].get("phase") == "Bound", "persistentvolumeclaims")
    condition = {"type": "Told", "status": "True", "reason": "ByUs", "message": "set"}
    for how in ("PATCH", "PUT"):
        told = {**condition, "message": how}
        if how == "PATCH":
            assert cluster.admin.patch(f"{claim}/status", {"status": {"conditions": [told]}}).status == 200
            patch = {"status": {"message": how, "reason": "ByUs"}}
            assert cluster.admin.patch(f"{volume}/status", patch).status == 200
        else:
            found = cluster.admin.get(f"{claim}/status")
            found["status"]["conditions"] = [told]
            cluster.admin.ok("PUT", f"{claim}/status", found)
            found = cluster.admin.get(f"{volume}/status")
            found["status"] |= {"message": how, "reason": "ByUs"}
            cluster.admin.ok("PUT", f"{volume}/status", found)
        assert cluster.admin.get(claim)["status"]["conditions"][0]["message"] == how
        assert cluster.admin.get(volume)["status"]["message"] == how
    cluster.admin.ok("DELETE", claim)
    space.gone(name, "persistentvolumeclaims")
    cluster.admin.ok("DELETE", volume)
    cluster.until(VOLUMES, name, lambda one: not one)


def test_volumes_of_drivers_in_pods(space: Space) -> None:
    """Nobody here mounts them; the pod says so, can be changed, and goes."""
    volumes = [{"name": "v", "csi": {"driver": "e2e.example.com", "volumeAttributes": {"a": "b"}}}]
    made = pod(container(), labels={"with": "csi"}, volumes=volumes)
    space.create("pods", "inline", made)
    assert [one["metadata"]["name"] for one in space.items("pods", "with=csi")] == ["inline"]
    assert space.get("pods", "inline")["spec"]["volumes"][0]["csi"]["driver"] == "e2e.example.com"
    space.patch("pods", "inline", {"metadata": {"labels": {"patched": "yes"}}})
    events = lambda: [one for one in space.items("events") if one["reason"] == "FailedMount"]  # noqa: E731
    found = eventually(events, "an event", seconds=60)
    assert "volumes of kind csi are not offered by this node" in found[0]["message"]
    space.delete("pods", "inline")
    space.gone("inline")
