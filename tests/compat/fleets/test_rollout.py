"""The main job: a fleet is replaced, broken, repaired and left without its daemon; not one request is lost."""

from __future__ import annotations

import pytest

from demo.load import Load
from tests.support.fleet import KUBECTL, Asker, Space, asked, web
from tests.support.wait import PATIENCE, eventually

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.ahead.with_args(KUBECTL)]


def test_a_rollout_under_load_loses_nothing(space: Space) -> None:
    """Asked from the host, by the Service's address and the node's port, and from a pod by name."""
    space.apply(web(1, kind="NodePort"))
    space.rolled_out("deployment/web")
    port = int(space.field("service/web", ".spec.ports[0].nodePort"))
    asker = Asker(space, f"http://web.{space.name}.svc.cluster.local/")
    with Load((space.cluster_ip(), 80), PATIENCE) as load, Load((space.fleet.node_address, port), PATIENCE) as at_node:
        for one in (load, at_node):
            asked(one)
        asker.asked()
        for version in (2, 3):
            space.apply(web(version, kind="NodePort"))
            space.rolled_out("deployment/web")
        for one in (load, at_node):
            asked(one)
        asker.asked()
    for one in (load, at_node):
        assert one.failures == {}, space.ok("get", "events,endpointslices,pods", "-o", "wide")
        assert set(one.answers) >= {"version-1", "version-3"}
    assert set(asker.answers()) >= {"version-1", "version-3"}
    assert set(asker.answers()) <= {"version-1", "version-2", "version-3"}


def test_a_broken_version_stops_and_undo_repairs_it(space: Space) -> None:
    space.apply(web(1))
    space.rolled_out("deployment/web")
    with Load((space.cluster_ip(), 80), PATIENCE) as load:
        space.apply(web(2, tag="never-built"))
        stuck = "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull"
        broken = eventually(lambda: [name for name, image in images(space) if image.endswith("built")], "it is tried")[
            0
        ]
        space.wait(f"pod/{broken}", stuck)
        assert space.kubectl("rollout", "status", "deployment/web", "--timeout=1s", check=False).returncode != 0
        assert space.field("deployment/web", ".status.availableReplicas") == "3"
        asked(load)
        space.ok("rollout", "undo", "deployment/web")
        space.rolled_out("deployment/web")
        space.wait(f"pod/{broken}", "delete")
        asked(load)
    assert (load.failures, set(load.answers)) == ({}, {"version-1"})
    assert [image for _, image in images(space)] == ["busybox:latest"] * 3


def images(space: Space) -> list[tuple[str, str]]:
    return [(pod["metadata"]["name"], pod["spec"]["containers"][0]["image"]) for pod in space.pods()]


def test_the_daemon_is_killed_in_the_middle(space: Space) -> None:
    space.apply(web(1, replicas=4))
    space.rolled_out("deployment/web")
    corral = space.fleet.corral
    with Load((space.cluster_ip(), 80), PATIENCE) as load:
        space.apply(web(2, replicas=4))
        eventually(lambda: load.seen().get("version-2"), "the first new pod serves", seconds=60)
        corral.kill()
        asked(load)
        corral.start()
        space.rolled_out("deployment/web")
        asked(load)
    assert load.failures == {}
    eventually(lambda: len(space.pods()) == 4, lambda: f"four are left: {len(space.pods())}")
    assert all("version-2" in pod["spec"]["containers"][0]["command"][2] for pod in space.pods())
