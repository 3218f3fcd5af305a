"""Preemption: which less important pods must go so that a pod gets a node? Follows upstream's DefaultPreemption. Pure.

On each node that refused the pod only for what runs there: as if all less important pods had gone, does it fit? Then as
many of them as possible come back, those first that a disruption budget protects, then the more important ones. Who
is left is a victim. The node is taken where the least harm is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from corral.cluster.client import meta
from corral.cluster.scheduler.cycle import Choose, fits_there
from corral.cluster.scheduler.diagnosis import Diagnosis, fit_error
from corral.cluster.scheduler.framework import Cycle, Hints, Rules
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.model.kubernetes.selectors import BadSelector, of_object

Object = dict[str, Any]

NEVER: Final = "not eligible due to preemptionPolicy=Never."
PENDING: Final = "not eligible due to a terminating pod on the nominated node."
NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
NO_VICTIMS: Final = "No preemption victims found for incoming pod"


class Candidate(NamedTuple):
    """A node and who must go there, the most important first. `violations`: how many budgets that breaks."""

    node: str
    victims: tuple[Pod, ...]
    violations: int


class Preemption(NamedTuple):
    """`chosen`, or why there is none. `clears`: the pod does not wait for its nominated node any more."""

    chosen: Candidate | None
    message: str = ""
    clears: bool = False


class Limits(NamedTuple):
    """On how many nodes it is tried at least: of the nodes in question, a share, and a number."""

    percentage: int = 10
    fewest: int = 100

    def candidates(self, nodes: int) -> int:
        """
        >>> Limits().candidates(5000), Limits().candidates(40)
        (500, 40)
        """
        return min(max(nodes * self.percentage // 100, self.fewest), nodes)


DEFAULT_LIMITS: Final = Limits()
NO_HINTS: Final = Hints()


class Question(NamedTuple):
    """All that the decision is made of. `rivals`: no less important pods that wait for room on their nodes."""

    snapshot: Snapshot
    pod: Pod
    rules: Rules
    diagnosis: Diagnosis
    budgets: Sequence[Object] = ()
    rivals: Sequence[tuple[Pod, str]] = ()
    hints: Hints = NO_HINTS


def plan_preemption(asked: Question, choose: Choose, limits: Limits = DEFAULT_LIMITS) -> Preemption:
    nodes, count = asked.snapshot.nodes, asked.diagnosis.nodes
    possible = asked.diagnosis.resolvable(nodes.top)
    barred = ineligible(asked, possible)
    if barred:
        return Preemption(None, f"preemption: {barred}")
    rows = np.flatnonzero(possible)
    reasons: Counter[str] = Counter()
    candidates: list[Candidate] = []
    if asked.pod.priority <= min(asked.snapshot.priorities, default=asked.pod.priority):
        reasons, rows = Counter({NO_VICTIMS: len(rows)}), rows[:0]  # nobody is less important, nowhere
    wanted, offset = limits.candidates(len(rows)), choose(len(rows)) if len(rows) else 0
    for row in np.roll(rows, -offset):
        found = on_node(asked, int(row))
        if isinstance(found, Candidate):
            candidates.append(found)
            if len(candidates) >= wanted and any(not one.violations for one in candidates):
                break
        else:
            reasons.update(found)
    if candidates:
        return Preemption(pick(candidates))
    if rest := count - int(np.count_nonzero(possible)):
        reasons[NOT_HELPFUL] += rest
    return Preemption(None, f"preemption: {fit_error(count, reasons)}", clears=True)


def ineligible(asked: Question, possible: Any) -> str:
    """Why the pod may not drive out others, "" if it may: victims of its last try may still be going."""
    pod, snapshot = asked.pod, asked.snapshot
    if pod.spec.get("preemptionPolicy") == "Never":
        return NEVER
    row = snapshot.nodes.row_of.get(pod.nominated)
    if row is None or not possible[row]:
        return ""
    here = snapshot.pods_in.get(row, {}).values()
    return PENDING if any(one.priority < pod.priority and _is_going(one) for one in here) else ""


def _is_going(pod: Pod) -> bool:
    if not pod.deleting:
        return False
    found: Object = next(
        (one for one in pod.status.get("conditions") or () if one.get("type") == "DisruptionTarget"), {}
    )
    return found.get("status") == "True" and found.get("reason") == "PreemptionByScheduler"


def on_node(asked: Question, row: int) -> Candidate | list[str]:
    """Who must go from one node; or why nobody's going helps."""
    snapshot, pod = asked.snapshot, asked.pod
    less = [one for one in snapshot.pods_in.get(row, {}).values() if one.priority < pod.priority]
    if not less:
        return [NO_VICTIMS]
    less.sort(key=importance)
    guarded, free = by_budgets(less, asked.budgets)
    name = snapshot.nodes.names[row]
    here = [(one, node) for one, node in asked.rivals if node == name]
    cycle = Cycle(snapshot, pod, asked.rules, np.array([row], np.int64), asked.hints)
    with snapshot.with_pods(here), snapshot.without([one.uid for one in less]) as gone:
        reasons = fits_there(cycle)
        if reasons:
            return reasons
        victims: list[Pod] = []
        violations = 0
        for one in (*guarded, *free):
            gone.bring_back(one.uid)
            if fits_there(cycle):
                gone.take(one.uid)
                victims.append(one)
                violations += one in guarded
    victims.sort(key=importance)
    return Candidate(name, tuple(victims), violations)


def importance(pod: Pod) -> tuple[int, str]:
    """Sorts the more important first: by priority, then who has run longer."""
    return -pod.priority, pod.started


def by_budgets(pods: Iterable[Pod], budgets: Sequence[Object]) -> tuple[list[Pod], list[Pod]]:
    """(pods whose going would break a budget, the others). Each budget is used up from the most important on."""
    left = [(one.get("status") or {}).get("disruptionsAllowed", 0) for one in budgets]
    guarded: list[Pod] = []
    free: list[Pod] = []
    for pod in pods:
        broken = False
        for number, budget in enumerate(budgets):
            if _guards(budget, pod):
                left[number] -= 1
                broken |= left[number] < 0
        (guarded if broken else free).append(pod)
    return guarded, free


def _guards(budget: Object, pod: Pod) -> bool:
    if meta.namespace(budget) != pod.namespace or not pod.labels:
        return False
    if pod.name in ((budget.get("status") or {}).get("disruptedPods") or {}):
        return False  # its going was counted before
    try:
        selector = of_object((budget.get("spec") or {}).get("selector"))
    except BadSelector:
        return False
    return not selector.empty and selector.matches(pod.labels)


def pick(candidates: Sequence[Candidate]) -> Candidate:
    """The least harm: fewest budgets broken, the least important victims, and of those fewest and youngest."""
    return min(candidates, key=_harm)


def _harm(one: Candidate) -> tuple[Any, ...]:
    if not one.victims:
        return (0, -(2**40), 0, 0, ())
    highest = one.victims[0].priority
    # Upstream adds 2^31 to each priority, so that of two lists of negative ones the shorter has the smaller sum.
    total = sum(victim.priority + 2**31 for victim in one.victims)
    oldest = min(victim.started for victim in one.victims if victim.priority == highest)
    return one.violations, highest, total, len(one.victims), tuple(-ord(letter) for letter in oldest)
