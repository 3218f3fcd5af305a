"""The table of kinds, against the resources that there are."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes.kinds import CONVERSIONS, KINDS
from corral.model.kubernetes.schema.stable import builtin
from corral.model.kubernetes.schema.zeros import written


def test_every_resource_has_its_kind() -> None:
    served = {(one.group, one.kind) for one in builtin().resources}
    assert served - set(KINDS) == set()
    assert set(KINDS) - served == {("authentication.k8s.io", "TokenRequest")}


def test_status_is_a_subresource_where_it_is_one() -> None:
    for resource in builtin().resources:
        kind = KINDS.get((resource.group, resource.kind))
        if kind is not None:
            assert kind.has_status == (resource.subresource("status") is not None), resource.kind


def test_clients_find_what_they_require_in_a_new_status() -> None:
    for resource in builtin().resources:
        kind, schema = KINDS[resource.group, resource.kind], builtin().schema(resource.gvk)
        status = schema.properties.get("status") if schema else None
        if status is None or not status.required or not kind.has_status:
            continue
        for prepare in (kind.default, kind.prepare_create):
            obj: dict[str, Any] = {"metadata": {"name": "a"}, "spec": {}}
            prepare(obj)
            shown = written({"apiVersion": resource.api_version, "kind": resource.kind, **obj})
            assert set(status.required) <= set(shown["status"]), resource.kind


def test_every_other_version_is_converted() -> None:
    several = {(one.group, one.kind) for one in builtin().resources if one.version != "v1"}
    assert several == {("autoscaling", "HorizontalPodAutoscaler")}
    assert set(CONVERSIONS) == {
        ("autoscaling", "v1", "HorizontalPodAutoscaler"),
        ("events.k8s.io", "v1", "Event"),
    }
