from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds.core.pod_spec.update import check_ephemeral_update
from corral.model.kubernetes.kinds.core.pod_subresources import check_resize, prepare_ephemeral, prepare_resize
from tests.support.kinds import edited

POD: dict[str, Any] = {
    "metadata": {"name": "web", "resourceVersion": "1"},
    "spec": {
        "containers": [
            {"name": "a", "image": "a", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}},
        ],
        "initContainers": [{"name": "i", "image": "i", "resources": {"requests": {"cpu": "1"}}}],
    },
    "status": {"qosClass": "Burstable"},
}
R = "spec__containers__0__resources__"


def resized(**changes: Any) -> list[str]:
    new = edited(POD, **changes)
    prepare_resize(new, POD)
    return [str(one) for one in check_resize(new, POD)]


def test_only_resources_are_taken() -> None:
    new = edited(POD, spec__containers__0__image="b", metadata__labels={"a": "b"}, **{R + "requests": {"cpu": "2"}})
    prepare_resize(new, POD)
    assert new == edited(POD, **{R + "requests": {"cpu": "2"}})


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({R + "requests": {"cpu": "2"}}, []),
        (
            {R + "requests": {}},
            ["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"],
        ),
        (
            {R + "requests": {"cpu": "1", "ephemeral-storage": "1Gi"}},
            ["spec: Forbidden: only cpu and memory resources are mutable"],
        ),
        (
            {"spec__initContainers__0__resources": {"requests": {"cpu": "2"}}},
            ["spec: Forbidden: resources for non-sidecar init containers are immutable"],
        ),
        (
            {"spec__containers": []},
            ["spec.containers: Forbidden: containers may not be added or removed on resize"],
        ),
        (
            {"spec__containers__0__name": "b"},
            ["spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize"],
        ),
    ],
)
def test_what_may_be_resized(changes: dict[str, Any], texts: list[str]) -> None:
    assert resized(**changes) == texts


def test_the_class_of_service_stays() -> None:
    best = edited(POD, spec__initContainers=[], **{"spec__containers__0__resources": {}})
    new = edited(best, **{"spec__containers__0__resources": {"requests": {"cpu": "1"}}})
    assert [one.detail for one in check_resize(new, best)] == ["Pod QOS Class may not change as a result of resizing"]


def test_ephemeral_containers_only_come() -> None:
    debug = {"name": "debug", "image": "busybox"}
    new = edited(POD, spec__ephemeralContainers=[debug], spec__containers__0__image="b")
    prepare_ephemeral(new, POD)
    assert new == edited(POD, spec__ephemeralContainers=[debug])
    assert list(check_ephemeral_update(new, POD)) == []
    assert [str(one) for one in check_ephemeral_update(POD, new)] == [
        'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n'
    ]
    other = edited(new, spec__ephemeralContainers=[{**debug, "image": "alpine"}])
    [problem] = check_ephemeral_update(other, new)
    assert problem.detail.startswith('existing ephemeral containers "debug" may not be changed\n@@')
