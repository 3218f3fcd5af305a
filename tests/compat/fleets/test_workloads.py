"""The other kinds of workloads: what they promise beyond a number of pods."""

from __future__ import annotations

import pytest

from tests.support.fleet import KUBECTL, Space, web
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.ahead.with_args(KUBECTL)]

STATEFUL = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: busybox
        imagePullPolicy: Never
        command: [sleep, "1000"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: sums}
spec:
  completions: 3
  parallelism: 3
  completionMode: Indexed
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox, imagePullPolicy: Never,
    command: [sh, -c, "echo index $JOB_COMPLETION_INDEX"]}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: vain}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox, imagePullPolicy: Never,
    command: [sh, -c, "exit 3"]}]}}
"""
DAEMON = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: main, image: busybox, imagePullPolicy: Never, command: [sleep, "1000"]}]
"""


def test_a_stateful_set_keeps_names_and_data(space: Space) -> None:
    space.apply(STATEFUL)
    space.rolled_out("statefulset/db")
    assert [pod["metadata"]["name"] for pod in space.pods("db")] == ["db-0", "db-1"]
    space.inside("db-1", "sh", "-c", "echo kept >/data/file")
    before = space.field("pod/db-1", ".metadata.uid")
    space.ok("delete", "pod", "db-1")
    eventually(lambda: space.field("pod/db-1", ".metadata.uid") != before, "it comes back by its name")
    space.wait("pod/db-1", "condition=Ready")
    assert space.inside("db-1", "cat", "/data/file") == "kept"
    found = space.inside("db-1", "nslookup", f"db-0.db.{space.name}.svc.cluster.local")
    assert space.field("pod/db-0", ".status.podIP") in found
    space.ok("scale", "statefulset/db", "--replicas=1")
    space.wait("pod/db-1", "delete")
    assert {claim["metadata"]["name"] for claim in space.get("pvc")["items"]} == {"data-db-0", "data-db-1"}


def test_jobs_complete_and_fail(space: Space) -> None:
    space.apply(JOB)
    space.wait("job/sums", "condition=Complete")
    pods = space.ok("get", "pods", "-l", "job-name=sums", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert sorted(space.logs(pod) for pod in pods) == ["index 0", "index 1", "index 2"]
    space.wait("job/vain", "condition=Failed")
    assert space.field("job/vain", ".status.conditions[?(@.type=='Failed')].reason") == "BackoffLimitExceeded"


def test_a_daemon_set_has_one_pod_a_node(space: Space) -> None:
    space.apply(DAEMON)
    space.rolled_out("daemonset/agent")
    assert [pod["spec"]["nodeName"] for pod in space.pods("agent")] == space.ok(
        "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"
    ).split()
    space.ok("set", "env", "daemonset/agent", "EDITION=2")
    space.rolled_out("daemonset/agent")
    eventually(lambda: len(space.pods("agent")) == 1, "the old one is gone")
    assert space.inside(space.pods("agent")[0]["metadata"]["name"], "sh", "-c", "echo $EDITION") == "2"


def test_an_autoscaler_keeps_to_its_bounds(space: Space) -> None:
    """Without metrics it cannot tell the load, and says so; what is below its least number it raises."""
    space.apply(web(1, replicas=1))
    space.ok("autoscale", "deployment/web", "--min=2", "--max=4", "--cpu=50%")
    space.wait("deployment/web", "jsonpath={.spec.replicas}=2")
    space.rolled_out("deployment/web")
    space.wait("hpa/web", "condition=AbleToScale")
    assert (space.field("hpa/web", ".status.desiredReplicas"), len(space.pods())) == ("2", 2)


def test_a_cron_job_keeps_the_time(fleet: object, space: Space) -> None:
    """That of conftest.py was asked for before all other tests."""
    default = Space(space.fleet, "default")
    jobs = eventually(lambda: default.get("jobs")["items"], "its minute comes", seconds=90, step=0.2)
    job = max((one["metadata"] for one in jobs), key=lambda one: one["name"])  # the newest: old ones are taken away
    assert job["ownerReferences"][0]["name"] == "minutes"
    default.wait(f"job/{job['name']}", "condition=Complete")
    pods = default.get("pods", "-l", f"job-name={job['name']}")["items"]
    assert [default.logs(pod["metadata"]["name"]) for pod in pods] == ["it is time"]
