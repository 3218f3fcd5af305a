"""Who is tried next, and when."""

from __future__ import annotations

from typing import Any

from corral.cluster.scheduler import moves
from corral.cluster.scheduler.queue import ACTIVE, BACKING_OFF, GATED, UNSCHEDULABLE, Queue, Waiting
from corral.cluster.scheduler.settings import Settings
from tests.support.scheduling import pod

FIT = ("NodeResourcesFit",)


def names(queue: Queue, now: float = 0.0) -> list[str]:
    found = []
    while (one := queue.pop(now)) is not None:
        found.append(one.pod["metadata"]["name"])
    return found


def take(queue: Queue, now: float) -> Waiting:
    found = queue.pop(now)
    assert found is not None
    return found


def uid(name: str) -> str:
    return f"uid-default-{name}"


def filled(*pods: Any) -> Queue:
    queue = Queue(Settings())
    for number, one in enumerate(pods):
        queue.put(one, float(number))
    return queue


def test_the_most_important_first_then_who_came_first() -> None:
    assert names(filled(pod("a"), pod("b", priority=5), pod("c"), pod("d", priority=9))) == ["d", "b", "a", "c"]


def test_gates() -> None:
    queue = filled(pod("a", schedulingGates=[{"name": "x"}]))
    assert queue.place(uid("a")) == GATED and queue.pop(0) is None
    queue.put(pod("a", schedulingGates=[]), 5)
    assert names(queue, 5) == ["a"]


def test_only_changes_that_may_help_wake_a_pod() -> None:
    queue = filled(pod("a"))
    queue.failed(take(queue, 0), FIT, 0)
    assert queue.move(moves.NODE_LABELS, 60) == 0
    assert queue.place(uid("a")) == UNSCHEDULABLE
    assert queue.move(moves.POD_DELETED, 60) == 1
    assert queue.place(uid("a")) == ACTIVE


def test_a_change_that_is_looked_at_more_closely_wakes_only_whom_it_helps() -> None:
    queue = filled(pod("a"), pod("b"))
    for _ in range(2):
        queue.failed(take(queue, 0), ("InterPodAffinity", *FIT), 0)
    asked = []

    def helps(plugin: str, waiting: Any) -> bool:
        asked.append((plugin, waiting["metadata"]["name"]))
        return asked[-1] == ("NodeResourcesFit", "b")

    assert queue.move(moves.POD_DELETED, 60, helps) == 1
    assert queue.place(uid("b")) == ACTIVE and queue.place(uid("a")) == UNSCHEDULABLE
    assert ("InterPodAffinity", "a") in asked


def test_back_off_doubles_while_others_want_their_turn() -> None:
    queue = filled(pod("a"))
    for attempt, pause in enumerate((1, 2, 4, 8, 10, 10)):
        begin = attempt * 100.0
        found = take(queue, begin)
        queue.failed(found, (), begin)  # something went wrong: it is not tried early
        assert queue.place(uid("a")) == BACKING_OFF
        assert queue.due() == begin + pause
        assert queue.pop(begin + pause - 0.01) is None
        queue.settle(begin + pause)
        assert queue.place(uid("a")) == ACTIVE


def test_who_may_fit_now_need_not_wait_when_nobody_else_does() -> None:
    queue = filled(pod("a"))
    queue.failed(take(queue, 0), FIT, 0)
    queue.move(moves.POD_DELETED, 0.1)
    assert queue.place(uid("a")) == BACKING_OFF
    queue.put(pod("b"), 0.1)
    assert names(queue, 0.2) == ["b", "a"]


def test_after_a_long_time_it_is_tried_again_anyway() -> None:
    queue = filled(pod("a"))
    queue.failed(take(queue, 0), FIT, 0)
    assert queue.due() == 300
    assert queue.pop(299) is None
    assert names(queue, 300) == ["a"]


def test_a_pod_that_has_become_another_is_tried_again() -> None:
    queue = filled(pod("a"))
    queue.failed(take(queue, 0), FIT, 0)
    queue.put(pod("a", status={"phase": "Pending"}), 50)
    assert queue.place(uid("a")) == UNSCHEDULABLE
    queue.put(pod("a", {"new": "label"}), 50)
    assert queue.place(uid("a")) == ACTIVE


def test_who_has_gone_does_not_come_back() -> None:
    queue = filled(pod("a"), pod("b"))
    queue.remove(uid("b"))
    found = take(queue, 0)
    queue.remove(uid("a"))
    queue.failed(found, (), 0)
    assert queue.due() is None and queue.pop(100) is None and queue.place(uid("a")) == ""


def test_every_plugin_that_refuses_can_be_satisfied_by_some_change() -> None:
    from corral.cluster.scheduler.plugins.registry import PLUGINS

    refusing = {one.name for one in PLUGINS.values() if one.filter or one.prefilter}
    assert refusing <= moves.ALL_PLUGINS
