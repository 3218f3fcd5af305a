"""sig-node: pods leave a node that is tainted, at their time, and stay when the taint goes before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.support.conformance import Cluster, Space, condition

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

Taint = Callable[..., None]
TAINT = {"key": "example.com/evict", "value": "yes", "effect": "NoExecute"}


def _tolerates(seconds: int | None) -> dict[str, object]:
    found: dict[str, object] = {"key": TAINT["key"], "value": "yes", "effect": "NoExecute", "operator": "Equal"}
    return found if seconds is None else {**found, "tolerationSeconds": seconds}


@pytest.fixture
def taint(cluster: Cluster) -> Iterator[Taint]:
    """Call it with the node's taints."""
    place = f"/api/v1/nodes/{cluster.node}"

    def set_to(*taints: dict[str, str]) -> None:
        assert cluster.admin.patch(place, {"spec": {"taints": list(taints)}}).status == 200

    yield set_to
    set_to()


def test_who_leaves_and_who_stays(space: Space, taint: Taint) -> None:
    patience = {"intolerant": [], "impatient": [_tolerates(1)], "patient": [_tolerates(3)], "stays": [_tolerates(None)],
                "saved": [_tolerates(100)]}  # fmt: skip
    for name, tolerations in patience.items():
        space.run(name, tolerations=tolerations)
    for name in patience:
        space.ready(name)
    stream = space.admin.watch(f"{space.path('pods')}?watch=1")
    began = datetime.now(UTC).replace(microsecond=0)  # the times of conditions are whole seconds
    taint(TAINT)
    told: dict[str, datetime] = {}
    left = set()
    for event in iter(stream.next, None):
        found = event["object"]
        if event["type"] == "MODIFIED" and (why := condition(found, "DisruptionTarget")):
            assert why["reason"] == "DeletionByTaintManager"
            told[found["metadata"]["name"]] = datetime.fromisoformat(why["lastTransitionTime"])
        if event["type"] == "DELETED":
            left.add(found["metadata"]["name"])
        if len(left) == 3:
            break
    stream.close()
    assert left == told.keys() == {"intolerant", "impatient", "patient"}
    for name, seconds in (("impatient", 1), ("patient", 3)):
        assert (told[name] - began).total_seconds() >= seconds, name
    taint()
    for name in ("stays", "saved"):
        assert "deletionTimestamp" not in space.get("pods", name)["metadata"]
