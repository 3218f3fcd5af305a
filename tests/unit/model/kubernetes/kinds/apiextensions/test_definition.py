"""CustomResourceDefinitions: what is filled in, and what is said of bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.kinds import KINDS
from corral.model.kubernetes.kinds.apiextensions.definition import FINALIZER
from tests.support.kinds import added, changed, edited, judged, row, status_judged

Object = dict[str, Any]
KIND = ("apiextensions.k8s.io", "CustomResourceDefinition")
SCHEMA: Object = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {"color": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}}},
        }
    },
}
CRD: Object = {
    "metadata": {"name": "cows.a.example.com", "creationTimestamp": "2026-01-02T02:04:05Z"},
    "spec": {
        "group": "a.example.com",
        "scope": "Namespaced",
        "names": {"plural": "cows", "kind": "Cow"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}}],
    },
}
WEBHOOK = {
    "strategy": "Webhook",
    "webhook": {"clientConfig": {"service": {"namespace": "a", "name": "b"}}, "conversionReviewVersions": ["v1"]},
}
ESTABLISHED = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v1"]}


def test_defaults() -> None:
    assert added(*KIND, CRD)["spec"] == {
        "names": {"singular": "cow", "listKind": "CowList"},
        "conversion": {"strategy": "None"},
    }
    hooked = added(*KIND, edited(CRD, spec__conversion=WEBHOOK))["spec"]["conversion"]
    assert hooked == {"webhook": {"clientConfig": {"service": {"port": 443}}}}
    assert judged(*KIND, CRD) == [] == judged(*KIND, edited(CRD, spec__conversion=WEBHOOK))


def test_a_new_one_has_nothing_yet_and_does_not_go_before_its_objects() -> None:
    found = edited(CRD, status=ESTABLISHED)
    KINDS[KIND].prepare_create(found)
    assert found["status"] == {
        "conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]
    }  # fmt: skip
    assert found["metadata"]["finalizers"] == [FINALIZER]


def test_what_was_once_stored_is_kept_in_mind() -> None:
    old = edited(CRD, status=ESTABLISHED)
    second = {**CRD["spec"]["versions"][0], "name": "v2"}
    new = edited(old, spec__versions=[edited(second), {**CRD["spec"]["versions"][0], "storage": False}])
    KINDS[KIND].prepare_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("metadata__name", "cows", 'metadata.name: Invalid value: "cows": must be spec.names.plural+"."+spec.group'),
        ("spec__group", "example", 'spec.group: Invalid value: "example": should be a domain with at least one dot'),
        ("spec__group", "", "spec.group: Required value"),
        ("spec__group", "a.k8s.io", 'protected groups must have approval annotation "api-approved.kubernetes.io"'),
        ("spec__scope", "", "spec.scope: Required value"),
        ("spec__scope", "World", 'spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'),
        ("spec__versions", [], "spec.versions: Required value: must have at least one version"),
        ("spec__versions__0__storage", False, "must have exactly one version marked as storage version"),
        ("spec__versions__0__schema", None, "schema.openAPIV3Schema: Required value: schemas are required"),
        ("spec__versions__0__deprecationWarning", "x", "can only be set for deprecated versions"),
        ("spec__names__kind", "", "spec.names.kind: Required value"),
        ("spec__names__listKind", "Cow", "kind and listKind may not be the same"),
        ("spec__names__shortNames", ["M"], "spec.names.shortNames[0]: Invalid value"),
        ("spec__conversion__strategy", "Magic", 'supported values: "None", "Webhook"'),
        ("spec__conversion", {"strategy": "Webhook"}, "required when strategy is set to Webhook"),
        ("spec__conversion", {**WEBHOOK, "strategy": "None"}, "should not be set when strategy is not set to Webhook"),
        ("spec__preserveUnknownFields", True, "spec.preserveUnknownFields: Invalid value: true: must be false"),
    ],
)
def test_what_makes_no_sense(path: str, value: Any, said: str) -> None:
    found = judged(*KIND, edited(CRD, **{path: value}))
    assert any(said in one for one in found), found


def test_what_versions_share_is_told_of_once() -> None:
    """As upstream, which keeps in the spec itself what all versions agree on."""
    bad = {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "text"}}}}
    first, second = {**CRD["spec"]["versions"][0], "schema": bad}, {**CRD["spec"]["versions"][0], "name": "v2"}
    alone = judged(*KIND, edited(CRD, spec__versions=[first]))
    both = judged(*KIND, edited(CRD, spec__versions=[first, {**second, "storage": False}]))
    assert [one.partition(".openAPI")[0] for one in alone] == ["spec.validation"], alone
    assert [one.partition(".openAPI")[0] for one in both] == ["spec.versions[0].schema"], both


@pytest.mark.parametrize(
    ("webhook", "said"),
    [
        ({"conversionReviewVersions": []}, "conversionReviewVersions: Required value"),
        ({"conversionReviewVersions": ["v7"]}, "must include at least one of v1, v1beta1"),
        ({"conversionReviewVersions": ["v1", "v1"]}, "duplicate version"),
        ({"clientConfig": {}}, "exactly one of url or service is required"),
        ({"clientConfig": None}, "required when strategy is set to Webhook"),
    ],
)
def test_webhooks_that_cannot_be(webhook: Object, said: str) -> None:
    conversion = {**WEBHOOK, "webhook": {**WEBHOOK["webhook"], **webhook}}  # type: ignore[dict-item]
    found = judged(*KIND, edited(CRD, spec__conversion=conversion))
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"subresources": {"scale": {}}}, "scale.specReplicasPath: Required value"),
        ({"subresources": {"scale": {"specReplicasPath": ".a"}}}, "should be a json path under .spec"),
        ({"subresources": {"scale": {"specReplicasPath": ".spec.a[0]"}}}, "cannot have arrays in the path"),
        ({"additionalPrinterColumns": [{}]}, "additionalPrinterColumns[0].name: Required value"),
        ({"additionalPrinterColumns": [{"name": "a", "type": "x", "jsonPath": ".a"}]}, "must be one of boolean,date"),
        ({"additionalPrinterColumns": [{"name": "a", "type": "string", "jsonPath": "a"}]}, "is an invalid path"),
        ({"selectableFields": [{}]}, "selectableFields[0].jsonPath: Required value"),
        ({"selectableFields": [{"jsonPath": ".spec.none"}]}, "does not refer to a valid field"),
        ({"selectableFields": [{"jsonPath": ".spec.list"}]}, "must point to a field of type string, boolean"),
        ({"selectableFields": [{"jsonPath": "spec.color"}]}, "only simple paths of fields are allowed"),
    ],
)
def test_what_a_version_may_not_say(more: Object, said: str) -> None:
    found = judged(*KIND, edited(CRD, spec__versions__0={**CRD["spec"]["versions"][0], **more}))
    assert any(said in one for one in found), found


def test_what_may_not_change() -> None:
    assert changed(*KIND, CRD, spec__group="b.example.com") and changed(*KIND, CRD, spec__names__plural="oxen")
    assert not changed(*KIND, CRD, spec__scope="Cluster"), "nobody can have made an object yet"
    old = edited(CRD, status=ESTABLISHED)
    assert changed(*KIND, old, spec__scope="Cluster") and changed(*KIND, old, spec__names__kind="Ox")
    assert not changed(*KIND, old, spec__names__shortNames=["moo"])


def test_versions_that_the_store_may_hold_stay() -> None:
    (found,) = status_judged(*KIND, CRD, {"storedVersions": ["v0", "v1"]})
    assert found.startswith('status.storedVersions[0]: Invalid value: "v0": missing from spec.versions')
    (found,) = judged(*KIND, edited(CRD, status={"storedVersions": ["v0"]}))[1:] or [""]
    assert "must have the storage version v1" in found
    assert status_judged(*KIND, CRD, {"storedVersions": ["v1"]}) == []


def test_the_row() -> None:
    assert row(*KIND, CRD) == {"Created At": "2026-01-02T02:04:05Z"}
