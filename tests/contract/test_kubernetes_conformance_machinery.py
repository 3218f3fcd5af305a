"""The behaviours of Kubernetes' conformance list for the API's machinery: one case each, said in our own words."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.kubernetes import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    PARTIAL_LIST,
    TABLE,
    LiveKubernetes,
    Namespace,
)

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}


# Discovery


def test_preferred_versions_are_served(cluster: LiveKubernetes) -> None:
    """Discovery: the preferred version of each group is one of its versions, and has resources."""
    for group in cluster.admin.get("/apis")["groups"]:
        assert group["preferredVersion"] in group["versions"], group
        version = group["preferredVersion"]["groupVersion"]
        answer = cluster.admin.ask("GET", f"/apis/{version}")
        if answer.status == 404:  # a definition that another test deleted went just now: its group has gone, too
            assert group["name"] not in [one["name"] for one in cluster.admin.get("/apis")["groups"]]
            continue
        assert answer.json["resources"], version


@pytest.mark.parametrize(
    ("version", "resource"),
    [
        ("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
        ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
        ("apiregistration.k8s.io/v1", "apiservices"),
        ("apps/v1", "deployments"),
        ("authentication.k8s.io/v1", "tokenreviews"),
        ("authorization.k8s.io/v1", "selfsubjectaccessreviews"),
        ("autoscaling/v1", "horizontalpodautoscalers"),
        ("autoscaling/v2", "horizontalpodautoscalers"),
        ("batch/v1", "jobs"),
        ("certificates.k8s.io/v1", "certificatesigningrequests"),
        ("coordination.k8s.io/v1", "leases"),
        ("discovery.k8s.io/v1", "endpointslices"),
        ("events.k8s.io/v1", "events"),
        ("networking.k8s.io/v1", "ingresses"),
        ("node.k8s.io/v1", "runtimeclasses"),
        ("policy/v1", "poddisruptionbudgets"),
        ("rbac.authorization.k8s.io/v1", "clusterroles"),
        ("scheduling.k8s.io/v1", "priorityclasses"),
        ("storage.k8s.io/v1", "csinodes"),
    ],
)
def test_each_group_tells_its_resources(cluster: LiveKubernetes, version: str, resource: str) -> None:
    """Discovery: /apis, the group and the version lead to one another, and the version names the resource."""
    name = version.partition("/")[0]
    listed = next(group for group in cluster.admin.get("/apis")["groups"] if group["name"] == name)
    assert cluster.admin.get(f"/apis/{name}")["versions"] == listed["versions"]
    assert version in [one["groupVersion"] for one in listed["versions"]]
    found = cluster.admin.get(f"/apis/{version}")
    assert found["groupVersion"] == version and resource in [one["name"] for one in found["resources"]]


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_discovery_in_one_piece(cluster: LiveKubernetes, path: str) -> None:
    """Aggregated discovery: every group, version and resource of the plain documents in one, and its own media type."""
    answer = cluster.admin.ask("GET", path, headers={"Accept": AGGREGATED})
    assert answer.headers["content-type"] == AGGREGATED and answer.json["kind"] == "APIGroupDiscoveryList"
    for group in answer.json["items"]:
        for version in group["versions"]:
            base = f"/apis/{group['metadata']['name']}" if path == "/apis" else "/api"
            plain = cluster.admin.get(f"{base}/{version['version']}")["resources"]
            names = {one["name"] for one in plain if "/" not in one["name"]}
            assert {one["resource"] for one in version["resources"]} == names


def test_the_server_tells_its_version(cluster: LiveKubernetes) -> None:
    """Server version: major and minor are numbers."""
    found = cluster.admin.get("/version")
    assert found["major"].isdigit() and found["minor"].rstrip("+").isdigit()


# Tables


def test_rows_of_pods(ns: Namespace) -> None:
    """Tables: pods come as rows whose cells go with the columns, in pieces too."""
    for name in ("a", "b", "c"):
        ns.pod(name)
    found = ns.admin.get(f"{ns.path('pods')}?limit=2", accept=TABLE)
    assert [column["name"] for column in found["columnDefinitions"]][:3] == ["Name", "Ready", "Status"]
    assert [row["cells"][0] for row in found["rows"]] == ["a", "b"]
    assert all(len(row["cells"]) == len(found["columnDefinitions"]) for row in found["rows"])
    assert found["metadata"]["continue"] and found["metadata"]["remainingItemCount"] == 1


def test_no_table_of_what_has_no_rows(cluster: LiveKubernetes) -> None:
    """Tables: a review is no list of objects; who wants only a table of it gets 406."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    body = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    only = "application/json;as=Table;v=v1;g=meta.k8s.io"
    assert cluster.admin.ask("POST", path, body, {"Accept": only}).status == 406


def test_metadata_alone(ns: Namespace) -> None:
    """Metadata: lists and single objects without all else."""
    ns.config("a", {"k": "v"})
    found = ns.admin.get(ns.path("configmaps"), accept=PARTIAL_LIST)
    assert [set(one) for one in found["items"]] == [{"metadata"}] or all("data" not in one for one in found["items"])


# Chunking


def test_lists_in_chunks(ns: Namespace) -> None:
    """Chunking: pieces of at most `limit`, all of one revision, tell what remains; together they are the whole."""
    for number in range(11):
        ns.create("podtemplates", pod_template(f"t-{number:02}"))
    seen, token, revisions = [], "", set()
    while True:
        page = ns.admin.get(f"{ns.path('podtemplates')}?limit=4&continue={token}")
        seen += [one["metadata"]["name"] for one in page["items"]]
        revisions.add(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue", "")
        assert page["metadata"].get("remainingItemCount", 0) == 11 - len(seen)
        if not token:
            break
    assert seen == [f"t-{number:02}" for number in range(11)] and len(revisions) == 1


def test_a_chunk_of_a_forgotten_revision(ns: Namespace) -> None:
    """Chunking: once the list's revision is compacted, 410 has a token to go on with, if not consistently."""
    for number in range(4):
        ns.create("podtemplates", pod_template(f"t-{number}"))
    page = ns.admin.get(f"{ns.path('podtemplates')}?limit=2")
    ns.create("podtemplates", pod_template("t-9"))
    ns.cluster.run(ns.cluster.store.compact(ns.cluster.store.revision))
    answer = ns.admin.ask("GET", f"{ns.path('podtemplates')}?limit=2&continue={page['metadata']['continue']}")
    assert answer.told[:2] == (410, "Expired")
    rest = ns.admin.get(f"{ns.path('podtemplates')}?continue={answer.json['metadata']['continue']}")
    assert [one["metadata"]["name"] for one in rest["items"]] == ["t-2", "t-3", "t-9"]


def pod_template(name: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {"metadata": {"name": name, "labels": {"set": "x"}}, "template": pod}


# Watchers


def test_watches_see_what_they_select(ns: Namespace) -> None:
    """Watchers: each of three watches with selectors sees the adding, changing and deleting of its objects alone."""
    base = ns.path("configmaps")
    streams = {one: ns.admin.watch(f"{base}?watch=1&labelSelector=w+in+({one})") for one in ("a", "b", "a,b")}
    for name in ("a", "b"):
        ns.config(name, labels={"w": name})
        ns.admin.patch(ns.path("configmaps", name), {"data": {"x": "1"}})
        ns.admin.ok("DELETE", ns.path("configmaps", name))
    each = {name: [(kind, name) for kind in ("ADDED", "MODIFIED", "DELETED")] for name in ("a", "b")}
    wanted = {"a": each["a"], "b": each["b"], "a,b": each["a"] + each["b"]}
    for select, stream in streams.items():
        assert [stream.told() for _ in wanted[select]] == wanted[select]
        stream.close()


def test_a_watch_from_a_version(ns: Namespace) -> None:
    """Watchers: from the version of the first change on, only what came after it is told."""
    ns.config("a")
    first = ns.admin.patch(ns.path("configmaps", "a"), {"data": {"n": "1"}}).json["metadata"]["resourceVersion"]
    ns.admin.patch(ns.path("configmaps", "a"), {"data": {"n": "2"}})
    ns.admin.ok("DELETE", ns.path("configmaps", "a"))
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&resourceVersion={first}")
    assert [stream.told()[0] for _ in range(2)] == ["MODIFIED", "DELETED"]
    stream.close()


def test_a_watch_goes_on_where_another_ended(ns: Namespace) -> None:
    """Watchers: a second watch from the last version that the first one saw misses nothing."""
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1")
    ns.config("a")
    seen = stream.next()["object"]["metadata"]["resourceVersion"]
    stream.close()
    ns.admin.patch(ns.path("configmaps", "a"), {"data": {"n": "2"}})
    ns.admin.ok("DELETE", ns.path("configmaps", "a"))
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&resourceVersion={seen}")
    assert [stream.told()[0] for _ in range(2)] == ["MODIFIED", "DELETED"]
    stream.close()


def test_what_is_not_selected_any_more_is_gone(ns: Namespace) -> None:
    """Watchers: an object that loses the label is deleted for the watch, and added when it has it again."""
    path = ns.path("configmaps", "a")
    stream = ns.admin.watch(f"{ns.path('configmaps')}?watch=1&labelSelector=w=x")
    ns.config("a", labels={"w": "x"})
    for value, number in (("other", "1"), ("other", "2"), ("x", "3")):
        ns.admin.patch(path, {"metadata": {"labels": {"w": value}}, "data": {"n": number}})
    ns.admin.ok("DELETE", path)
    events = [stream.next() for _ in range(4)]
    assert [one["type"] for one in events] == ["ADDED", "DELETED", "ADDED", "DELETED"]
    assert events[2]["object"]["data"] == {"n": "3"}
    stream.close()


def test_all_watches_tell_one_order(ns: Namespace) -> None:
    """Watchers: watches begun at different versions, while others write, see the same events in the same order."""
    base, count = ns.path("configmaps"), 30
    revisions = [ns.config(f"s-{number}")["metadata"]["resourceVersion"] for number in range(5)]

    def write() -> None:
        client = ns.cluster.admin.acting()
        for number in range(count):
            client.ok("POST", base, {"metadata": {"name": f"c-{number}"}})
            if number % 3 == 0:
                client.ok("DELETE", f"{base}/c-{number}")
        client.close()

    worker = threading.Thread(target=write)
    worker.start()
    streams = [ns.admin.watch(f"{base}?watch=1&resourceVersion={one}") for one in revisions]
    total = count + count // 3
    told = [[stream.told() for _ in range(total + 4 - at)] for at, stream in enumerate(streams)]
    worker.join()
    assert all(one[-total:] == told[0][-total:] for one in told)
    for stream in streams:
        stream.close()


def test_a_watch_begins_with_what_there_is(ns: Namespace) -> None:
    """Watch lists: the present objects, then a bookmark that says so, then changes."""
    ns.config("a")
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    stream = ns.admin.watch(f"{ns.path('configmaps')}?{query}")
    assert stream.told() == ("ADDED", "a")
    mark = stream.next()
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    ns.config("b")
    assert stream.told() == ("ADDED", "b")
    stream.close()


# Server-side apply


def applied(ns: Namespace, manager: str, body: dict[str, Any], query: str = "", path: str = "") -> Any:
    target = path or ns.path("configmaps", "a")
    return ns.admin.patch(f"{target}?fieldManager={manager}{query}", body, APPLY_PATCH)


def test_apply_makes_what_is_not_there(ns: Namespace) -> None:
    """Apply: an object that is not there is made (201), and applied again is 200 without a new version."""
    first, second = (applied(ns, "one", config_map(k="v")) for _ in range(2))
    assert (first.status, second.status) == (201, 200)
    assert first.json["metadata"]["resourceVersion"] == second.json["metadata"]["resourceVersion"]


def test_apply_to_a_subresource(ns: Namespace) -> None:
    """Apply: to status it changes the status alone, and its manager is noted with the subresource."""
    ns.pod("p")
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"x": "y"}}}
    condition = {"type": "Mine", "status": "True", "lastTransitionTime": None, "lastProbeTime": None}
    body["status"] = {"conditions": [condition], "message": "told"}
    found = applied(ns, "one", body, path=ns.path("pods", "p", "status")).json
    assert found["status"]["message"] == "told" and "x" not in found["metadata"].get("labels", {})
    assert ("one", "status") in [(one["manager"], one.get("subresource")) for one in found["metadata"]["managedFields"]]


def test_what_is_not_applied_any_more_goes(ns: Namespace) -> None:
    """Apply: a field that its only owner leaves out is removed."""
    applied(ns, "one", config_map(a="1", b="1"))
    assert applied(ns, "one", config_map(a="1")).json["data"] == {"a": "1"}


def test_what_others_own_stays(ns: Namespace) -> None:
    """Apply: a field that one owner leaves out stays while another owns it."""
    applied(ns, "one", config_map(a="1", b="1"))
    applied(ns, "two", config_map(b="1"))
    assert applied(ns, "one", config_map(a="1")).json["data"] == {"a": "1", "b": "1"}


def test_apply_by_force(ns: Namespace) -> None:
    """Apply: another's value is a conflict with a cause for each field; by force it is taken from its owner."""
    applied(ns, "one", config_map(a="1"))
    answer = applied(ns, "two", config_map(a="2"))
    assert answer.told[:2] == (409, "Conflict")
    assert answer.json["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.a"}
    ]
    found = applied(ns, "two", config_map(a="2"), "&force=true").json
    owners = {one["manager"]: one["fieldsV1"] for one in found["metadata"]["managedFields"]}
    assert found["data"] == {"a": "2"} and "f:data" not in owners.get("one", {}) and "f:data" in owners["two"]


def test_managed_fields_can_be_cleared(ns: Namespace) -> None:
    """Apply: a list of one empty entry clears managedFields; the next write begins anew."""
    applied(ns, "one", config_map(a="1"))
    found = ns.admin.patch(ns.path("configmaps", "a"), {"metadata": {"managedFields": [{}]}}).json
    assert "managedFields" not in found["metadata"]


# Field validation


DEPLOYMENT = """{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"unknown": 1,
 "replicas": 1, "replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
 "spec": {"containers": [{"name": "c", "image": "i", "imagePullPolicy": "Never", "imagePullPolicy": "Always"}]}}}}"""


def test_unknown_and_double_fields(ns: Namespace) -> None:
    """Field validation: of a built-in kind, Strict refuses unknown and doubled fields, Warn tells, Ignore is silent."""
    path = ns.path("deployments", group="apps/v1")
    words = ['unknown field "spec.unknown"', 'duplicate field "spec.replicas"', "imagePullPolicy"]
    answer = ns.admin.ask("POST", f"{path}?fieldValidation=Strict", DEPLOYMENT.encode())
    assert answer.told[0] == 400 and all(word in answer.told[2] for word in words)
    answer = ns.admin.ask("POST", f"{path}?fieldValidation=Warn&dryRun=All", DEPLOYMENT.encode())
    assert answer.status == 201 and all(word.replace('"', '\\"') in answer.headers["warning"] for word in words)
    answer = ns.admin.ask("POST", f"{path}?fieldValidation=Ignore&dryRun=All", DEPLOYMENT.encode())
    assert answer.status == 201 and "warning" not in answer.headers and answer.json["spec"]["replicas"] == 2


def test_unknown_metadata(ns: Namespace) -> None:
    """Field validation: the metadata's fields are known, too."""
    body = {**config_map(), "metadata": {"name": "a", "unknown": 1}}
    answer = ns.admin.ask("POST", f"{ns.path('configmaps')}?fieldValidation=Strict", body)
    assert answer.told[0] == 400 and 'unknown field "metadata.unknown"' in answer.told[2]


def test_fields_of_patches(ns: Namespace) -> None:
    """Field validation: patches are checked as bodies are."""
    ns.config("a")
    path = f"{ns.path('configmaps', 'a')}?fieldValidation=Strict"
    for media, patch in ((MERGE_PATCH, {"x": 1}), (JSON_PATCH, [{"op": "add", "path": "/x", "value": 1}])):
        answer = ns.admin.patch(path, patch, media)
        assert answer.status in (400, 422) and 'unknown field "x"' in answer.told[2]


# Namespaces


def test_a_namespaces_life(cluster: LiveKubernetes) -> None:
    """Namespaces: made, patched, updated; its finalizers and its status have paths of their own."""
    path, admin = "/api/v1/namespaces/conformance", cluster.admin
    made = admin.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "conformance"}})
    assert made["spec"]["finalizers"] == ["kubernetes"] and made["status"]["phase"] == "Active"
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "conformance"}
    assert admin.patch(path, {"metadata": {"labels": {"x": "y"}}}).json["metadata"]["labels"]["x"] == "y"
    found = admin.get(path)
    found["metadata"]["labels"]["z"] = "1"
    found = admin.ok("PUT", path, found)
    condition = {"type": "Seen", "status": "True", "reason": "Test", "message": "", "lastTransitionTime": None}
    status = admin.patch(f"{path}/status", {"status": {"conditions": [condition]}}).json["status"]
    assert status["conditions"][0]["type"] == "Seen" and status["phase"] == "Active"
    found = admin.get(path)
    found["spec"]["finalizers"] = ["kubernetes", "example.com/mine"]
    found = admin.ok("PUT", f"{path}/finalize", found)
    assert found["spec"]["finalizers"] == ["kubernetes", "example.com/mine"]
    assert admin.ok("DELETE", path)["status"]["phase"] == "Terminating"
    answer = admin.ask("POST", f"{path}/configmaps", config_map())
    assert (
        answer.told[:2] == (403, "Forbidden")
        and answer.json["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    )
    found = admin.get(path)
    found["spec"]["finalizers"] = []
    admin.ok("PUT", f"{path}/finalize", found)
    assert admin.ask("GET", path).status == 404


def test_what_is_deleted_waits_for_its_finalizers(ns: Namespace) -> None:
    """Deletion: with finalizers an object stays, marked, until the last of them is gone; nothing else is needed."""
    ns.config("a", finalizers=["example.com/hold"])
    found = ns.admin.ok("DELETE", ns.path("configmaps", "a"))
    assert found["metadata"]["deletionTimestamp"] and ns.admin.get(ns.path("configmaps", "a"))
    ns.admin.patch(ns.path("configmaps", "a"), {"metadata": {"finalizers": None}})
    assert ns.admin.ask("GET", ns.path("configmaps", "a")).status == 404


def test_pods_are_deleted_with_grace(ns: Namespace) -> None:
    """Pods: of a pod on a node the deletion's time and grace period are noted, and the generation counts on."""
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
    ns.create("pods", pod)
    found = ns.admin.ok("DELETE", f"{ns.path('pods', 'p')}?gracePeriodSeconds=7")
    assert found["metadata"]["deletionGracePeriodSeconds"] == 7 and found["metadata"]["deletionTimestamp"]
    ns.admin.ok("DELETE", f"{ns.path('pods', 'p')}?gracePeriodSeconds=0")
    assert ns.admin.ask("GET", ns.path("pods", "p")).status == 404
