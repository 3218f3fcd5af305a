"""Discovery documents: what clients learn of groups, versions and resources."""

from __future__ import annotations

from corral.model.kubernetes import discovery
from corral.model.kubernetes.resources import GroupVersionKind, Resource, Subresource
from corral.model.kubernetes.schema import builtin

STATUS = Subresource("status", GroupVersionKind("example.com", "v1", "Widget"), ("get", "patch", "update"))
WIDGETS = Resource(
    "example.com", "v1", "widgets", "widget", "Widget", "WidgetList", True,
    short_names=("wd",), categories=("all",), subresources=(STATUS,),
)  # fmt: skip
BETA = Resource("example.com", "v1beta1", "widgets", "widget", "Widget", "WidgetList", True)
EVERY = (*builtin().resources, WIDGETS, BETA)


def test_the_root_names_the_server() -> None:
    found = discovery.api_versions("10.0.0.1:6443")
    assert found["versions"] == ["v1"]
    assert found["serverAddressByClientCIDRs"] == [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}]


def test_groups_and_versions_stand_in_order_and_the_first_version_is_preferred() -> None:
    groups = {one["name"]: one for one in discovery.group_list(EVERY)["groups"]}
    assert list(groups)[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"] and list(groups)[-1] == "example.com"
    assert "" not in groups
    assert groups["autoscaling"]["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}
    assert [one["version"] for one in groups["example.com"]["versions"]] == ["v1", "v1beta1"]
    other = discovery.group([BETA, WIDGETS], "example.com")
    assert other is not None and other["preferredVersion"]["version"] == "v1beta1"
    assert [one["version"] for one in discovery.aggregated([BETA, WIDGETS], core=False)["items"][0]["versions"]] == [
        "v1beta1", "v1"
    ]  # fmt: skip
    assert discovery.group(EVERY, "apps") == {"kind": "APIGroup", "apiVersion": "v1", **groups["apps"]}
    assert discovery.group(EVERY, "nothing.here") is None


def test_resources_and_subresources_are_listed_by_name() -> None:
    found = discovery.resource_list(EVERY, "", "v1")
    assert found is not None and found["groupVersion"] == "v1"
    names = [one["name"] for one in found["resources"]]
    assert names == sorted(names) and "pods/eviction" in names and "namespaces/finalize" in names
    entries = {one["name"]: one for one in found["resources"]}
    assert entries["pods"] == {
        "name": "pods",
        "singularName": "pod",
        "namespaced": True,
        "kind": "Pod",
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
        "shortNames": ["po"],
        "categories": ["all"],
        "storageVersionHash": "xPOwRZ+Yhw8=",
    }
    assert entries["pods/eviction"] == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    }
    assert "storageVersionHash" not in entries["bindings"]
    assert discovery.resource_list(EVERY, "apps", "v1beta1") is None


def test_what_is_stored_elsewhere_has_the_hash_of_there() -> None:
    events, core = discovery.resource_list(EVERY, "events.k8s.io", "v1"), discovery.resource_list(EVERY, "", "v1")
    assert events is not None and core is not None
    hashes = {
        one["storageVersionHash"] for one in (*events["resources"], *core["resources"]) if one["name"] == "events"
    }
    assert hashes == {"r2yiGXH7wu8="}


def test_aggregated_discovery_has_everything_at_once() -> None:
    core = discovery.aggregated(EVERY, core=True)
    assert [one["metadata"]["name"] for one in core["items"]] == [""]
    others = discovery.aggregated(EVERY, core=False, version="v2beta1")
    assert others["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    widgets = next(one for one in others["items"] if one["metadata"]["name"] == "example.com")
    assert [one["version"] for one in widgets["versions"]] == ["v1", "v1beta1"]
    assert widgets["versions"][0]["freshness"] == "Current"
    assert widgets["versions"][0]["resources"] == [
        {
            "resource": "widgets",
            "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
            "scope": "Namespaced",
            "singularResource": "widget",
            "verbs": list(WIDGETS.verbs),
            "shortNames": ["wd"],
            "categories": ["all"],
            "subresources": [
                {
                    "subresource": "status",
                    "responseKind": {"group": "example.com", "version": "v1", "kind": "Widget"},
                    "verbs": ["get", "patch", "update"],
                }
            ],
        }
    ]


def test_clients_say_which_form_they_want() -> None:
    kubectl = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
    older = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
    protobuf = "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert discovery.plan_format(kubectl) == "v2"
    assert discovery.plan_format(older) == "v2beta1"
    assert discovery.plan_format(f"{protobuf},{kubectl}") == "v2"
    assert discovery.plan_format(f"application/json,{kubectl}") == ""
    for accept in ("", "*/*", protobuf, "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList"):
        assert discovery.plan_format(accept) == ""


def test_an_etag_tells_editions_apart() -> None:
    assert discovery.etag(b"a") != discovery.etag(b"b") and discovery.etag(b"a")[0] == '"'
