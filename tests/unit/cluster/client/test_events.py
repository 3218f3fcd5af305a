"""Events: counted, combined, cut off; written without holding anybody up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corral.cluster.client.builtin import EVENTS
from corral.cluster.client.events import BURST, MOST_ALIKE, MOST_WAITING, Events, Memory, Told, reference
from corral.cluster.client.protocol import Collection
from corral.model.kubernetes.status import not_found

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
}


def told(message: str = "text", after: float = 0, action: str = "", uid: str = "u") -> Told:
    about = {**reference(POD), "uid": uid}
    return Told("kubelet", "n1", about, "Normal", "Pulled", message, START + timedelta(seconds=after), action)


class Writes:
    """A client that takes events down; those it has `lost` cannot be patched."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.patched: list[tuple[str, dict[str, Any]]] = []
        self.lost = False

    async def create(self, of: Collection, obj: dict[str, Any], namespace: str = "", **_: Any) -> dict[str, Any]:
        assert of == EVENTS and namespace == obj["metadata"]["namespace"]
        self.created.append(obj)
        return obj

    async def patch(self, of: Collection, name: str, namespace: str = "", *, patch: Any, **_: Any) -> dict[str, Any]:
        if self.lost:
            raise not_found("events", name)
        self.patched.append((name, patch))
        return {}


async def test_the_same_event_again_is_counted() -> None:
    client = Writes()
    events = Events(client, lambda: START)  # type: ignore[arg-type]
    recorder = events.recorder("kubelet", "n1")
    running = asyncio.create_task(events.run())
    for _ in range(3):
        recorder.normal(POD, "Pulled", "text", field_path="spec.containers{main}")
    await events.drained()
    assert len(client.created) == 1
    event = client.created[0]
    assert event["involvedObject"] == {
        "kind": "Pod",
        "apiVersion": "v1",
        "namespace": "shop",
        "name": "web",
        "uid": "u",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{main}",
    }
    assert event["source"] == {"component": "kubelet", "host": "n1"}
    name = event["metadata"]["name"]
    assert [(one, patch["count"]) for one, patch in client.patched] == [(name, 2), (name, 3)]
    client.lost = True
    recorder.normal(POD, "Pulled", "text", field_path="spec.containers{main}")
    await events.drained()
    assert client.created[1]["count"] == 4
    running.cancel()


def test_many_alike_are_combined() -> None:
    memory = Memory()
    plans = [memory.plan(told(f"text {n}")) for n in range(MOST_ALIKE + 2)]
    shown = [plan.event["message"] for plan in plans if plan]
    assert shown[MOST_ALIKE - 1] == "text 9"
    assert shown[MOST_ALIKE:] == [f"(combined from similar events): text {n}" for n in (10, 11)]
    assert plans[-1] and plans[-1].again
    later = memory.plan(told("other", after=601))
    assert later and later.event["message"] == "other"


def test_an_object_that_never_stops_is_cut_off_and_others_are_not() -> None:
    memory = Memory()
    plans = [memory.plan(told()) for _ in range(BURST + 1)]
    assert all(plans[:BURST]) and plans[BURST] is None
    assert memory.plan(told(uid="other"))
    assert memory.plan(told(after=300))
    assert memory.plan(told(after=301)) is None


def test_with_an_action_it_is_an_event_of_the_new_kind() -> None:
    memory = Memory()
    first, again = memory.plan(told(action="Binding")), memory.plan(told(action="Binding", after=2))
    assert first and again
    assert first.event["eventTime"] == "2026-01-02T03:04:05.000000Z" and "source" not in first.event
    assert again.event["series"] == {"count": 2, "lastObservedTime": "2026-01-02T03:04:07.000000Z"}


def test_a_whole_queue_drops_and_does_not_wait() -> None:
    events = Events(Writes(), lambda: START)  # type: ignore[arg-type]
    for n in range(2000):
        events.recorder("kubelet").normal(POD, "Pulled", f"text {n}")


async def test_a_burst_that_is_dropped_is_two_lines_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    client = Writes()
    events = Events(client, lambda: START)  # type: ignore[arg-type]
    for number in range(MOST_WAITING + 500):
        events.put(told(f"text {number}", uid=str(number)))
    running = asyncio.create_task(events.run())
    await events.drained()
    events.put(told("later", uid="later"))
    await events.drained()
    assert len(client.created) == MOST_WAITING + 1
    assert [line.partition("; ")[0] for line in caplog.messages] == [
        "events are dropped, too many wait",
        "events are written again",
    ]
    assert "500 were dropped" in caplog.messages[1]
    running.cancel()
