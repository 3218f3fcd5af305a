"""Subresources: scale, status, bindings, evictions, tokens, reviews; Services and what they are given."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kubernetes import APPLY_PATCH, MERGE_PATCH, STRATEGIC_PATCH, LiveKubernetes, Namespace


def test_a_scale(ns: Namespace) -> None:
    made = ns.deployment("web", replicas=2)
    path = ns.path("deployments", "web", "scale", group="apps/v1")
    scale = ns.admin.get(path)
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {"replicas": 2})
    assert scale["status"] == {"replicas": 0, "selector": "app=web"}
    assert scale["metadata"]["uid"] == made["metadata"]["uid"]
    changed = ns.admin.ok("PUT", path, {**scale, "spec": {"replicas": 5}})
    assert changed["spec"]["replicas"] == 5
    assert ns.admin.ask("PUT", path, {**scale, "spec": {"replicas": 6}}).told[:2] == (409, "Conflict")
    assert ns.admin.patch(path, {"spec": {"replicas": 7}}).json["spec"]["replicas"] == 7
    found = ns.admin.get(ns.path("deployments", "web", group="apps/v1"))
    assert (found["spec"]["replicas"], found["metadata"]["generation"]) == (7, 3)
    code, _, message = ns.admin.patch(path, {"spec": {"replicas": -1}}).told
    assert code == 422 and "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in message
    assert ns.admin.ask("GET", ns.path("configmaps", "a", "scale")).status == 404


def test_a_scale_as_a_row(ns: Namespace) -> None:
    ns.deployment("web", replicas=2)
    path = ns.path("deployments", "web", "scale", group="apps/v1")
    table = ns.admin.get(path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    (row,) = table["rows"]
    assert row["cells"][:3] == ["web", 2, 0] and row["object"]["kind"] == "PartialObjectMetadata"
    whole = ns.admin.get(f"{path}?includeObject=Object", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert whole["rows"][0]["object"]["kind"] == "Scale"
    alone = ns.admin.get(path, accept="application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
    assert alone["kind"] == "PartialObjectMetadata" and alone["metadata"] == row["object"]["metadata"]


def _owners(obj: Any) -> dict[str, tuple[str, str]]:
    """Who owns the replicas: manager -> (operation, subresource)."""
    return {
        one["manager"]: (one["operation"], one.get("subresource", ""))
        for one in obj["metadata"]["managedFields"]
        if "f:replicas" in one["fieldsV1"].get("f:spec", {})
    }


def test_owners_of_replicas_are_known_through_their_scale(ns: Namespace) -> None:
    ns.deployment("web", replicas=2)
    path = ns.path("deployments", "web", group="apps/v1")
    ns.admin.patch(f"{path}/scale?fieldManager=patcher", {"spec": {"replicas": 3}})
    assert _owners(ns.admin.get(path)) == {"patcher": ("Update", "scale")}
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}
    answer = ns.admin.patch(f"{path}/scale?fieldManager=applier", scale, APPLY_PATCH)
    assert answer.status == 409 and 'conflict with "patcher" with subresource "scale"' in answer.told[2]
    answer = ns.admin.patch(f"{path}/scale?fieldManager=applier&force=true", scale, APPLY_PATCH)
    assert answer.json["spec"]["replicas"] == 5
    assert _owners(ns.admin.get(path)) == {"applier": ("Apply", "scale")}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    whole = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 9, "selector": {"matchLabels": {"app": "web"}}, "template": template}}  # fmt: skip
    answer = ns.admin.patch(f"{path}?fieldManager=owner", whole, APPLY_PATCH)
    assert answer.status == 409 and ".spec.replicas" in answer.told[2]
    same = ns.admin.patch(f"{path}/scale?fieldManager=other", {"spec": {"replicas": 5}})
    assert same.status == 200 and "other" not in _owners(ns.admin.get(path))


def test_a_pods_resources_are_changed_within_its_class(ns: Namespace) -> None:
    """As defaults fill them in: limits without requests would make it a guaranteed one."""
    container = {"name": "a", "image": "i", "resources": {"requests": {"cpu": "10m"}}}
    ns.create("pods", {"metadata": {"name": "p"}, "spec": {"nodeSelector": {"not": "here"}, "containers": [container]}})
    path = ns.path("pods", "p")

    def resize(*containers: Any, **metadata: Any) -> Any:
        return ns.admin.patch(f"{path}/resize", {"metadata": metadata, "spec": {"containers": [*containers]}})

    found = resize({"name": "a", "resources": {"requests": {"cpu": "20m"}}, "image": "other"}, labels={"x": "y"}).json
    assert found["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "20m"}}
    assert found["spec"]["containers"][0]["image"] == "i" and "labels" not in found["metadata"]
    limits = {"cpu": "20m", "memory": "1Mi"}
    assert "Pod QOS Class may not change" in resize({"name": "a", "resources": {"limits": limits}}).told[2]
    assert "containers may not be renamed or reordered" in resize({"name": "b", "image": "i"}).told[2]
    other = {"requests": {"memory": "1Mi"}}
    assert "resource requests cannot be removed" in resize({"name": "a", "resources": other}).told[2]


def test_containers_to_debug_with_come_and_stay(ns: Namespace) -> None:
    pod = {"nodeSelector": {"not": "here"}, "containers": [{"name": "a", "image": "i"}]}
    ns.create("pods", {"metadata": {"name": "p"}, "spec": pod})
    path = f"{ns.path('pods', 'p')}/ephemeralcontainers"
    patch = {"spec": {"ephemeralContainers": [{"name": "d", "image": "i"}]}}
    assert ns.admin.patch(path, patch).json["spec"]["ephemeralContainers"][0]["name"] == "d"
    patch["spec"]["ephemeralContainers"][0]["image"] = "other"
    assert "may not be changed" in ns.admin.patch(path, patch).told[2]
    gone = {"spec": {"ephemeralContainers": []}}
    assert "may not be removed" in ns.admin.patch(path, gone, MERGE_PATCH).told[2]


def test_component_statuses(ns: Namespace) -> None:
    answer = ns.admin.ask("GET", "/api/v1/componentstatuses")
    assert answer.headers["warning"] == '299 - "v1 ComponentStatus is deprecated in v1.19+"'
    found = next(one for one in answer.json["items"] if one["metadata"]["name"] == "etcd-0")
    assert found["conditions"] == [{"type": "Healthy", "status": "True", "message": "ok"}]
    assert ns.admin.get("/api/v1/componentstatuses/etcd-0")["kind"] == "ComponentStatus"
    assert ns.admin.ask("GET", "/api/v1/componentstatuses/nobody").status == 404


def test_a_binding(ns: Namespace) -> None:
    ns.pod("web")
    path = ns.path("pods", "web", "binding")
    answer = ns.admin.ask("POST", path, {"target": {"kind": "Node", "name": "n1"}})
    assert (answer.status, answer.json["status"]) == (201, "Success")
    pod = ns.admin.get(ns.path("pods", "web"))
    assert pod["spec"]["nodeName"] == "n1"
    condition = next(one for one in pod["status"]["conditions"] if one["type"] == "PodScheduled")
    assert condition["status"] == "True" and pod["metadata"]["generation"] == 1
    assert not any("f:nodeName" in one["fieldsV1"].get("f:spec", {}) for one in pod["metadata"]["managedFields"])
    code, reason, message = ns.admin.ask("POST", path, {"target": {"name": "n2"}}).told
    assert (code, reason) == (409, "Conflict") and 'pod web is already assigned to node "n1"' in message
    ns.pod("other")
    body = {"metadata": {"name": "other"}, "target": {"name": "n2"}}
    assert ns.admin.ask("POST", ns.path("bindings"), body).status == 201
    assert ns.admin.get(ns.path("pods", "other"))["spec"]["nodeName"] == "n2"
    selected = ns.admin.get(ns.path("pods") + "?fieldSelector=spec.nodeName%3Dn2")
    assert [one["metadata"]["name"] for one in selected["items"]] == ["other"]


def budget(ns: Namespace, allowed: int) -> str:
    body = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    ns.create("poddisruptionbudgets", body, "policy/v1")
    path = ns.path("poddisruptionbudgets", "b", group="policy/v1")
    status = {"disruptionsAllowed": allowed, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1}
    ns.admin.patch(f"{path}/status", {"status": {**status, "observedGeneration": 1}})
    return path


def run(ns: Namespace, name: str) -> None:
    """A pod that is ready on a node."""
    ns.pod(name, labels={"app": "web"})
    ns.admin.ok("POST", ns.path("pods", name, "binding"), {"target": {"name": "n1"}})
    ready = [{"type": "Ready", "status": "True"}]
    status = {"status": {"phase": "Running", "conditions": ready}}
    assert ns.admin.patch(ns.path("pods", name, "status"), status, STRATEGIC_PATCH).status == 200


def evict(ns: Namespace, name: str) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return ns.admin.ask("POST", ns.path("pods", name, "eviction"), body)


@pytest.mark.parametrize(
    ("container", "text"),
    [
        (
            {"name": "c", "resources": {"requests": {"memory": "10Mi"}}},
            'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing',
        ),
        ({"name": "c", "resources": {"limits": {"cpu": None}}}, "resource limits cannot be removed"),
        ({"name": "typo", "resources": {}}, "spec.containers: Forbidden: containers may not be added or removed on"),
    ],
)
def test_a_resize_that_cannot_be(ns: Namespace, container: Any, text: str) -> None:
    limits = {"limits": {"cpu": "250m", "memory": "64Mi"}}
    spec = {"containers": [{"name": "c", "image": "busybox", "resources": limits}]}
    ns.create("pods", {"metadata": {"name": "web"}, "spec": spec})
    path, patch = ns.path("pods", "web", "resize"), {"spec": {"containers": [container]}}
    code, _, message = ns.admin.patch(path, patch, STRATEGIC_PATCH).told
    assert code == 422 and text in message
    changed = {"name": "c", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}
    found = ns.admin.patch(path, {"spec": {"containers": [changed]}}, STRATEGIC_PATCH).json
    assert found["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "1", "memory": "64Mi"}
    assert found["metadata"]["generation"] == 2


def test_an_ephemeral_container_stays(ns: Namespace) -> None:
    ns.pod("web")
    path = ns.path("pods", "web", "ephemeralcontainers")
    patch = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}]}}
    made = ns.admin.patch(path, patch, STRATEGIC_PATCH).json
    made["spec"]["ephemeralContainers"] = []
    code, _, message = ns.admin.ask("PUT", path, made).told
    assert code == 422 and 'existing ephemeral containers "debug" may not be removed' in message


def test_an_eviction_that_a_budget_allows(ns: Namespace) -> None:
    run(ns, "web")
    path = budget(ns, 1)
    assert evict(ns, "web").status == 201
    assert ns.admin.get(ns.path("pods", "web"))["metadata"]["deletionTimestamp"]
    status = ns.admin.get(path)["status"]
    assert status["disruptionsAllowed"] == 0 and "web" in status["disruptedPods"]


def test_an_eviction_that_a_budget_forbids(ns: Namespace) -> None:
    run(ns, "web")
    budget(ns, 0)
    answer = evict(ns, "web")
    text = "Cannot evict pod as it would violate the pod's disruption budget."
    assert answer.told == (429, "TooManyRequests", text)
    cause = answer.json["details"]["causes"][0]
    assert cause["message"] == "The disruption budget b needs 1 healthy pods and has 1 currently"
    assert "deletionTimestamp" not in ns.admin.get(ns.path("pods", "web"))["metadata"]


def test_a_pod_that_does_not_run_is_evicted_at_once(ns: Namespace) -> None:
    ns.pod("web", labels={"app": "web"})
    budget(ns, 0)
    assert evict(ns, "web").status == 201
    assert ns.admin.ask("GET", ns.path("pods", "web")).status == 404


@pytest.mark.parametrize(
    ("subresource", "message"),
    [
        ("exec?command=x&stdout=1", "pod web does not have a host assigned"),
        ("attach", "pod web does not have a host assigned"),
        ("portforward", "pod web does not have a host assigned"),
        ("proxy", "address not allowed"),
    ],
)
def test_what_needs_a_node_says_so(ns: Namespace, subresource: str, message: str) -> None:
    ns.pod("web")
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
    assert ns.admin.ask("GET", ns.path("pods", "web", subresource), None, upgrade).told == (400, "BadRequest", message)
    assert ns.admin.ask("GET", ns.path("pods", "none", subresource), None, upgrade).told[0] == 404


# Tokens and reviews


def test_a_token_of_a_service_account(cluster: LiveKubernetes, ns: Namespace) -> None:
    ns.create("serviceaccounts", {"metadata": {"name": "robot"}})
    path = ns.path("serviceaccounts", "robot", "token")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = ns.admin.ok("POST", path, asked)["status"]["token"]
    robot = cluster.bearer(token)
    review = robot.ok("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
    assert review["status"]["userInfo"]["username"] == f"system:serviceaccount:{ns.name}:robot"
    assert robot.ask("GET", ns.path("configmaps")).told[:2] == (403, "Forbidden")
    robot.close()
    body = {"spec": {"token": token}}
    found = ns.admin.ok("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
    assert found["status"]["authenticated"] is True
    ns.admin.ok("DELETE", ns.path("serviceaccounts", "robot"))
    assert cluster.bearer(token).ask("GET", ns.path("configmaps")).told == (401, "Unauthorized", "Unauthorized")


def test_reviews_of_access(ns: Namespace) -> None:
    where = {"verb": "get", "resource": "pods", "namespace": ns.name}
    path = "/apis/authorization.k8s.io/v1"
    mine = ns.admin.ok("POST", f"{path}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": where}})
    assert mine["status"]["allowed"] is True
    body = {"spec": {"user": "jane", "resourceAttributes": where}}
    assert ns.admin.ok("POST", f"{path}/subjectaccessreviews", body)["status"]["allowed"] is False
    ns.create("roles", {"metadata": {"name": "r"}, "rules": [
        {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
    ]}, "rbac.authorization.k8s.io/v1")  # fmt: skip
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}
    ns.create("rolebindings", binding, "rbac.authorization.k8s.io/v1")
    assert ns.admin.ok("POST", f"{path}/subjectaccessreviews", body)["status"]["allowed"] is True
    jane = ns.admin.acting(impersonate_user="jane")
    assert jane.ask("GET", ns.path("pods")).told[:2] == (403, "Forbidden")
    assert jane.ask("GET", ns.path("pods", "none")).told[:2] == (404, "NotFound")
    jane.close()


def test_nobody_gives_what_they_do_not_have(ns: Namespace) -> None:
    group = "rbac.authorization.k8s.io"
    rules = [{"verbs": ["*"], "apiGroups": [group], "resources": ["roles"]}]
    ns.create("roles", {"metadata": {"name": "maker"}, "rules": rules}, f"{group}/v1")
    role = {"apiGroup": group, "kind": "Role", "name": "maker"}
    subjects = [{"apiGroup": group, "kind": "User", "name": "eve"}]
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}
    ns.create("rolebindings", binding, f"{group}/v1")
    ns.admin.ok("DELETE", ns.path("rolebindings", "b", group=f"{group}/v1"))
    rules[0]["verbs"] = ["create"]
    ns.create("roles", {"metadata": {"name": "less"}, "rules": rules}, f"{group}/v1")
    binding["roleRef"] = {**role, "name": "less"}
    ns.create("rolebindings", binding, f"{group}/v1")
    eve = ns.admin.acting(impersonate_user="eve")
    body = {"metadata": {"name": "x"}, "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]}
    code, reason, message = eve.ask("POST", ns.path("roles", group=f"{group}/v1"), body).told
    assert (code, reason) == (
        403,
        "Forbidden",
    ) and "is attempting to grant RBAC permissions not currently held" in message
    eve.close()


# Services


def service(ns: Namespace, name: str, **spec: Any) -> Any:
    body = {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}
    return ns.admin.ask("POST", ns.path("services"), body)


def test_a_service_gets_an_address_that_is_its_own(ns: Namespace) -> None:
    made = service(ns, "web").json
    address = made["spec"]["clusterIP"]
    assert made["spec"]["clusterIPs"] == [address] and address.startswith("10.")
    claim = ns.admin.get(f"/apis/networking.k8s.io/v1/ipaddresses/{address}")
    assert claim["spec"]["parentRef"] == {"resource": "services", "namespace": ns.name, "name": "web"} | (
        {"group": ""} if "group" in claim["spec"]["parentRef"] else {}
    )
    code, _, message = service(ns, "thief", clusterIP=address).told
    assert code == 422 and "provided IP is already allocated" in message
    ns.admin.ok("DELETE", ns.path("services", "web"))
    assert ns.admin.ask("GET", f"/apis/networking.k8s.io/v1/ipaddresses/{address}").status == 404
    assert service(ns, "heir", clusterIP=address).status == 201


def test_ports_of_the_nodes(ns: Namespace) -> None:
    made = service(ns, "web", type="NodePort").json
    port = made["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    taken = service(ns, "thief", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    assert taken.told[0] == 422 and "provided port is already allocated" in taken.told[2]
    changed = ns.admin.patch(ns.path("services", "web"), {"spec": {"type": "ClusterIP"}}, MERGE_PATCH).json
    assert "nodePort" not in changed["spec"]["ports"][0]
    assert service(ns, "heir", type="NodePort", ports=[{"port": 80, "nodePort": port}]).status == 201


def test_a_dry_run_claims_nothing(ns: Namespace) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    shown = ns.admin.ok("POST", ns.path("services") + "?dryRun=All", body)
    address = shown["spec"]["clusterIP"]
    assert ns.admin.ask("GET", f"/apis/networking.k8s.io/v1/ipaddresses/{address}").status == 404
