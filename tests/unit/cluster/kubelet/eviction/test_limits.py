"""What a pod may have on the disk."""

from __future__ import annotations

from typing import Any

from corral.cluster.kubelet.eviction.limits import is_limited, plan_excess

Object = dict[str, Any]


def pod(*limits: str, size: str = "") -> Object:
    containers = [
        {"name": f"c{n}", "resources": {"limits": {"ephemeral-storage": limit}} if limit else {}}
        for n, limit in enumerate(limits)
    ]
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": size} if size else {}}]
    return {"spec": {"containers": containers, "volumes": volumes}}


def test_empty_directories() -> None:
    said = 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". '
    assert plan_excess(pod("", size="1Ki"), {"v": 1025}, {}) == said
    assert plan_excess(pod("", size="1Ki"), {"v": 1024}, {}) == ""


def test_containers() -> None:
    said = 'Container c1 exceeded its local ephemeral storage limit "1Ki". '
    assert plan_excess(pod("1Ki", "1Ki"), {}, {"c0": 1024, "c1": 1025}) == said


def test_all_of_a_pod_together() -> None:
    said = "Pod ephemeral local storage usage exceeds the total limit of containers 2Ki. "
    assert plan_excess(pod("1Ki", "1Ki"), {"v": 100}, {"c0": 1000, "c1": 1000}) == said
    assert plan_excess(pod("1Ki", "1Ki"), {"v": 40}, {"c0": 1000, "c1": 1000}) == ""


def test_who_has_no_limit_is_not_looked_at() -> None:
    assert not is_limited(pod("")) and is_limited(pod("1")) and is_limited(pod("", size="1"))
