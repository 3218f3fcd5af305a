"""May what has happened to another pod help one that waits because of rules about others? Pure.

Follows upstream's queueing hints of InterPodAffinity and PodTopologySpread: whose rules are not about that pod stays
where it is. Where upstream asks for less (a pod that goes may leave its group to begin anew, or had rules of its own),
the waiting pod is tried again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from corral.cluster.scheduler import moves
from corral.cluster.scheduler.pods.pod import read_rules
from corral.cluster.scheduler.pods.terms import NamespaceLabels, PodTerm

Object = dict[str, Any]
Fits = Callable[[PodTerm], bool]


def may_help(
    change: str, old: Object | None, new: Object | None, labels_of: NamespaceLabels, plugin: str, waiting: Object
) -> bool:
    """`plugin` has refused the `waiting` pod. Whether it may think better of it after this change of another pod."""
    before, after = partial(_is_about, old, labels_of), partial(_is_about, new, labels_of)
    rules = read_rules(waiting)
    if plugin == "PodTopologySpread":
        hard = [one.term for one in rules.spread if one.hard]
        return not hard or any(before(term) or after(term) for term in hard)
    if plugin != "InterPodAffinity":
        return True
    if change == moves.POD_ASSIGNED:
        return _near(rules.near, after)
    if change == moves.POD_LABELS:
        changed = any(before(term) != after(term) for term in rules.apart)
        return changed or _near(rules.near, before) != _near(rules.near, after)
    theirs = read_rules(old).apart if old is not None else ()
    apart = any(map(before, rules.apart)) or any(_is_about(waiting, labels_of, term) for term in theirs)
    return apart or _near(rules.near, before)


def _near(terms: tuple[PodTerm, ...], fits: Fits) -> bool:
    """One pod must match them all to be the one that is wanted."""
    return bool(terms) and all(map(fits, terms))


def _is_about(pod: Object | None, labels_of: NamespaceLabels, term: PodTerm) -> bool:
    if pod is None:
        return False
    metadata = pod["metadata"]
    return term.matches(metadata.get("namespace", ""), metadata.get("labels") or {}, labels_of)
