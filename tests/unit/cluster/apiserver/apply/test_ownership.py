"""What appliers and updaters do to each other, on objects small enough to see it."""

import pytest

from corral.cluster.apiserver.apply import fieldset, ownership, plan
from corral.cluster.apiserver.apply.comparing import compare
from corral.cluster.apiserver.apply.conflicts import Conflicts
from corral.cluster.apiserver.apply.entries import APPLY, UPDATE, Manager
from corral.cluster.apiserver.apply.fieldset import of_paths
from corral.cluster.apiserver.apply.reset_fields import NOTHING
from corral.cluster.apiserver.apply.views import Change, all_alike
from tests.unit.cluster.apiserver.apply.schemas import SPEC

PLAN = plan.of_schema(SPEC)
A, B = 'k:{"name":"a"}', 'k:{"name":"b"}'
TCP = 'k:{"port":80,"protocol":"TCP"}'


class World:
    """An object and its owners."""

    def __init__(self):
        self.obj, self.entries = {}, {}

    def apply(self, who, obj, *, force=False, version="v1"):
        manager = Manager(who, APPLY, version)
        self.obj, self.entries = ownership.after_apply(self.obj, obj, self.entries, manager, PLAN, NOTHING, force=force)
        return self

    def update(self, who, obj, version="v1"):
        change = Change(self.obj, obj, compare(self.obj, obj, PLAN), version, all_alike)
        self.obj, self.entries = obj, ownership.after_update(self.entries, change, Manager(who, UPDATE, version), "")
        return self

    def of(self, who):
        return next((one.fields for one in self.entries.values() if one.manager.name == who), {})


def test_items_of_other_appliers_stay():
    world = World().apply("one", {"list": [{"name": "a"}, {"name": "b"}]}).apply("two", {"list": [{"name": "c"}]})
    world.apply("one", {"list": [{"name": "a"}]})
    assert world.obj == {"list": [{"name": "a"}, {"name": "c"}]}
    assert world.of("one") == of_paths(("list", A), ("list", A, "name"))


def test_an_item_that_two_apply_goes_with_the_last():
    world = World().apply("one", {"list": [{"name": "a", "value": 1}]}).apply("two", {"list": [{"name": "a"}]})
    assert world.apply("one", {"list": []}).obj == {"list": [{"name": "a"}]}
    assert world.apply("two", {}).obj == {}


def test_what_an_updater_has_set_is_not_removed_by_an_applier():
    world = World().apply("one", {"map": {"a": "1"}}).update("two", {"map": {"a": "1", "b": "2"}, "text": "x"})
    assert world.apply("one", {}).obj == {"map": {"b": "2"}, "text": "x"}


def test_who_applies_a_field_that_an_updater_has_changed_gets_a_conflict():
    world = World().apply("one", {"replicas": 1}).update("two", {"replicas": 2})
    with pytest.raises(Conflicts) as caught:
        world.apply("one", {"replicas": 1})
    assert [(str(one.manager), one.path) for one in caught.value.found] == [('"two" using v1', ("f:replicas",))]
    assert world.apply("one", {"replicas": 2}).of("two") == of_paths(("replicas",))
    assert world.apply("one", {}).obj == {"replicas": 2}


def test_conflicts_of_atomic_things_are_one():
    world = World().apply("one", {"atom": {"a": 1, "b": 1}, "whole": ["x", "y"]})
    with pytest.raises(Conflicts) as caught:
        world.apply("two", {"atom": {"a": 2}, "whole": ["z"]})
    assert [one.path for one in caught.value.found] == [("f:atom",), ("f:whole",)]
    assert world.apply("two", {"atom": {"a": 2}, "whole": ["z"]}, force=True).obj == {"atom": {"a": 2}, "whole": ["z"]}
    assert world.of("one") == {}


def test_a_key_with_a_default_is_the_same_item_without_it():
    world = World().apply("one", {"ports": [{"port": 80, "name": "x"}]})
    with pytest.raises(Conflicts) as caught:
        world.apply("two", {"ports": [{"port": 80, "protocol": "TCP", "name": "y"}]})
    assert caught.value.found[0].path == ("f:ports", TCP, "f:name")
    world.apply("two", {"ports": [{"port": 80, "protocol": "UDP"}]})
    assert world.obj["ports"] == [{"port": 80, "name": "x"}, {"port": 80, "protocol": "UDP"}]


def test_an_applier_that_replaces_duplicates_takes_the_item():
    world = World().update("one", {"set": ["a", "a", "b"]})
    with pytest.raises(Conflicts):
        world.apply("two", {"set": ["a"]})
    world.apply("two", {"set": ["a"]}, force=True)
    assert world.obj == {"set": ["a", "b"]} and world.of("one") == of_paths(("set",), ("set", 'v:"b"'))


def test_duplicates_that_nobody_touches_stay():
    world = World().update("one", {"set": ["a", "a", "b"]}).apply("two", {"set": ["c"]})
    assert world.obj == {"set": ["a", "a", "b", "c"]}


def test_an_applier_of_another_version_is_the_same_applier():
    world = World().apply("one", {"replicas": 1, "text": "x"}).apply("one", {"text": "x"}, version="v2")
    assert world.obj == {"text": "x"} and len(world.entries) == 1


def test_an_updater_of_another_version_is_another():
    world = World().update("one", {"replicas": 1}).update("one", {"replicas": 1, "text": "x"}, version="v2")
    assert len(world.entries) == 2


def test_a_field_changes_its_kind():
    world = World().apply("one", {"any": {"x": 1}}).apply("one", {"any": {"x": {"y": 1}}})
    assert world.obj == {"any": {"x": {"y": 1}}}
    assert world.apply("one", {"any": {"x": 2}}).obj == {"any": {"x": 2}}


def test_the_bucket_of_old_updates_may_be_older_or_younger_than_what_goes_into_it():
    world = World()
    names = ["a", "ancient-changes", *(f"m{number}" for number in range(11))]
    for number, name in enumerate(names):
        world.update(name, {"map": {**world.obj.get("map", {}), f"k{number:02}": "x"}})
    found = {one.manager.name for one in world.entries.values()}
    assert len(found) == 10 and "ancient-changes" in found and "a" not in found
    owned = {}
    for entry in world.entries.values():
        owned = fieldset.union(owned, entry.fields)
    assert owned == of_paths(("map",), *(("map", f"k{number:02}") for number in range(len(names))))


def test_old_updates_of_different_versions_are_not_mixed():
    world = World()
    for number in range(12):
        world.update(f"m{number:02}", {"map": {**world.obj.get("map", {}), f"k{number}": "x"}}, f"v{number % 2}")
    buckets = [one.manager.api_version for one in world.entries.values() if one.manager.name == "ancient-changes"]
    assert len(world.entries) == 10 and sorted(buckets) == ["v0", "v1"]
