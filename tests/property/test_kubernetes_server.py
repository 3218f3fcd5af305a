"""Whatever a client sends, the API server has an answer of its own: never a 500, never a broken connection."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.kubernetes import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, LiveKubernetes, Namespace

LABELS = {"app": "web"}
POD = {
    "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "b"}]}]
}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("", "configmaps"): {"data": {"k": "v"}},
    ("", "secrets"): {"data": {"k": "dg=="}, "type": "Opaque"},
    ("", "pods"): {"spec": POD},
    ("", "services"): {"spec": {"ports": [{"port": 80}], "selector": LABELS, "type": "NodePort"}},
    ("", "persistentvolumeclaims"): {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    ("apps/v1", "deployments"): {"spec": {"selector": {"matchLabels": LABELS}, "template": TEMPLATE, "replicas": 1}},
    ("batch/v1", "cronjobs"): {
        "spec": {
            "schedule": "* * * * *",
            "jobTemplate": {"spec": {"template": {"spec": {**POD, "restartPolicy": "Never"}}}},
        }
    },
    ("autoscaling/v1", "horizontalpodautoscalers"): {
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    },
    ("networking.k8s.io/v1", "ingresses"): {
        "spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    },
    ("policy/v1", "poddisruptionbudgets"): {"spec": {"minAvailable": "50%", "selector": {"matchLabels": LABELS}}},
    ("rbac.authorization.k8s.io/v1", "roles"): {
        "rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]
    },
    ("coordination.k8s.io/v1", "leases"): {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 5}},
    ("events.k8s.io/v1", "events"): {"reportingController": "a/b", "reportingInstance": "c", "action": "x"},
}

texts = st.text(max_size=8) | st.sampled_from(["", "a", "None", "0", "1Gi", "-1", "*", "a/b", "../..", "A" * 300])
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All places in an object."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def replaced(obj: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    found = copy.deepcopy(obj)
    at = found
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return found


@st.composite
def broken(draw: st.DrawFn) -> tuple[tuple[str, str], Any]:
    """An object of which some places have something else."""
    where = draw(st.sampled_from(sorted(BODIES)))
    obj: Any = {"metadata": {"name": "x", "labels": {"a": "b"}, "annotations": {}, "finalizers": []}, **BODIES[where]}
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(places(obj), key=repr)))
        obj = replaced(obj, path, draw(values))
    return where, obj


@pytest.fixture(scope="module")
def ns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    with LiveKubernetes(tmp_path_factory.mktemp("kubernetes")) as cluster:
        ns = Namespace(cluster, "fuzz")
        for (group, plural), body in BODIES.items():
            metadata = {"name": "there"}
            if plural == "events":
                body = {**body, "eventTime": "2026-01-02T03:04:05.000000Z", "reason": "r", "type": "Normal"}
                body["regarding"] = {"kind": "Pod", "namespace": "fuzz", "name": "p"}
            ns.create(plural, {"metadata": metadata, **body}, group)
        yield ns


fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(broken())
def test_bodies(ns: Namespace, made: tuple[tuple[str, str], Any]) -> None:
    (group, plural), obj = made
    answer = ns.admin.ask("POST", ns.path(plural, group=group) + "?dryRun=All", obj)
    assert answer.status in (201, 400, 403, 404, 409, 413, 422), (answer.status, answer.body)
    json.loads(answer.body)


@fuzz
@given(broken(), st.sampled_from([MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]))
def test_patches(ns: Namespace, made: tuple[tuple[str, str], Any], media: str) -> None:
    (group, plural), obj = made
    if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict):
        obj["metadata"].pop("name", None)
    query = "?dryRun=All&fieldManager=m&force=true" if media == APPLY_PATCH else "?dryRun=All"
    answer = ns.admin.patch(ns.path(plural, "there", group=group) + query, obj, media)
    assert answer.status in (200, 400, 403, 409, 413, 422), (answer.status, answer.body)


operations = st.lists(
    st.fixed_dictionaries(
        {
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
            "path": st.sampled_from(
                ["", "/", "/spec", "/metadata", "/metadata/labels", "/metadata/name", "/kind", "/x/0"]
            ),
        },
        optional={"value": values, "from": st.sampled_from(["", "/spec", "/metadata", "/nothing"])},
    ),
    max_size=3,
)


@fuzz
@given(st.sampled_from(sorted(BODIES)), operations)
def test_json_patches(ns: Namespace, where: tuple[str, str], patch: list[Any]) -> None:
    group, plural = where
    answer = ns.admin.patch(ns.path(plural, "there", group=group) + "?dryRun=All", patch, JSON_PATCH)
    assert answer.status in (200, 400, 403, 409, 422), (answer.status, answer.body)


@fuzz
@given(st.text(max_size=40), st.dictionaries(st.sampled_from(["limit", "continue", "labelSelector", "fieldSelector",
    "resourceVersion", "resourceVersionMatch", "timeoutSeconds"]), st.text(max_size=10), max_size=3))  # fmt: skip
def test_paths_and_parameters(ns: Namespace, tail: str, query: dict[str, str]) -> None:
    if query.get("resourceVersion", "").isdigit():
        del query["resourceVersion"]  # one of the future is waited for
    for path in (f"/api/v1/{quote(tail)}", f"/apis/apps/v1/namespaces/fuzz/{quote(tail)}", ns.path("configmaps")):
        answer = ns.admin.ask("GET", f"{path}?{urlencode(query)}")
        assert answer.status in (200, 301, 400, 403, 404, 405, 410, 422, 504), (answer.status, answer.body)
