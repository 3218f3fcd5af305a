"""What stands before pods: a LoadBalancer that answers, and policies that close doors."""

from __future__ import annotations

import pytest

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

    def answer(name: str) -> int:
        call = ("exec", name, "--", "wget", "-q", "-T", "1", "-O", "-", f"http://{space.cluster_ip()}/")
        return space.kubectl(*call, check=False).returncode

    eventually(lambda: answer("stranger") == 0, "without a policy everybody is let in")
    space.apply(CLOSED)
    eventually(lambda: answer("stranger") != 0, "a stranger is kept out")
    assert answer("friend") == 0
    space.ok("delete", "networkpolicy", "friends-only")
    eventually(lambda: answer("stranger") == 0, "the door is open again")
