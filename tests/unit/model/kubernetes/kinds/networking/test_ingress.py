from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import KINDS
from tests.support.kinds import added, changed, edited, judged, row

GROUP = "networking.k8s.io"
BACKEND = {"service": {"name": "web", "port": {"number": 80}}}
INGRESS: dict[str, Any] = {
    "metadata": {"name": "web"},
    "spec": {
        "rules": [
            {"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}
        ]
    },
}
P = "spec__rules__0__http__paths__0__"


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({}, []),
        ({"spec": {}}, ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]),
        (
            {"spec__rules__0__host": "10.0.0.1"},
            ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
        ),
        ({P + "pathType": None}, ["spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"]),
        (
            {P + "path": "/a//b/.."},
            [
                "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/..\": must not contain '//'",
                "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/..\": cannot end with '/..'",
            ],
        ),
        (
            {P + "backend": {}},
            ['spec.rules[0].http.paths[0].backend: Invalid value: "": resource or service backend is required'],
        ),
        (
            {P + "backend": {"service": {"name": "web"}}},
            ["spec.rules[0].http.paths[0].backend: Required value: port name or number is required"],
        ),
        (
            {"spec__ingressClassName": "a", "metadata__annotations": {"kubernetes.io/ingress.class": "b"}},
            [
                'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` when both '
                "are specified"
            ],
        ),
    ],
)
def test_rules(changes: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, "Ingress", edited(INGRESS, **changes)) == texts


def test_warnings_and_columns() -> None:
    old = edited(INGRESS, metadata__annotations={"kubernetes.io/ingress.class": "nginx"})
    assert KINDS[GROUP, "Ingress"].warnings(old, None) == [
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
    ]
    status = {"loadBalancer": {"ingress": [{"ip": "10.0.0.2"}, {"hostname": "b"}]}}
    assert row(GROUP, "Ingress", edited(INGRESS, status=status, spec__tls=[{}])) == {
        "Class": "<none>",
        "Hosts": "a.example.com",
        "Address": "10.0.0.2,b",
        "Ports": "80, 443",
        "Age": "<unknown>",
    }


def test_classes() -> None:
    found = {"spec": {"controller": "example.com/ingress", "parameters": {"kind": "Config", "name": "a"}}}
    assert added(GROUP, "IngressClass", found) == {"spec": {"parameters": {"scope": "Cluster"}}}
    assert judged(GROUP, "IngressClass", found) == []
    assert judged(GROUP, "IngressClass", edited(found, spec__parameters__scope="Namespace")) == [
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"
    ]
    assert changed(GROUP, "IngressClass", found, spec__controller="example.com/b") == [
        'spec.controller: Invalid value: "example.com/b": field is immutable'
    ]
    assert row(GROUP, "IngressClass", found)["Parameters"] == "Config/a"
