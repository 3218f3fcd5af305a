"""Lists of the Kubernetes API: pieces, revisions, selectors, and the forms that clients ask for."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.kubernetes import PARTIAL, PARTIAL_LIST, TABLE, LiveKubernetes, Namespace


def names(listed: dict) -> list[str]:
    return [one["metadata"]["name"] for one in listed["items"]]


def test_a_list_is_of_a_revision(ns: Namespace) -> None:
    ns.config("b")
    last = ns.config("a")
    found = ns.admin.get(ns.path("configmaps"))
    assert (found["kind"], found["apiVersion"], names(found)) == ("ConfigMapList", "v1", ["a", "b"])
    assert int(found["metadata"]["resourceVersion"]) >= int(last["metadata"]["resourceVersion"])
    assert "kind" not in found["items"][0]


def test_an_empty_list_has_items(ns: Namespace) -> None:
    assert ns.admin.get(ns.path("configmaps"))["items"] == []


def test_all_namespaces(ns: Namespace) -> None:
    ns.config("mine")
    everywhere = ns.admin.get("/api/v1/configmaps?fieldSelector=metadata.namespace%3D" + ns.name)
    assert names(everywhere) == ["mine"]


# Pieces


def test_a_list_in_pieces(ns: Namespace) -> None:
    for number in range(5):
        ns.config(f"c{number}")
    path = ns.path("configmaps")
    first = ns.admin.get(f"{path}?limit=2")
    assert names(first) == ["c0", "c1"] and first["metadata"]["remainingItemCount"] == 3
    ns.admin.ok("DELETE", f"{path}/c3")
    ns.config("c2-later")
    second = ns.admin.get(f"{path}?limit=2&continue={quote(first['metadata']['continue'])}")
    assert names(second) == ["c2", "c3"] and second["metadata"]["remainingItemCount"] == 1
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    third = ns.admin.get(f"{path}?limit=2&continue={quote(second['metadata']['continue'])}")
    assert names(third) == ["c4"] and not {"continue", "remainingItemCount"} & set(third["metadata"])


def test_pieces_of_a_selection_tell_no_number(ns: Namespace) -> None:
    for number in range(4):
        ns.config(f"c{number}", labels={"odd": str(number % 2)})
    path = f"{ns.path('configmaps')}?labelSelector=odd%3D1&limit=1"
    first = ns.admin.get(path)
    assert names(first) == ["c1"] and "remainingItemCount" not in first["metadata"]
    second = ns.admin.get(f"{path}&continue={quote(first['metadata']['continue'])}")
    assert names(second) == ["c3"]


def test_a_continuation_of_what_is_compacted(tmp_path: Path) -> None:
    with LiveKubernetes(tmp_path) as cluster:
        ns = Namespace(cluster, "own")
        for number in range(3):
            ns.config(f"c{number}")
        path = ns.path("configmaps")
        first = ns.admin.get(f"{path}?limit=1")
        last = ns.admin.patch(f"{path}/c2", {"data": {"k": "v"}}).json
        cluster.run(cluster.store.compact(int(last["metadata"]["resourceVersion"])))
        answer = ns.admin.ask("GET", f"{path}?limit=1&continue={quote(first['metadata']['continue'])}")
        code, reason, message = answer.told
        assert (code, reason) == (410, "Expired") and message.startswith("The provided continue parameter is too old")
        again = ns.admin.get(f"{path}?limit=1&continue={quote(answer.json['metadata']['continue'])}")
        assert names(again) == ["c1"]
        old = f"{path}?resourceVersion={first['metadata']['resourceVersion']}&resourceVersionMatch=Exact"
        assert ns.admin.ask("GET", old).told == (
            410,
            "Expired",
            "The resourceVersion for the provided list is too old.",
        )


@pytest.mark.parametrize("token", ["nonsense!", base64.urlsafe_b64encode(b'{"v":"x","rv":1,"start":"a"}').decode()])
def test_a_continuation_that_is_none(ns: Namespace, token: str) -> None:
    code, _, message = ns.admin.ask("GET", f"{ns.path('configmaps')}?limit=1&continue={quote(token)}").told
    assert code == 400 and "continue key is not valid" in message


# Revisions


def test_a_list_as_of_a_revision(ns: Namespace) -> None:
    first = ns.config("a")
    ns.config("b")
    path, revision = ns.path("configmaps"), first["metadata"]["resourceVersion"]
    exact = ns.admin.get(f"{path}?resourceVersion={revision}&resourceVersionMatch=Exact")
    assert names(exact) == ["a"] and exact["metadata"]["resourceVersion"] == revision
    later = ns.admin.get(f"{path}?resourceVersion={revision}&resourceVersionMatch=NotOlderThan")
    assert names(later) == ["a", "b"]
    assert names(ns.admin.get(f"{path}?resourceVersion=0")) == ["a", "b"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("resourceVersionMatch=Exact", "resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ("resourceVersion=0&resourceVersionMatch=Exact", 'resourceVersionMatch "exact" is forbidden for'),
        ("resourceVersion=1&resourceVersionMatch=Maybe", "resourceVersionMatch: Unsupported value"),
        ("resourceVersion=abc", "Invalid value"),
        ("limit=abc", "strconv.ParseInt"),
        ("labelSelector=a%3D%3D%3D", "unable to parse requirement"),
        ("fieldSelector=data.k%3Dv", "field label not supported: data.k"),
        ("sendInitialEvents=true", "sendInitialEvents is forbidden for list"),
    ],
)
def test_lists_that_make_no_sense(ns: Namespace, query: str, message: str) -> None:
    code, _, told = ns.admin.ask("GET", f"{ns.path('configmaps')}?{query}").told
    assert code in (400, 422) and message in told


def test_a_revision_of_the_future(ns: Namespace) -> None:
    answer = ns.admin.ask("GET", f"{ns.path('configmaps')}?resourceVersion=99999999&resourceVersionMatch=Exact")
    assert answer.told[:2] == (504, "Timeout") and "Too large resource version: 99999999" in answer.told[2]
    assert answer.json["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["retry-after"] == "1"


# Selectors


def test_selectors_of_labels_and_fields(ns: Namespace) -> None:
    ns.config("a", labels={"app": "web", "tier": "1"})
    ns.config("b", labels={"app": "db"})
    ns.config("c")
    path = ns.path("configmaps")
    for selector, expected in {
        "app=web": ["a"],
        "app in (web,db)": ["a", "b"],
        "!app": ["c"],
        "app,tier!=1": ["b"],
        "": ["a", "b", "c"],
    }.items():
        assert names(ns.admin.get(f"{path}?labelSelector={quote(selector)}")) == expected, selector
    assert names(ns.admin.get(f"{path}?fieldSelector={quote('metadata.name=b')}")) == ["b"]
    assert names(ns.admin.get(f"{path}?fieldSelector={quote('metadata.name!=b')}")) == ["a", "c"]


# Forms


def test_a_table(ns: Namespace) -> None:
    ns.config("a", {"k": "v"})
    found = ns.admin.get(ns.path("configmaps"), accept=TABLE)
    assert (found["kind"], found["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    columns = [column["name"] for column in found["columnDefinitions"]]
    assert columns == ["Name", "Data", "Age"]
    row = found["rows"][0]
    assert row["cells"][:2] == ["a", 1] and row["cells"][2].endswith("s")
    assert (row["object"]["kind"], row["object"]["metadata"]["name"]) == ("PartialObjectMetadata", "a")
    assert "data" not in row["object"]
    one = ns.admin.get(ns.path("configmaps", "a") + "?includeObject=Object", accept=TABLE)
    assert one["rows"][0]["object"]["data"] == {"k": "v"}
    none = ns.admin.get(ns.path("configmaps", "a") + "?includeObject=None", accept=TABLE)
    assert none["rows"][0]["object"] is None
    answer = ns.admin.ask("GET", ns.path("configmaps") + "?includeObject=Some", headers={"Accept": TABLE})
    assert answer.told[0] == 400 and "must be 'Metadata', 'Object', 'None', or empty" in answer.told[2]


def test_metadata_alone(ns: Namespace) -> None:
    made = ns.config("a", {"k": "v"})
    listed = ns.admin.get(ns.path("configmaps"), accept=PARTIAL_LIST)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["items"][0]["metadata"] == made["metadata"] and "data" not in listed["items"][0]
    one = ns.admin.get(ns.path("configmaps", "a"), accept=PARTIAL)
    assert (one["kind"], one["metadata"]) == ("PartialObjectMetadata", made["metadata"])
    assert ns.admin.ask("GET", ns.path("configmaps"), headers={"Accept": PARTIAL}).told[0] == 406


def test_yaml_and_indented_json(ns: Namespace) -> None:
    ns.config("a", {"k": "v"})
    path = ns.path("configmaps", "a")
    answer = ns.admin.ask("GET", path, headers={"Accept": "application/yaml"})
    assert answer.headers["content-type"] == "application/yaml" and b"\n  k: v\n" in answer.body
    texts = {"one": "1", "no": "on", "lines": "a\nb\n", "ten": "10Mi", "same": "=", "time": "2026-01-02T03:04:05"}
    shown = ("lines: |", "  a", "  b", '"no": "on"', 'one: "1"', "same: =", "ten: 10Mi", "time: 2026-01-02T03:04:05")
    made = yaml_of(ns, "b", texts)
    assert ("data:\n" + "".join(f"  {line}\n" for line in shown)).encode() in made
    assert re.search(rb'\n  creationTimestamp: "2[^"]*Z"\n(.*\n)*  resourceVersion: "[0-9]+"\n', made)
    assert b'\n  "data": {\n' in ns.admin.ask("GET", f"{path}?pretty=true").body
    assert b"\n" not in ns.admin.ask("GET", path).body


def yaml_of(ns: Namespace, name: str, data: dict[str, str]) -> bytes:
    ns.config(name, data)
    return ns.admin.ask("GET", ns.path("configmaps", name), headers={"Accept": "application/yaml"}).body


def test_forms_that_are_not_offered(ns: Namespace) -> None:
    for accept in ("application/vnd.kubernetes.protobuf", "text/html", "application/json;as=Pie;v=v1;g=meta.k8s.io"):
        code, reason, message = ns.admin.ask("GET", ns.path("configmaps"), headers={"Accept": accept}).told
        assert (code, reason) == (406, "NotAcceptable")
        assert message == "only the following media types are accepted: application/json, application/yaml"
    both = "application/vnd.kubernetes.protobuf,application/json"
    assert ns.admin.ask("GET", ns.path("configmaps"), headers={"Accept": both}).status == 200


def test_large_answers_are_compressed_for_who_takes_that(ns: Namespace) -> None:
    ns.config("small", {"k": "v"})
    ns.config("large", {"k": "v" * 200_000})
    path, wanted = ns.path("configmaps"), {"Accept-Encoding": "gzip"}
    packed = ns.admin.ask("GET", path, headers=wanted)
    assert packed.headers["content-encoding"] == "gzip" and len(packed.body) < 50_000
    assert len(json.loads(gzip.decompress(packed.body))["items"]) == 2
    assert "content-encoding" not in ns.admin.ask("GET", f"{path}/small", headers=wanted).headers
    assert "content-encoding" not in ns.admin.ask("GET", path).headers
