"""How much pods ask for: the sums of KEP-753 (sidecars), KEP-1287 (resize) and KEP-2837 (whole pods)."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.requests import pod_requests, usual_requests


def container(cpu: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "main", "resources": {"requests": {"cpu": cpu} if cpu else {}}, **more}


SIDECAR = container("500m", restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("1"), container("250m")]}, 1250),
        ({"containers": [container("1")], "initContainers": [container("3"), container("2")]}, 3000),
        ({"containers": [container("1")], "initContainers": [SIDECAR]}, 1500),
        ({"containers": [container("1")], "initContainers": [SIDECAR, container("2")]}, 2500),
        ({"containers": [container("1")], "initContainers": [container("2"), SIDECAR]}, 2000),
        ({"containers": [container("1")], "overhead": {"cpu": "100m"}}, 1100),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "4"}}}, 4000),
        ({"containers": [container("0.0001")]}, 1),  # rounded up
    ],
)
def test_cpu(spec: dict[str, Any], cpu: int) -> None:
    assert pod_requests({"spec": spec}) == {"cpu": cpu}


def test_while_a_resize_is_not_done_the_greater_counts() -> None:
    state = {"name": "main", "resources": {"requests": {"cpu": "2"}}, "allocatedResources": {"cpu": "1"}}
    resizing = {"spec": {"containers": [container("1")]}, "status": {"containerStatuses": [state]}}
    assert pod_requests(resizing) == {"cpu": 2000}
    wanted = {"spec": {"containers": [container("8")]}, "status": {"containerStatuses": [state]}}
    assert pod_requests(wanted) == {"cpu": 8000}
    wanted["status"]["conditions"] = [{"type": "PodResizePending", "reason": "Infeasible"}]
    assert pod_requests(wanted) == {"cpu": 2000}  # it is not going to happen


def test_the_usual_is_taken_of_each_container_that_asks_for_nothing() -> None:
    mega = 1024 * 1024
    assert usual_requests({"spec": {"containers": [container(), container("1")]}}) == (1100, 400 * mega)
    assert usual_requests({"spec": {"containers": [container("0")]}}) == (0, 200 * mega)
