from corral.cluster.apiserver.apply import scale
from corral.model.kubernetes.resources import GroupVersionKind

MAPPINGS = scale.BUILT_IN["apps", "Deployment"]
TIME = "2026-01-02T03:04:05Z"


def entry(manager, version="apps/v1", operation="Update", fields=("replicas",), **more):
    wire = {"f:spec": {f"f:{name}": {} for name in fields}}
    return {"manager": manager, "operation": operation, "apiVersion": version, "fieldsType": "FieldsV1",
            "fieldsV1": wire, **more}  # fmt: skip


def test_only_owners_of_the_replicas_are_owners_of_the_scale():
    parent = [entry("a", fields=("replicas", "paused"), time=TIME), entry("b", fields=("paused",)), entry("c", "v9")]
    assert scale.to_scale(parent, MAPPINGS) == [entry("a", "autoscaling/v1", time=TIME)]


def test_who_scales_takes_the_replicas():
    parent = [entry("kubectl", operation="Apply", fields=("paused", "replicas"), time=TIME), entry("old", time=TIME)]
    written = [entry("scaler", "autoscaling/v1", subresource="scale", time=TIME)]
    assert scale.to_parent(parent, written, "apps/v1", MAPPINGS) == [
        entry("kubectl", operation="Apply", fields=("paused",), time=TIME),
        entry("scaler", subresource="scale"),
    ]


def test_who_keeps_the_replicas_stays_as_he_was():
    parent = [entry("a", fields=("paused", "replicas"), time=TIME), entry("b", operation="Apply", time=TIME)]
    kept = scale.to_scale(parent, MAPPINGS)
    assert scale.to_parent(parent, kept, "apps/v1", MAPPINGS) == [parent[1], parent[0]]


def test_entries_of_unknown_versions_go():
    assert scale.to_parent([entry("a", "v9")], [], "apps/v1", MAPPINGS) == []


def test_of_custom_kinds_the_definition_says_where_the_replicas_are():
    mappings = scale.mappings_of(GroupVersionKind("x.io", "v1", "Web"), {"v1": ".spec.size", "v2": ".spec.n.size"})
    assert mappings == {"x.io/v1": ("f:spec", "f:size"), "x.io/v2": ("f:spec", "f:n", "f:size")}
    assert scale.mappings_of(GroupVersionKind("apps", "v1", "StatefulSet")) == MAPPINGS
    assert scale.mappings_of(GroupVersionKind("", "v1", "Pod")) == {}
    parent = [entry("a", "x.io/v1", fields=("size",))]
    written = [entry("b", "autoscaling/v1", subresource="scale")]
    assert scale.to_parent(parent, written, "x.io/v1", mappings) == [
        entry("b", "x.io/v1", fields=("size",), subresource="scale")
    ]
