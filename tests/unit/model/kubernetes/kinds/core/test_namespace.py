from __future__ import annotations

from corral.model.kubernetes.kinds import KINDS
from tests.support.kinds import added, defaulted, judged, row, status_judged

NAMESPACE = {"metadata": {"name": "shop"}}


def test_namespaces() -> None:
    assert added("", "Namespace", NAMESPACE) == {
        "metadata": {"labels": {"kubernetes.io/metadata.name": "shop"}},
        "spec": {},
        "status": {"phase": "Active"},
    }
    found = defaulted("", "Namespace", NAMESPACE)
    KINDS["", "Namespace"].prepare_create(found)
    assert found["spec"] == {"finalizers": ["kubernetes"]}
    new = {**found, "spec": {}, "status": {"phase": "Terminating"}}
    KINDS["", "Namespace"].prepare_update(new, found)
    assert (new["spec"], new["status"]) == (found["spec"], found["status"])
    assert judged("", "Namespace", {**NAMESPACE, "spec": {"finalizers": ["mine"]}}) == [
        'spec.finalizers: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified'
    ]
    assert status_judged("", "Namespace", NAMESPACE, {"phase": "Terminating"}) == [
        "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
    ]
    assert row("", "Namespace", found) == {"Status": "Active", "Age": "<unknown>"}
    check = KINDS["", "Namespace"].validate_name
    assert check is not None and check("a.b") == ["must not contain dots"]


def test_service_accounts() -> None:
    found = {"secrets": [{"name": "a", "kind": "Secret"}]}
    KINDS["", "ServiceAccount"].prepare_create(found)
    assert found == {"secrets": [{"name": "a"}]}
    assert row("", "ServiceAccount", found) == {"Secrets": 1, "Age": "<unknown>"}
