"""What stands before pods: a LoadBalancer that answers, and policies that close doors."""

from __future__ import annotations

import pytest

from corral.errors import HostError
from demo.load import ask
from tests.support.fleet import KUBECTL, Space, web
from tests.support.wait import eventually

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.ahead.with_args(KUBECTL)]

CLOSED = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: friends-only}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {matchLabels: {friend: "yes"}}}], ports: [{port: 8000}]}]
"""
CALLER = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{friend: "{friend}"}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{{name: main, image: busybox, imagePullPolicy: Never, command: [sleep, "1000"]}}]
"""


def test_a_load_balancer_answers(space: Space) -> None:
    space.apply(web(1, replicas=1, kind="LoadBalancer"))
    space.rolled_out("deployment/web")
    space.wait("service/web", "jsonpath={.status.loadBalancer.ingress[0].ip}")
    address = space.field("service/web", ".status.loadBalancer.ingress[0].ip")
    assert eventually(lambda: ask((address, 80)), "it answers") == "version-1"


def test_a_network_policy_denies(space: Space) -> None:
    space.apply(web(1, replicas=1))
    for name, friend in (("friend", "yes"), ("stranger", "no")):
        space.apply(CALLER.format(name=name, friend=friend))
    space.rolled_out("deployment/web")
    for name in ("friend", "stranger"):
        space.wait(f"pod/{name}", "condition=Ready")

    address = space.cluster_ip()

    def let_in(name: str, seconds: int = 20) -> bool:
        """`seconds`: how long who is let in may have to wait for a busy machine."""
        asking = ("timeout", str(seconds), "wget", "-q", "-O", "-", f"http://{address}/")
        try:
            return space.inside(name, *asking) == "version-1"
        except HostError:
            return False

    eventually(lambda: let_in("stranger"), "without a policy everybody is let in", seconds=60)
    space.apply(CLOSED)
    eventually(lambda: not let_in("stranger", 1), "a stranger is kept out")
    assert let_in("friend")
    space.ok("delete", "networkpolicy", "friends-only")
    eventually(lambda: let_in("stranger"), "the door is open again", seconds=60)
