"""What ends takes along what belongs to it: owners, namespaces, the instance."""

from __future__ import annotations

import pytest

from corral.testing import Isolated
from tests.support.fleet import KUBECTL, Fleet, Space, web
from tests.support.instance import SETTINGS, Instance
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.ahead.with_args(KUBECTL)]

CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: disk, persistentVolumeClaim: {claimName: disk}}]
  containers: [{name: main, image: busybox, imagePullPolicy: Never, command: [sleep, "1000"],
    volumeMounts: [{name: disk, mountPath: /disk}]}]
"""
KINDS = "pods,replicasets,deployments,services,endpointslices,configmaps,persistentvolumeclaims,serviceaccounts"


def test_a_namespace_takes_all_along(fleet: Fleet) -> None:
    space = Space(fleet, "ending")
    fleet.ok("create", "namespace", "ending")
    space.apply(web(1))
    space.apply(CLAIM)
    space.rolled_out("deployment/web")
    space.wait("pod/writer", "condition=Ready")
    volume = space.field("pvc/disk", ".spec.volumeName")
    fleet.ok("delete", "namespace", "ending", "--timeout=60s")
    assert space.ok("get", KINDS) == ""
    fleet.ok("wait", f"persistentvolume/{volume}", "--for=delete", "--timeout=20s")
    assert "ending" not in fleet.ok("get", "namespaces", "-o", "name")


def test_background_foreground_and_orphan(space: Space) -> None:
    space.apply(web(1, replicas=2))
    space.rolled_out("deployment/web")
    space.ok("delete", "deployment/web", "--cascade=orphan")
    orphan = space.field("replicaset", ".items[0].metadata.name")
    eventually(lambda: space.field(f"replicaset/{orphan}", ".metadata.ownerReferences") == "", "it has no owner")
    assert len(space.pods()) == 2
    space.apply(web(1, replicas=2))
    space.rolled_out("deployment/web")
    assert space.field("replicaset", ".items[*].metadata.name") == orphan, "the new one takes it over"
    space.ok("delete", "deployment/web", "--cascade=foreground", "--timeout=60s")
    assert space.ok("get", "pods,replicasets") == "", "when the owner is gone, all are"
    space.apply(web(1, replicas=2))
    space.rolled_out("deployment/web")
    space.ok("delete", "deployment/web")
    eventually(lambda: space.ok("get", "pods,replicasets") == "", "what it owned follows", seconds=20)


def test_the_instance_leaves_no_trace() -> None:
    """`down --all` after a fleet with a Service, a volume and a killed daemon."""
    with Isolated() as corral:
        subject = Instance(corral.root)
        fleet = Fleet(corral)
        space = Space(fleet, "default")
        space.apply(web(1, kind="LoadBalancer"))
        space.apply(CLAIM)
        space.rolled_out("deployment/web")
        space.wait("pod/writer", "condition=Ready")
        corral.kill()
        busy = subject.footprint()
        assert busy.mounts and busy.links and busy.tables and busy.processes, "there is much to take away"
        (corral.root / "config.toml").write_text(SETTINGS)
        corral.corral("down", "--all")
        eventually(
            lambda: not any(vars(subject.footprint()).values()), lambda: f"nothing is left: {subject.footprint()}"
        )
        assert subject.leftovers() == []
