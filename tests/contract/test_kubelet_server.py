"""Who may ask a kubelet directly, and what for: certificates and tokens, by the API server's word."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator

import pytest

from tests.support.fake_kubelet import FakeKubelet
from tests.support.kubernetes import LiveKubernetes, Namespace
from tests.support.streaming import Refused, SocketClient

pytestmark = pytest.mark.timeout(60)
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
def kubelet(cluster: LiveKubernetes, ns: Namespace) -> Iterator[FakeKubelet]:
    made: FakeKubelet = cluster.run(FakeKubelet.open(cluster, f"node-{ns.name}", certified="127.0.0.1"))
    made.register()
    yield made
    cluster.run(made.close())


def context(cluster: LiveKubernetes, identity: str = "") -> ssl.SSLContext:
    return cluster._client_context(identity)


def ask(kubelet: FakeKubelet, used: ssl.SSLContext, path: str, token: str = "") -> tuple[int, str]:
    client = http.client.HTTPSConnection("127.0.0.1", kubelet.port, context=used, timeout=60)
    client.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = client.getresponse()
    found = answer.status, answer.read().decode()
    client.close()
    return found


def test_certificates(cluster: LiveKubernetes, kubelet: FakeKubelet) -> None:
    assert ask(kubelet, context(cluster), "/healthz") == (401, "Unauthorized")
    assert ask(kubelet, context(cluster, str(cluster._pki.admin)), "/healthz") == (200, "ok")
    assert ask(kubelet, context(cluster, str(cluster._pki.kubelet_client)), "/healthz") == (200, "ok")
    with pytest.raises((ssl.SSLError, ConnectionError)):  # another authority has signed it
        ask(kubelet, context(cluster, str(cluster._pki.front_proxy_client)), "/healthz")


def test_tokens_and_what_they_may(cluster: LiveKubernetes, ns: Namespace, kubelet: FakeKubelet) -> None:
    path = ns.path("serviceaccounts", "default", "token")
    token = cluster.admin.ok("POST", path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    plain = context(cluster)
    assert ask(kubelet, plain, "/healthz", "nonsense") == (401, "Unauthorized")
    status, text = ask(kubelet, plain, "/metrics/resource", token)
    who = f"system:serviceaccount:{ns.name}:default"
    assert (status, text) == (403, f"Forbidden (user={who}, verb=get, resource=nodes, subresource(s)=[metrics])")

    rules = [{"apiGroups": [""], "resources": ["nodes/pods", "nodes/proxy"], "verbs": ["get"]}]
    cluster.admin.ok("POST", f"{RBAC}/clusterroles", {"metadata": {"name": f"look-{ns.name}"}, "rules": rules})
    binding = {
        "metadata": {"name": f"look-{ns.name}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"look-{ns.name}"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": ns.name}],
    }
    cluster.admin.ok("POST", f"{RBAC}/clusterrolebindings", binding)
    assert ask(kubelet, plain, "/pods", token)[0] == 200
    # Who may look must not run anything, though a web socket begins with a GET.
    target = f"/exec/{ns.name}/web/main?command=id&output=1"
    with pytest.raises(Refused, match="verb=create") as refused:
        SocketClient(kubelet.port, plain, target, "v5.channel.k8s.io", headers={"Authorization": f"Bearer {token}"})
    assert refused.value.status == 403


def test_what_is_not_there(cluster: LiveKubernetes, ns: Namespace, kubelet: FakeKubelet) -> None:
    admin = context(cluster, str(cluster._pki.admin))
    ns.create("pods", {"metadata": {"name": "web"}, "spec": {"nodeName": kubelet.name, "containers": [
        {"name": "main", "image": "busybox"}]}})  # fmt: skip
    uid = cluster.admin.get(ns.path("pods", "web"))["metadata"]["uid"]
    assert ask(kubelet, admin, f"/containerLogs/{ns.name}/web/{uid}/main") == (200, "one\ntwo\n")
    assert ask(kubelet, admin, f"/containerLogs/{ns.name}/web/other/main") == (404, 'pods "web" not found')
    assert ask(kubelet, admin, f"/containerLogs/{ns.name}/none/main") == (404, 'pods "none" not found')
    assert ask(kubelet, admin, "/containerLogs/x")[0] == 404
    assert ask(kubelet, admin, f"/exec/{ns.name}/web/main") == (400, "Upgrade request required")
    assert ask(kubelet, admin, "/stats/container")[0] == 404
    assert ask(kubelet, admin, "/run/x") == (404, "404 page not found: a kubelet here does not serve /run\n")
