"""APIServices: a group that another server answers for, behind this one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.kubernetes import Namespace
from tests.support.webhooks import LiveWebhook

SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


def answer(method: str, path: str, body: Any) -> Any:
    if path == "/apis/far.example.com/v1":
        cows = {"name": "cows", "singularName": "cow", "kind": "Cow", "namespaced": True, "verbs": ["get", "list"]}
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": "far.example.com/v1",
            "resources": [cows],
        }
    return {"kind": "Cow", "apiVersion": "far.example.com/v1", "asked": f"{method} {path}", "sent": body}


def until(stream: Any, status: str) -> dict[str, Any]:
    """The condition, once it says so."""
    while True:
        for one in stream.next()["object"].get("status", {}).get("conditions", []):
            if one["type"] == "Available" and one["status"] == status:
                return dict(one)


def test_a_group_from_elsewhere(ns: Namespace, tmp_path: Path) -> None:
    admin = ns.admin
    with LiveWebhook(tmp_path, answer, (f"far.{ns.name}.svc",)) as live:
        service = {"name": "far", "namespace": ns.name, "port": live.port}
        spec = {"group": "far.example.com", "version": "v1", "groupPriorityMinimum": 10, "versionPriority": 10,
            "service": service, "caBundle": live.bundle}  # fmt: skip
        admin.ok("POST", SERVICES, {"metadata": {"name": "v1.far.example.com"}, "spec": spec})
        stream = admin.watch(f"{SERVICES}?watch=1&fieldSelector=metadata.name=v1.far.example.com")
        found = until(stream, "False")
        assert (found["reason"], found["message"]) == ("ServiceNotFound", f'service/far in "{ns.name}" is not present')
        path = f"/apis/far.example.com/v1/namespaces/{ns.name}/cows/berta"
        assert admin.ask("GET", path).told == (503, "ServiceUnavailable", "service unavailable")
        ns.create(
            "services", {"metadata": {"name": "far"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
        )
        assert until(stream, "True")["reason"] == "Passed"
        stream.close()
        found = admin.ok("PUT", f"{path}?dryRun=All", {"a": 1})
        assert found["asked"] == f"PUT {path}?dryRun=All" and found["sent"] == {"a": 1}
        headers = live.headers[-1]
        assert headers["x-remote-user"] == "kubernetes-admin" and "authorization" not in headers
        assert "far.example.com" in {one["name"] for one in admin.get("/apis")["groups"]}
        groups = {one["metadata"]["name"]: one for one in admin.get("/apis", accept=AGGREGATED)["items"]}
        assert groups["far.example.com"]["versions"][0]["resources"][0]["resource"] == "cows"
        assert admin.get("/apis/far.example.com/v1")["resources"][0]["name"] == "cows"
        admin.ok("DELETE", f"{SERVICES}/v1.far.example.com")
        assert admin.ask("GET", path).status == 404
