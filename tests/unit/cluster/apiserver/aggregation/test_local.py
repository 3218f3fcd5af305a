"""APIServices of what is served here, and the order that all of them give to discovery."""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.aggregation.local import MANAGED, ordered, plan, ranks, wanted
from corral.model.kubernetes.resources import Resource

Object = dict[str, Any]


def resource(group: str, version: str) -> Resource:
    return Resource(group, version, "cows", "cow", "Cow", "CowList", True)


def service(group: str, version: str, minimum: int, priority: int) -> Object:
    spec = {"group": group, "version": version, "groupPriorityMinimum": minimum, "versionPriority": priority}
    return {"metadata": {"name": f"{version}.{group}"}, "spec": spec}


def order(resources: list[Resource], *services: Object) -> list[str]:
    return [f"{one.group}/{one.version}" for one in ordered(resources, services)]


def test_groups_by_the_highest_priority_of_their_versions_then_by_name() -> None:
    some = [resource("a.io", "v1"), resource("b.io", "v1"), resource("c.io", "v1")]
    services = (service("c.io", "v1", 5, 1), service("c.io", "v2", 50, 1), service("b.io", "v1", 50, 1))
    assert ranks(services) == {"c.io": 50, "b.io": 50}
    assert order(some, *services) == ["b.io/v1", "c.io/v1", "a.io/v1"]


def test_versions_by_their_priority_then_by_how_stable_they_are() -> None:
    some = [resource("a.io", one) for one in ("v1alpha1", "v1", "v2beta1", "v2")]
    same = [service("a.io", one.version, 10, 100) for one in some]
    assert order(some, *same) == ["a.io/v2", "a.io/v1", "a.io/v2beta1", "a.io/v1alpha1"]
    same[2]["spec"]["versionPriority"] = 101
    assert order(some, *same)[0] == "a.io/v2beta1"


def test_the_group_of_api_services_comes_first() -> None:
    some = [resource("apps", "v1"), resource("apiregistration.k8s.io", "v1")]
    assert order(some, service("apps", "v1", 17800, 15))[0] == "apiregistration.k8s.io/v1"


def test_what_is_made_and_what_goes() -> None:
    own = wanted([resource("apps", "v1"), resource("nobody.io", "v1")], [("a.io", "v1"), ("apps", "v1")])
    assert list(own) == ["v1.apps", "v1.a.io"]
    assert own["v1.apps"]["spec"]["versionPriority"] == 15 and own["v1.a.io"]["spec"]["groupPriorityMinimum"] == 1000
    made, gone = plan({}, own, start=False)
    assert [one["metadata"]["name"] for one in made] == ["v1.a.io"] and gone == []
    made, _ = plan({}, own, start=True)
    assert [one["metadata"]["name"] for one in made] == ["v1.apps", "v1.a.io"]
    theirs = {"v1.b.io": {"metadata": {"name": "v1.b.io"}}}
    old = {"v1.c.io": {"metadata": {"name": "v1.c.io", "labels": {MANAGED: "true"}}}}
    assert plan({**own, **theirs, **old}, own, start=True) == ([], ["v1.c.io"])
