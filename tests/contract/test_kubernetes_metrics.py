"""metrics.k8s.io: what pods and nodes use, as `kubectl top` and autoscalers ask for it. Nothing of it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client.usage import NodeUsage, PodUsage, Report, Used
from tests.support.kubernetes import PARTIAL_LIST, TABLE, LiveKubernetes, Namespace

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
ROOT = "/apis/metrics.k8s.io/v1beta1"
MEBI = 1 << 20


class Meter:
    """Says what the test wants."""

    def __init__(self) -> None:
        self.report = Report()

    async def measure(self) -> Report:
        return self.report


@pytest.fixture(scope="module")
def meter() -> Meter:
    return Meter()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, meter: Meter) -> Iterator[LiveKubernetes]:
    with LiveKubernetes(tmp_path_factory.mktemp("metrics")) as made:
        made.run(made.api.serve_metrics(meter))
        yield made


@pytest.fixture(scope="module")
def shop(live: LiveKubernetes, meter: Meter) -> Namespace:
    """Three pods: `web` and `api` run, `late` does not; `ghost` is measured and not there. And two nodes."""
    found = Namespace(live, "shop")
    for name, phase in (("web", "Running"), ("api", "Running"), ("late", "Pending")):
        found.pod(name, labels={"app": name})
        status = {"status": {"phase": phase}}
        assert found.admin.patch(found.path("pods", name, "status"), status).status == 200
    found.admin.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n1", "labels": {"disk": "ssd"}}})
    found.admin.ok("POST", "/api/v1/nodes", {"metadata": {"name": "n2"}})
    containers = {"side": Used(1_234_567, 3 * MEBI), "main": Used(250_000_000, 204 * 1024)}
    pods = [PodUsage("shop", name, AT, 15.0, containers) for name in ("web", "late", "api", "ghost")]
    pods.append(PodUsage("other", "web", AT, 15.0, containers))
    nodes = (NodeUsage("n1", AT, 60.25, Used(10**9, 1 << 30)), NodeUsage("gone", AT, 1.0, Used(1, 1)))
    meter.report = Report(nodes, tuple(pods))
    return found


def names(found: Any) -> list[str]:
    return [one["metadata"]["name"] for one in found["items"]]


def test_one_pod(shop: Namespace) -> None:
    found = shop.admin.get(f"{ROOT}/namespaces/shop/pods/web")
    metadata = found.pop("metadata")
    assert (metadata["name"], metadata["namespace"], metadata["labels"]) == ("web", "shop", {"app": "web"})
    assert "resourceVersion" not in metadata and "uid" not in metadata
    assert found == {
        "kind": "PodMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "timestamp": "2026-01-02T03:04:05Z",
        "window": "15s",
        "containers": [
            {"name": "main", "usage": {"cpu": "250m", "memory": "204Ki"}},
            {"name": "side", "usage": {"cpu": "1234567n", "memory": "3Mi"}},
        ],
    }


def test_pods_that_run_are_listed_in_order(shop: Namespace) -> None:
    found = shop.admin.get(f"{ROOT}/namespaces/shop/pods")
    assert (found["kind"], found["metadata"], names(found)) == ("PodMetricsList", {}, ["api", "web"])
    assert "kind" not in found["items"][0]
    assert names(shop.admin.get(f"{ROOT}/pods")) == ["api", "web"]
    assert names(shop.admin.get(f"{ROOT}/namespaces/other/pods")) == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("labelSelector=app%3Dweb", ["web"]),
        ("labelSelector=app%20notin%20(web)", ["api"]),
        ("fieldSelector=metadata.name%3Dapi", ["api"]),
        ("labelSelector=app%3Ddb", []),
        ("limit=1&resourceVersion=0", ["api", "web"]),
    ],
)
def test_selectors(shop: Namespace, query: str, expected: list[str]) -> None:
    assert names(shop.admin.get(f"{ROOT}/namespaces/shop/pods?{query}")) == expected


def test_nodes(shop: Namespace) -> None:
    found = shop.admin.get(f"{ROOT}/nodes?labelSelector=disk%3Dssd")
    assert (found["kind"], names(found)) == ("NodeMetricsList", ["n1"])
    assert found["items"][0]["usage"] == {"cpu": "1", "memory": "1Gi"} and found["items"][0]["window"] == "1m0.25s"
    assert shop.admin.get(f"{ROOT}/nodes/n1")["kind"] == "NodeMetrics"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("namespaces/shop/pods/late", 'podmetrics.metrics.k8s.io "shop/late" not found'),
        ("namespaces/shop/pods/ghost", 'pods "ghost" not found'),
        ("nodes/n2", 'nodemetrics.metrics.k8s.io "n2" not found'),
        ("nodes/gone", 'nodes "gone" not found'),
    ],
)
def test_what_is_not_measured_and_what_is_not_there(shop: Namespace, path: str, text: str) -> None:
    assert shop.admin.ask("GET", f"{ROOT}/{path}").told == (404, "NotFound", text)


@pytest.mark.parametrize(("method", "tail"), [("DELETE", "/web"), ("POST", ""), ("GET", "?watch=true")])
def test_it_can_only_be_read(shop: Namespace, method: str, tail: str) -> None:
    found = shop.admin.ask(method, f"{ROOT}/namespaces/shop/pods{tail}", {} if method == "POST" else None)
    assert found.told[:2] == (405, "MethodNotAllowed")


def test_tables_and_metadata(shop: Namespace) -> None:
    table = shop.admin.get(f"{ROOT}/namespaces/shop/pods", accept=TABLE)
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    assert table["rows"][0]["cells"] == ["api", "251234567n", "3276Ki", "15s"]
    partial = shop.admin.get(f"{ROOT}/nodes", accept=PARTIAL_LIST)
    assert partial["kind"] == "PartialObjectMetadataList" and names(partial) == ["n1"]


def test_discovery_and_openapi_know_it(shop: Namespace) -> None:
    groups = {one["name"]: one for one in shop.admin.get("/apis")["groups"]}
    assert groups["metrics.k8s.io"]["preferredVersion"]["groupVersion"] == "metrics.k8s.io/v1beta1"
    listed = shop.admin.get(ROOT)["resources"]
    assert [(one["name"], one["kind"], one["namespaced"], one["verbs"]) for one in listed] == [
        ("nodes", "NodeMetrics", False, ["get", "list"]),
        ("pods", "PodMetrics", True, ["get", "list"]),
    ]
    schemas = shop.admin.get(f"/openapi/v3{ROOT}")["components"]["schemas"]
    pod = schemas["io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics"]
    assert sorted(pod["required"]) == ["containers", "timestamp", "window"]
    assert pod["x-kubernetes-group-version-kind"] == [
        {"group": "metrics.k8s.io", "kind": "PodMetrics", "version": "v1beta1"}
    ]
    assert schemas["io.k8s.apimachinery.pkg.apis.meta.v1.Duration"]["type"] == "string"
    assert "io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetricsList" in schemas
    assert f"{ROOT}/namespaces/{{namespace}}/pods/{{name}}" in shop.admin.get("/openapi/v2")["paths"]


def test_an_api_service_says_that_it_is_served(shop: Namespace) -> None:
    found = shop.admin.get("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io")
    assert found["spec"]["group"] == "metrics.k8s.io" and "service" not in found["spec"]
    condition = found["status"]["conditions"][0]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")


def test_to_serve_it_again_writes_nothing(live: LiveKubernetes, shop: Namespace, meter: Meter) -> None:
    path = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"
    before = shop.admin.get(path)
    live.run(live.api.serve_metrics(meter))
    assert shop.admin.get(path) == before


def test_who_may_view_a_namespace_may_see_it(shop: Namespace) -> None:
    role = shop.admin.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregated-metrics-reader")
    assert role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    jane = shop.admin.acting(impersonate_user="jane")
    path = f"{ROOT}/namespaces/shop/pods"
    assert jane.ask("GET", path).status == 403
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}
    bound = {"metadata": {"name": "jane"}, "roleRef": ref, "subjects": [subject]}
    shop.create("rolebindings", bound, "rbac.authorization.k8s.io/v1")
    assert names(jane.get(path)) == ["api", "web"]
    jane.close()


def test_without_a_meter_there_is_no_such_group(ns: Namespace) -> None:
    answer = ns.admin.ask("GET", f"{ROOT}/nodes")
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


def test_a_meter_of_none_is_an_empty_list(tmp_path: Path) -> None:
    from corral.cluster.client.usage import Meters

    with LiveKubernetes(tmp_path) as made:
        made.run(made.api.serve_metrics(Meters()))
        assert made.admin.get(f"{ROOT}/pods")["items"] == []
