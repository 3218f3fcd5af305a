"""What paths mean: the table of upstream's RequestInfo, and its odd ends."""

from __future__ import annotations

import pytest

from corral.cluster.apiserver.paths import exact_name, parse_request
from corral.http.query import Query


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        # verb, group, version, resource, subresource, namespace, name
        ("GET", "/api/v1/namespaces", "", ("list", "", "v1", "namespaces", "", "", "")),
        ("GET", "/api/v1/namespaces/other", "", ("get", "", "v1", "namespaces", "", "other", "other")),
        ("GET", "/api/v1/namespaces/other/pods", "", ("list", "", "v1", "pods", "", "other", "")),
        ("HEAD", "/api/v1/namespaces/other/pods/foo", "", ("get", "", "v1", "pods", "", "other", "foo")),
        ("GET", "/api/v1/pods", "", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", "watch=1", ("watch", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", "watch", ("watch", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", "watch=False", ("list", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/watch/pods", "", ("watch", "", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/watch/namespaces/other/pods/foo", "", ("watch", "", "v1", "pods", "", "other", "foo")),
        ("GET", "/api/v1/proxy/namespaces/other/pods/foo", "", ("proxy", "", "v1", "pods", "", "other", "foo")),
        ("POST", "/api/v1/namespaces/other/pods", "", ("create", "", "v1", "pods", "", "other", "")),
        ("DELETE", "/api/v1/namespaces/other/pods", "", ("deletecollection", "", "v1", "pods", "", "other", "")),
        ("PUT", "/api/v1/namespaces/ns/finalize", "", ("update", "", "v1", "namespaces", "finalize", "ns", "ns")),
        ("PUT", "/api/v1/namespaces/ns/status", "", ("update", "", "v1", "namespaces", "status", "ns", "ns")),
        ("GET", "/api/v1/namespaces/a/pods/b/proxy/x/y", "", ("get", "", "v1", "pods", "proxy", "a", "b")),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b", "", ("patch", "apps", "v1", "deployments", "", "a", "b")),
        ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/x", "", (
            "get", "rbac.authorization.k8s.io", "v1", "clusterroles", "", "", "x")),
        ("TRACE", "/api/v1/pods", "", ("", "", "v1", "pods", "", "", "")),
    ],
)  # fmt: skip
def test_resources(method: str, path: str, query: str, expected: tuple[str, ...]) -> None:
    found = parse_request(method, path, Query(query))
    assert (
        found.verb,
        found.group,
        found.version,
        found.resource,
        found.subresource,
        found.namespace,
        found.name,
    ) == expected


@pytest.mark.parametrize(
    "path",
    ["/", "", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/healthz/ping", "/x/y/z/u"],
)
def test_paths_that_are_no_resources(path: str) -> None:
    found = parse_request("GET", path, Query())
    assert (found.resource, found.verb, found.path) == ("", "get", path)


def test_what_follows_a_subresource() -> None:
    assert parse_request("GET", "/api/v1/namespaces/a/pods/b/proxy/x/y", Query()).rest == ("x", "y")


def test_selectors_are_part_of_what_is_asked() -> None:
    found = parse_request("GET", "/api/v1/pods", Query("labelSelector=a%3Db&fieldSelector=metadata.name%3Dweb"))
    assert (found.label_selector, found.field_selector, found.name) == ("a=b", "metadata.name=web", "web")
    legacy = parse_request("GET", "/api/v1/watch/pods", Query("labelSelector=a%3Db"))
    assert legacy.label_selector == ""


def test_a_name_that_is_no_segment_of_a_path() -> None:
    assert [exact_name(f"metadata.name={name}") for name in ("..", "a/b", "a%b", "a")] == ["", "", "", "a"]
