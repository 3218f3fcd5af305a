"""The next steps of a pod that is to run: which containers are started, which are ended, when to look again. Pure.

Init containers go one after the other, each to its end; sidecars among them only have to have started. Then all main
containers are started together. Once a main container has been started in the space, the init containers are done;
sidecars are kept up until the main containers have come to their end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from corral.cluster.kubelet.lifecycle.restarts import SECOND, pause, wants_restart
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.naming import Attempt, spec_hash
from corral.cluster.kubelet.pods import Member, members, restart_policy

Object = dict[str, Any]


@dataclass
class Steps:
    """`start`: (container, attempt number). `kill`: attempt -> why. `waits`: containers in back-off, seconds left.

    `again`: seconds until something is due, None for not before something happens. `over`: nothing will run any more.
    """

    start: list[tuple[Member, int]] = field(default_factory=list)
    kill: dict[str, str] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    again: float | None = None
    over: bool = False

    def soon(self, seconds: float) -> None:
        self.again = seconds if self.again is None else min(self.again, seconds)


def plan_steps(pod: Object, view: View) -> Steps:
    """
    >>> pod = {"spec": {"containers": [{"name": "a", "image": "x"}], "initContainers": [{"name": "i", "image": "x"}]}}
    >>> [(one.name, number) for one, number in plan_steps(pod, View(0, "s")).start]
    [('i', 0)]
    >>> done = Attempt("1", "i", 0, "ended", "s", code=0)
    >>> [one.name for one, _ in plan_steps(pod, View(0, "s", {"i": [done]})).start]
    ['a']
    >>> pod["spec"]["restartPolicy"] = "Never"
    >>> plan_steps(pod, View(0, "s", {"i": [done._replace(code=1)]})).over
    True
    """
    steps, policy = Steps(), restart_policy(pod)
    everybody = list(members(pod))
    mains = [one for one in everybody if one.kind == "main"]
    if is_over(pod, view):
        steps.over = True
        return steps
    _plan_kills(everybody, view, steps)
    if has_begun(mains, view):
        for one in everybody:
            if one.kind == "sidecar":
                _keep_up(one, policy, view, steps)
    elif not _plan_init(everybody, policy, view, steps):
        return steps
    for one in everybody:
        if one.kind in ("main", "ephemeral"):
            _keep_up(one, policy, view, steps)
    return steps


def has_begun(mains: list[Member], view: View) -> bool:
    """Whether a main container has run in the present space: then the init containers are done."""
    return any(attempt.space == view.space for one in mains for attempt in view.attempts.get(one.name, ()))


def is_over(pod: Object, view: View) -> bool:
    """Whether the pod has come to its end by itself: all main containers have, or an init container has failed.

    >>> pod = {"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "a", "image": "x"}]}}
    >>> is_over(pod, View(0, "s", {"a": [Attempt("1", "a", 0, "ended", "s", code=0)]})), is_over(pod, View(0))
    (True, False)
    """
    policy = restart_policy(pod)
    everybody = list(members(pod))
    mains = [one for one in everybody if one.kind == "main"]
    for one in everybody:
        last = view.last(one.name)
        failed = one.kind == "init" and last is not None and last.ended and last.code != 0
        if failed and last is not None and not wants_restart(one, policy, last):
            return True
    return bool(mains) and all(_is_final(one, policy, view) for one in mains)


def _is_final(one: Member, policy: str, view: View) -> bool:
    last = view.last(one.name)
    if last is None or not last.ended or one.name in view.busy:
        return False
    return not (wants_restart(one, policy, last) or _is_changed(one, last))


def _is_changed(one: Member, last: Attempt) -> bool:
    return bool(last.hash) and last.hash != spec_hash(one.spec) and last.running


def _plan_kills(everybody: list[Member], view: View, steps: Steps) -> None:
    for one in everybody:
        last = view.last(one.name)
        if last is None or not last.running or last.id in view.killing:
            continue
        if last.id in view.unhealthy:
            steps.kill[last.id] = _why_unhealthy(one.name, view.unhealthy[last.id])
        elif _is_changed(one, last):
            steps.kill[last.id] = f"Container {one.name} definition changed, will be restarted"
        elif last.space != view.space and view.space:
            steps.kill[last.id] = f"Container {one.name} lost its sandbox, will be restarted"


def _why_unhealthy(name: str, kind: str) -> str:
    """
    >>> _why_unhealthy("a", "startup"), _why_unhealthy("a", "postStart")
    ('Container a failed startup probe, will be restarted', 'FailedPostStartHook')
    """
    return "FailedPostStartHook" if kind == "postStart" else f"Container {name} failed {kind} probe, will be restarted"


def _plan_init(everybody: list[Member], policy: str, view: View, steps: Steps) -> bool:
    """Whether all init containers are done (sidecars: have started)."""
    for one in everybody:
        if one.kind not in ("init", "sidecar"):
            continue
        last = view.last(one.name)
        here = last is not None and last.space == view.space
        if one.kind == "sidecar":
            _keep_up(one, policy, view, steps)
            if not (here and last is not None and last.running and last.id in view.started):
                return False
        elif not (here and last is not None and last.ended and last.code == 0 and one.name not in view.busy):
            _keep_up(one, policy, view, steps)
            return False
    return True


def _keep_up(one: Member, policy: str, view: View, steps: Steps) -> None:
    """Starts a container that does not run and should."""
    last = view.last(one.name)
    if one.name in view.busy or (last is not None and last.running):
        return
    if one.name in view.failed and view.failed[one.name] > view.now:
        steps.soon((view.failed[one.name] - view.now) / SECOND)
        return
    if last is not None and last.ended and last.space == view.space:
        if not wants_restart(one, policy, last):
            return
        left = pause(view.backoffs.get(one.name), last.finished, view.now)
        if left > 0:
            steps.waits[one.name] = left
            steps.soon(left)
            return
    elif last is not None and last.ended and not _runs_anew(one, policy, last):
        return
    steps.start.append((one, view.number(one.name)))


def _runs_anew(one: Member, policy: str, last: Attempt) -> bool:
    """In a new space, after the old one was lost: all but what was done for good."""
    return one.kind in ("init", "sidecar") or wants_restart(one, policy, last)
