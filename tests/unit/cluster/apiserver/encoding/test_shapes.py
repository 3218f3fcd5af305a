"""How objects look on the wire where Go writes what nobody set."""

from __future__ import annotations

from typing import Any

import msgspec

from corral.cluster.apiserver.caching.item import Item, item_made
from corral.cluster.apiserver.encoding.shapes import ListMeta, Plain
from corral.model.kubernetes.kinds.core.event import from_core

PODS = Plain("v1", "Pod", "PodList", None, bare=True)
HERDS = Plain("corral.example/v1", "Herd", "HerdList", None, bare=False)
EVENTS = Plain("events.k8s.io/v1", "Event", "EventList", from_core, bare=True)


def read(data: bytes) -> Any:
    return msgspec.json.decode(data)


def test_a_bookmark_is_an_object_with_nothing_in_it() -> None:
    assert read(PODS.bookmark(7, False)) == {
        "kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "spec": {"containers": None},
        "status": {},
    }  # fmt: skip
    assert read(HERDS.bookmark(7, True)) == {
        "kind": "Herd", "apiVersion": "corral.example/v1",
        "metadata": {"resourceVersion": "7", "annotations": {"k8s.io/initial-events-end": "true"}},
    }  # fmt: skip


def event() -> Item:
    metadata = {"name": "a", "namespace": "shop"}
    return item_made({"kind": "Event", "apiVersion": "v1", "metadata": metadata, "message": "hello"})


def test_another_version_has_zeros_of_its_own() -> None:
    found = read(EVENTS.one(event()))
    assert found["eventTime"] is None and found["deprecatedFirstTimestamp"] is None
    assert found["note"] == "hello" and "reportingController" not in found and "reportingInstance" not in found
    assert found["deprecatedSource"] == found["regarding"] == {}
    assert read(EVENTS.many([event()], ListMeta(3)))["items"][0]["deprecatedLastTimestamp"] is None


def test_in_the_process_there_are_no_nulls() -> None:
    assert b'"eventTime":null' in event().body
    assert "eventTime" not in event().object() and "eventTime" not in event().view()
