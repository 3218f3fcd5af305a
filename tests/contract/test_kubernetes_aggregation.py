"""APIServices: a group that another server answers for, behind this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.attributes import User
from corral.cluster.client.protocol import Collection
from corral.model.kubernetes.status import StatusError
from tests.support.extension_server import GROUP, PREFIX, VERSION, ExtensionServer
from tests.support.kubernetes import ApiClient, Namespace
from tests.support.webhooks import LiveWebhook

CHECKER = "system:kube-aggregator"
SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
FAR_DOCUMENT = "/openapi/v3/apis/far.example.com/v1"
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
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
    if path == "/openapi/v3":
        return {"paths": {"apis/far.example.com/v1": {"serverRelativeURL": f"{FAR_DOCUMENT}?hash=A1"}}}
    if path == "/openapi/v2":
        ref = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
        cow = {"type": "object", "properties": {"metadata": ref}}
        get = {"responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Cow"}}}}
        definitions = {"Cow": cow, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {"type": "object"}, "Unused": {}}
        paths = {"/apis/far.example.com/v1/cows": {"get": get}, "/elsewhere": {}}
        return {"swagger": "2.0", "info": {"title": "far", "version": "1"}, "paths": paths, "definitions": definitions}
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
        refused = admin.ask("GET", path)
        assert (refused.status, refused.headers["content-type"]) == (503, "text/plain; charset=utf-8")
        assert refused.body == b"service unavailable\n"  # clients make their own words of it
        ns.create(
            "services", {"metadata": {"name": "far"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
        )
        assert until(stream, "True")["reason"] == "Passed"
        stream.close()
        found = admin.ok("PUT", f"{path}?dryRun=All", {"a": 1})
        assert found["asked"] == f"PUT {path}?dryRun=All" and found["sent"] == {"a": 1}
        headers = next(one for one in live.headers if one["x-remote-user"] != CHECKER)  # who looks after it asks, too
        assert headers["x-remote-user"] == "kubernetes-admin" and "authorization" not in headers
        assert "far.example.com" in {one["name"] for one in admin.get("/apis")["groups"]}
        groups = {one["metadata"]["name"]: one for one in admin.get("/apis", accept=AGGREGATED)["items"]}
        assert groups["far.example.com"]["versions"][0]["resources"][0]["resource"] == "cows"
        assert admin.get("/apis/far.example.com/v1")["resources"][0]["name"] == "cows"
        index = admin.get("/openapi/v3")["paths"]
        assert index["apis/far.example.com/v1"]["serverRelativeURL"] == f"{FAR_DOCUMENT}?hash=A1"
        found = admin.get(f"{FAR_DOCUMENT}?hash=A1")
        assert found["asked"] == f"GET {FAR_DOCUMENT}?hash=A1"
        whole = admin.get("/openapi/v2")
        assert whole["paths"]["/apis/far.example.com/v1/cows"]["get"] and "/elsewhere" not in whole["paths"]
        meta = whole["definitions"]["Cow"]["properties"]["metadata"]["$ref"]
        assert meta.endswith("ObjectMeta_v2") and "Unused" not in whole["definitions"]
        assert admin.ask("GET", "/openapi/v2", headers={"Accept": PROTOBUF}).status == 200
        admin.ok("DELETE", f"{SERVICES}/v1.far.example.com")
        assert "apis/far.example.com/v1" not in admin.get("/openapi/v3")["paths"]
        assert admin.ask("GET", path).status == 404


def preferred(admin: ApiClient, group: str) -> list[str]:
    """The version of the group that clients take, as each of the documents of discovery has it."""
    groups = {one["name"]: one for one in admin.get("/apis")["groups"]}
    aggregated = {one["metadata"]["name"]: one for one in admin.get("/apis", accept=AGGREGATED)["items"]}
    first = aggregated[group]["versions"][0]["version"]
    own = admin.get(f"/apis/{group}")
    return [groups[group]["preferredVersion"]["version"], own["preferredVersion"]["version"], first]


def test_what_is_served_here_has_services_too(ns: Namespace) -> None:
    admin, group = ns.admin, f"{ns.name}.example.com"
    services = {one["metadata"]["name"]: one for one in admin.get(SERVICES)["items"]}
    for name, priorities in (("v1.", (18000, 1)), ("v1.apps", (17800, 15)), ("v2.autoscaling", (17500, 30))):
        found = services[name]
        assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
        assert (found["spec"]["groupPriorityMinimum"], found["spec"]["versionPriority"]) == priorities
        assert "service" not in found["spec"]
    own = [one for one in admin.get("/apis")["groups"] if one["name"].endswith("k8s.io") and "registration.k" not in
           one["name"]]  # fmt: skip
    assert services.keys() >= {f"{one['version']}.{each['name']}" for each in own for one in each["versions"]}
    assert "v1.apiregistration.k8s.io" not in services
    schema = {"openAPIV3Schema": {"type": "object"}}
    versions = [{"name": one, "served": True, "storage": one == "v1", "schema": schema} for one in ("v1", "v1beta1")]
    names = {"plural": "cows", "kind": "Cow", "singular": "cow", "listKind": "CowList"}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": versions}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    stream = admin.watch(f"{SERVICES}?watch=1&fieldSelector=metadata.name=v1beta1.{group}")
    admin.ok("POST", crds, {"metadata": {"name": f"cows.{group}"}, "spec": spec})
    assert until(stream, "True")["reason"] == "Local"
    made = admin.get(f"{SERVICES}/v1beta1.{group}")
    assert made["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
    assert (made["spec"]["groupPriorityMinimum"], made["spec"]["versionPriority"]) == (1000, 100)
    assert preferred(admin, group) == ["v1"] * 3
    assert admin.patch(f"{SERVICES}/v1beta1.{group}", {"spec": {"versionPriority": 200}}).status == 200
    assert preferred(admin, group) == ["v1beta1"] * 3, "who asks for more comes first"
    admin.ok("DELETE", f"{crds}/cows.{group}")
    while stream.next()["type"] != "DELETED":
        pass
    stream.close()


def test_discovery_is_in_the_order_of_priorities(ns: Namespace) -> None:
    names = [one["name"] for one in ns.admin.get("/apis")["groups"]]
    first = ["apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io"]
    assert names[:5] == first
    items = [one["metadata"]["name"] for one in ns.admin.get("/apis", accept=AGGREGATED)["items"]]
    assert items == names


@pytest.fixture
def flunders(ns: Namespace, tmp_path: Path) -> Iterator[ExtensionServer]:
    """The group, served by another server behind a Service, which is known by its certificate."""
    front_proxy = ns.cluster.front_proxy
    with ExtensionServer(tmp_path, front_proxy, (f"wardle.{ns.name}.svc",)) as server:
        ns.create(
            "services", {"metadata": {"name": "wardle"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
        )
        service = {"name": "wardle", "namespace": ns.name, "port": server.port}
        spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 2000, "versionPriority": 200, "service":
            service, "caBundle": server.bundle}  # fmt: skip
        stream = ns.admin.watch(f"{SERVICES}?watch=1&fieldSelector=metadata.name={VERSION}.{GROUP}")
        ns.admin.ok("POST", SERVICES, {"metadata": {"name": f"{VERSION}.{GROUP}"}, "spec": spec})
        until(stream, "True")
        stream.close()
        yield server
        ns.admin.ask("DELETE", f"{SERVICES}/{VERSION}.{GROUP}")


def test_objects_of_an_extension_server(ns: Namespace, flunders: ExtensionServer) -> None:
    path = f"{PREFIX}/namespaces/{ns.name}/flunders"
    stream = ns.admin.watch(f"{path}?watch=true")
    assert ns.admin.ok("POST", path, {"metadata": {"name": "a"}, "spec": {"size": 1}})["metadata"]["uid"]
    assert stream.told() == ("ADDED", "a"), "a watch tells while it goes on"
    assert ns.admin.ask("POST", path, {"metadata": {"name": "a"}}).told[:2] == (409, "AlreadyExists")
    answer = ns.admin.ask("GET", f"{path}/a")
    assert answer.json["spec"] == {"size": 1} and answer.headers["warning"] == '299 - "flunders are a sample"'
    assert [one["metadata"]["name"] for one in ns.admin.get(path)["items"]] == ["a"]
    acting = ns.admin.acting(impersonate_user="jane", impersonate_group="system:masters", impersonate_extra_color="red")
    acting.ok("DELETE", f"{path}/a")
    assert stream.told() == ("DELETED", "a")
    stream.close()
    (deleted,) = (one for one in flunders.asked if one[2] == "DELETE")
    assert deleted[0] == "jane" and set(deleted[1]) == {"system:masters", "system:authenticated"}
    assert flunders.extra == {"x-remote-extra-color": "red"}


def test_another_protocol_is_spoken_through_the_server(ns: Namespace, flunders: ExtensionServer) -> None:
    path = f"{PREFIX}/namespaces/{ns.name}/flunders/a/echo"
    connection = ns.admin.connect()
    connection.request("GET", path, headers={"Connection": "Upgrade", "Upgrade": "echo"})
    sock = connection.sock
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ") and b"upgrade: echo" in head.lower()
    sock.sendall(b"hello")
    assert sock.recv(64) == b"HELLO"
    connection.close()


def test_components_reach_what_an_extension_server_has(ns: Namespace, flunders: ExtensionServer) -> None:
    api, of = ns.cluster.api, Collection(GROUP, VERSION, "flunders")
    client = api.client(User("ann", groups=("one", "two")), "test")
    made = ns.cluster.run(client.create(of, {"metadata": {"name": "b"}}, ns.name))
    assert made["kind"] == "Flunder" and ("ann", ("one", "two")) in [one[:2] for one in flunders.asked]
    listing = ns.cluster.run(client.list(of, ns.name))
    assert [one["metadata"]["name"] for one in listing.items] == ["b"]
    ns.cluster.run(client.delete(of, "b", ns.name))
    with pytest.raises(StatusError, match="not found"):
        ns.cluster.run(client.get(of, "b", ns.name))
    assert "flunders" in [one.plural for one in api.resources()]


def test_a_renewed_certificate_is_shown_from_then_on(ns: Namespace, flunders: ExtensionServer) -> None:
    api, of = ns.cluster.api, Collection(GROUP, VERSION, "flunders")
    client, path = api.client(User("ann"), "test"), f"{PREFIX}/namespaces/{ns.name}/flunders"

    def ask() -> set[str]:
        """The certificates that both come with who goes through the server, and a component in it."""
        flunders.asked.clear()
        flunders.shown.clear()
        ns.admin.get(path)
        ns.cluster.run(client.list(of, ns.name))
        asked = zip(flunders.asked, flunders.shown, strict=True)
        return {shown for (user, *_), shown in asked if user in ("kubernetes-admin", "ann")}

    before = ask()
    ns.cluster.renew_front_proxy()
    assert len(before) == 1 and len(ask() - before) == 1 and not ask() & before


def test_discovery_of_a_server_that_is_out_of_order_is_stale(ns: Namespace, flunders: ExtensionServer) -> None:
    def version() -> Any:
        groups = {one["metadata"]["name"]: one for one in ns.admin.get("/apis", accept=AGGREGATED)["items"]}
        return groups[GROUP]["versions"][0]

    assert version()["freshness"] == "Current"
    stream = ns.admin.watch(f"{SERVICES}?watch=1&fieldSelector=metadata.name={VERSION}.{GROUP}")
    flunders.healthy = False
    ns.admin.patch(ns.path("services", "wardle"), {"metadata": {"labels": {"look": "again"}}})
    found = until(stream, "False")
    assert found["reason"] == "FailedDiscoveryCheck" and found["message"].endswith(f"{PREFIX}: 500")
    assert (version()["freshness"], [one["resource"] for one in version()["resources"]]) == ("Stale", ["flunders"])
    assert GROUP in [one["name"] for one in ns.admin.get("/apis")["groups"]]
    assert ns.admin.ask("GET", PREFIX).status == 503
    assert (GROUP, VERSION) in ns.cluster.api.services.stale()
    flunders.healthy = True
    ns.admin.patch(ns.path("services", "wardle"), {"metadata": {"labels": {"look": "once more"}}})
    assert until(stream, "True")["reason"] == "Passed" and version()["freshness"] == "Current"
    stream.close()


def test_a_wrong_authority_is_found_in_use_alone(ns: Namespace, flunders: ExtensionServer, tmp_path: Path) -> None:
    """As upstream: the check of availability does not look at the certificate."""
    other = tmp_path / "other"
    other.mkdir()
    bundle = ExtensionServer(other, ns.cluster.front_proxy, ("x",)).bundle
    name = f"{SERVICES}/{VERSION}.{GROUP}"
    assert ns.admin.patch(name, {"spec": {"caBundle": bundle}}).status == 200
    path = f"{PREFIX}/namespaces/{ns.name}/flunders"
    answer = ns.admin.ask("GET", path)
    assert answer.status == 503 and b"error trying to reach service: tls: failed to verify certificate" in answer.body
    change = {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}}
    assert ns.admin.patch(name, change).status == 200
    assert ns.admin.ask("GET", path).status == 200
