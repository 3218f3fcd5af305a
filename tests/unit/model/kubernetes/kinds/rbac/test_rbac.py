from __future__ import annotations

from typing import Any

import pytest

from tests.support.kinds import added, changed, judged, row

GROUP = "rbac.authorization.k8s.io"
BINDING: dict[str, Any] = {
    "roleRef": {"kind": "ClusterRole", "name": "view"},
    "subjects": [
        {"kind": "User", "name": "ann"},
        {"kind": "Group", "name": "all"},
        {"kind": "ServiceAccount", "name": "bot", "namespace": "default"},
    ],
}


def test_bindings() -> None:
    assert added(GROUP, "RoleBinding", BINDING) == {
        "roleRef": {"apiGroup": GROUP},
        "subjects": {0: {"apiGroup": GROUP}, 1: {"apiGroup": GROUP}},
    }
    assert judged(GROUP, "RoleBinding", BINDING) == judged(GROUP, "ClusterRoleBinding", BINDING) == []
    wrong = {
        "roleRef": {"kind": "Role", "name": "a"},
        "subjects": [{"kind": "ServiceAccount", "name": "b"}, {"kind": "X"}],
    }
    assert judged(GROUP, "ClusterRoleBinding", wrong) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[0].namespace: Required value",
        "subjects[1].name: Required value",
        'subjects[1].kind: Unsupported value: "X": supported values: "ServiceAccount", "User", "Group"',
    ]
    assert changed(GROUP, "RoleBinding", BINDING, roleRef={"kind": "Role", "name": "x"}) == [
        'roleRef: Invalid value: {"kind":"Role","name":"x","apiGroup":"rbac.authorization.k8s.io"}: '
        "cannot change roleRef"
    ]
    assert row(GROUP, "RoleBinding", BINDING, wide=True) == {
        "Role": "ClusterRole/view",
        "Age": "<unknown>",
        "Users": "ann",
        "Groups": "all",
        "ServiceAccounts": "default/bot",
    }


@pytest.mark.parametrize(
    ("kind", "role", "texts"),
    [
        ("Role", {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}, []),
        (
            "Role",
            {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]},
            [
                'rules[0].nonResourceURLs: Invalid value: ["/healthz"]: namespaced rules cannot apply to non-resource '
                "URLs"
            ],
        ),
        ("ClusterRole", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]}, []),
        (
            "ClusterRole",
            {"rules": [{}]},
            [
                "rules[0].verbs: Required value: verbs must contain at least one value",
                "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                "rules[0].resources: Required value: resource rules must supply at least one resource",
            ],
        ),
        (
            "ClusterRole",
            {"aggregationRule": {}},
            [
                "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
                "aggregationRule is non-nil"
            ],
        ),
    ],
)
def test_roles(kind: str, role: dict[str, Any], texts: list[str]) -> None:
    assert judged(GROUP, kind, role) == texts


def test_columns_of_roles() -> None:
    made = {"metadata": {"creationTimestamp": "2026-01-02T03:00:00Z"}}
    assert row(GROUP, "ClusterRole", made) == {"Created At": "2026-01-02T03:00:00Z"}
