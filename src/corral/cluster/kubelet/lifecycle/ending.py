"""The order in which a pod's containers are ended. Pure."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.pods import members

Object = dict[str, Any]

LEAST: Final = 2  # seconds that a container has, after its preStop hook, before it is killed


def plan_endings(pod: Object, view: View) -> list[str]:
    """The attempts that are to be ended now: all but sidecars; then the sidecars, the last first.

    >>> from corral.cluster.kubelet.naming import Attempt
    >>> side = {"name": "s", "image": "x", "restartPolicy": "Always"}
    >>> pod = {"spec": {"containers": [{"name": "a", "image": "x"}], "initContainers": [side]}}
    >>> runs = {name: [Attempt(name.upper(), name, 0, "running", "s")] for name in ("a", "s")}
    >>> plan_endings(pod, View(0, "s", runs)), plan_endings(pod, View(0, "s", {"s": runs["s"]}))
    (['A'], ['S'])
    """
    kinds = {one.name: one.kind for one in members(pod)}
    running = [attempt for found in view.attempts.values() for attempt in found if attempt.running]
    others = [one for one in running if kinds.get(one.container) != "sidecar"]
    if others:
        return [one.id for one in others if one.id not in view.killing]
    order = list(kinds)
    sidecars = sorted(running, key=lambda one: order.index(one.container))
    return [one.id for one in sidecars[-1:] if one.id not in view.killing]


def grace_of(pod: Object, override: int | None = None) -> int:
    """Seconds that the pod's containers have to end.

    >>> grace_of({"metadata": {"deletionGracePeriodSeconds": 5}, "spec": {"terminationGracePeriodSeconds": 30}})
    5
    """
    if override is not None:
        return override
    given = pod["metadata"].get("deletionGracePeriodSeconds")
    if given is None:
        given = pod["spec"].get("terminationGracePeriodSeconds")
    return 30 if given is None else int(given)
