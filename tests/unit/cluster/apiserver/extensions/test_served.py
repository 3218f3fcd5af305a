"""A definition as resources: which versions, what may be done with them, and what goes for their objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from corral.cluster.apiserver.extensions.served import deprecation, problems_of, served_of
from corral.model.kubernetes.resources import VERBS

Object = dict[str, Any]
SPEC = {"type": "object", "properties": {"size": {"type": "integer", "default": 3, "maximum": 9}}}
SCHEMA: Object = {"type": "object", "properties": {"spec": SPEC}}


def version(name: str, *, storage: bool = False, **more: Any) -> Object:
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": SCHEMA}, **more}


def definition(*versions: Object, established: bool = True, **metadata: Any) -> Object:
    names = {"plural": "cows", "singular": "cow", "kind": "Cow", "listKind": "CowList", "shortNames": ["moo"]}
    spec = {"group": "a.example.com", "scope": "Namespaced", "names": names, "versions": list(versions)}
    condition = {"type": "Established", "status": "True" if established else "False"}
    status = {"acceptedNames": names, "conditions": [condition]}
    return {"metadata": {"name": "cows.a.example.com", **metadata}, "spec": spec, "status": status}


class Doubling:
    """A converter: whatever is not stored has twice the size."""

    def __init__(self) -> None:
        self.warmed: list[tuple[list[Object], str]] = []

    def convert(self, obj: Object, wanted: str) -> Object:
        if obj["apiVersion"] == wanted:
            return obj
        factor = 2 if wanted.endswith("v2") else 0.5
        return {**obj, "apiVersion": wanted, "spec": {"size": int(obj["spec"]["size"] * factor)}}

    bare = convert

    async def warm(self, objects: Iterable[Object], wanted: str) -> None:
        self.warmed.append((list(objects), wanted))


def test_nothing_is_served_before_the_names_are_accepted() -> None:
    assert served_of(definition(version("v1", storage=True), established=False)) == []


def test_each_version_that_is_served_is_a_resource() -> None:
    found = served_of(definition(version("v1", storage=True), version("v2"), version("v0", served=False)))
    assert [(one.resource.version, one.resource.plural, one.custom) for one in found] == [
        ("v1", "cows", True),
        ("v2", "cows", True),
    ]
    assert {one.stored.version for one in found} == {"v1"}
    assert found[0].resource.verbs == VERBS and found[0].resource.short_names == ("moo",)
    assert [one.name for one in found[0].resource.subresources] == []


def test_of_one_that_ends_nothing_new_is_made() -> None:
    (found,) = served_of(definition(version("v1", storage=True), deletionTimestamp="2026-01-01T00:00:00Z"))
    assert "create" not in found.resource.verbs and "delete" in found.resource.verbs


def test_subresources_and_where_a_scale_looks() -> None:
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}
    (found,) = served_of(definition(version("v1", storage=True, subresources={"status": {}, "scale": scale})))
    assert [one.name for one in found.resource.subresources] == ["status", "scale"] and found.kind.has_status
    assert found.scale is not None
    assert (found.scale.replicas, found.scale.status_replicas, found.scale.selector) == (
        "spec.size", "status.n", "status.s"
    )  # fmt: skip
    (plain,) = served_of(definition(version("v1", storage=True)))
    assert plain.scale is None and not plain.kind.has_status


def test_another_definition_finds_none_of_the_bytes_of_the_last() -> None:
    keys = {served_of(definition(version("v1", storage=True), resourceVersion=n))[0].plain.key for n in ("1", "2")}
    assert len(keys) == 2


def test_defaults_come_with_writes_and_with_reads() -> None:
    (found,) = served_of(definition(version("v1", storage=True)))
    new: Object = {"apiVersion": "a.example.com/v1", "kind": "Cow", "metadata": {"name": "b"}, "spec": {}}
    assert found.outgoing(new)["spec"] == {"size": 3}, "the default may be younger than the object"
    found.kind.default(new)
    assert new["spec"] == {"size": 3}


def test_versions_that_differ_in_their_name_alone() -> None:
    _, second = served_of(definition(version("v1", storage=True), version("v2")))
    obj = {"apiVersion": "a.example.com/v2", "kind": "Cow", "metadata": {"name": "b"}, "spec": {"size": 5}}
    stored = second.incoming(obj)
    assert stored["apiVersion"] == "a.example.com/v1" and stored["spec"] == {"size": 5}
    assert second.outgoing(stored) == obj and second.warm is None


async def test_versions_with_a_converter() -> None:
    """Objects are kept in the one, seen and checked in the other."""
    converter = Doubling()
    _, second = served_of(definition(version("v1", storage=True), version("v2")), converter)
    obj = {"apiVersion": "a.example.com/v2", "kind": "Cow", "metadata": {"name": "b"}, "spec": {"size": 8}}
    stored = second.incoming(obj)
    assert (stored["apiVersion"], stored["spec"]) == ("a.example.com/v1", {"size": 4})
    assert second.outgoing(stored)["spec"] == {"size": 8}
    too_much = {**stored, "spec": {"size": 5}}
    assert [one.field for one in second.kind.validate(too_much)] == ["spec.size"], "in v2 it is 10, and 9 are allowed"
    assert second.warm is not None
    await second.warm([stored], "a.example.com/v2")
    assert converter.warmed == [([stored], "a.example.com/v2")]


def test_what_was_wrong_before_may_stay() -> None:
    (found,) = served_of(definition(version("v1", storage=True)))
    old: Object = {"metadata": {"name": "b", "uid": "1"}, "spec": {"size": 50}}
    assert not found.kind.validate_update({**old, "metadata": {"name": "b", "labels": {"a": "b"}}}, old)
    worse = found.kind.validate_update({**old, "spec": {"size": 51}}, old)
    assert [one.field for one in worse] == ["spec.size"]
    assert problems_of(old, old, SCHEMA) == []


@pytest.mark.parametrize(
    ("obj", "shown"),
    [({"color": "red"}, "red"), ({"color": True}, "true"), ({"color": False}, "false"), ({}, ""), ({"color": 5}, "5")],
)
def test_fields_to_select_by(obj: Object, shown: str) -> None:
    (found,) = served_of(definition(version("v1", storage=True, selectableFields=[{"jsonPath": ".spec.color"}])))
    assert found.kind.fields["spec.color"]({"spec": obj}) == shown


def test_who_is_warned_of_an_old_version() -> None:
    old, other = version("v1beta1", deprecated=True), version("v1alpha1")
    (first, second) = served_of(definition({**old, "storage": True}, other))
    assert (first.kind.deprecated, second.kind.deprecated) == ("a.example.com/v1beta1 Cow is deprecated", "")
    spec = definition(old, version("v2"), version("v1"))["spec"]
    assert deprecation(spec, old) == "a.example.com/v1beta1 Cow is deprecated; use a.example.com/v2 Cow"
