"""What Go writes of what nobody set."""

from __future__ import annotations

from typing import Any

import pytest

from corral.model.kubernetes.schema.data import load, long_name, short_name
from corral.model.kubernetes.schema.zeros import bare, complete, empty, type_of, written

Object = dict[str, Any]


def obj(api_version: str, kind: str, **rest: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}, **rest}


def test_an_event_shows_its_times_and_where_it_comes_from() -> None:
    event = obj("v1", "Event", involvedObject={}, message="hello")
    shown = {
        "source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": None,
        "reportingComponent": "", "reportingInstance": "",
    }  # fmt: skip
    assert written(event) == {**event, **shown}
    assert complete(event) == {**event, "source": {}, "reportingComponent": "", "reportingInstance": ""}


@pytest.mark.parametrize("rules", [{}, {"rules": []}, {"rules": None}])
def test_an_empty_list_is_null_as_is_none(rules: Object) -> None:
    role = obj("rbac.authorization.k8s.io/v1", "Role", **rules)
    assert written(role)["rules"] is None
    assert "rules" not in complete(role)


def test_what_upstream_keeps_as_json_keeps_its_empty_lists() -> None:
    definition = obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", status={"conditions": []})
    status = written(definition)["status"]
    assert (status["conditions"], status["storedVersions"]) == ([], None)
    assert status["acceptedNames"] == {"plural": "", "kind": ""}


def test_what_lies_in_lists_and_maps_is_filled() -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    pod = obj("v1", "Pod", spec={"containers": [{"name": "a"}]}, status={"conditions": [condition]})
    shown = written(pod)
    assert shown["spec"]["containers"] == [{"name": "a", "resources": {}}]
    assert shown["status"]["conditions"] == [{**condition, "lastProbeTime": None}]
    assert pod["spec"]["containers"] == [{"name": "a"}], "the object itself stays as it is"


def test_a_pointer_without_a_value_is_null_and_an_empty_one_is_not() -> None:
    assert written(obj("apps/v1", "Deployment", spec={}))["spec"]["selector"] is None
    assert written(obj("apps/v1", "Deployment", spec={"selector": {}}))["spec"]["selector"] == {}


def test_lists_of_objects_and_kinds_from_elsewhere() -> None:
    role = {"metadata": {}, "rules": None}
    listed: Object = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleList", "metadata": {}, "items": [role]}
    assert bare(listed)["items"] == [{"metadata": {}}]
    custom = obj("corral.example/v1", "Herd", spec=None)
    assert (
        type_of(custom) == ""
        and written(custom) is custom
        and bare(custom) == obj("corral.example/v1", "Herd", spec=None)
    )


@pytest.mark.parametrize("name", sorted(set(load().kinds.values())))
def test_every_kind_can_be_empty_and_comes_back(name: str) -> None:
    """`complete` once is enough, `written` of it is what `written` is, and `bare` is the way back."""
    gvk = next(gvk for gvk, found in load().kinds.items() if found == name)
    named = {"apiVersion": f"{gvk.group}/{gvk.version}" if gvk.group else gvk.version, "kind": gvk.kind}
    whole = complete(dict(named))
    assert complete(whole) == whole
    assert written(whole) == written(dict(named)) == {**empty(name), **named}
    assert bare(written(whole)) == whole


@pytest.mark.parametrize("name", ["core.v1.Pod", "meta.v1.ObjectMeta", "apiregistration.v1.APIService",
    "apiextensions.v1.JSONSchemaProps", "apimachinery.version.Info"])  # fmt: skip
def test_names_of_types(name: str) -> None:
    assert short_name(long_name(name)) == name
