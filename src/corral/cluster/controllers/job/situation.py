"""How a Job stands: its pods sorted by what became of them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.pods import annotation, is_active, is_ready, is_terminating, phase
from corral.cluster.controllers.job.indexes import index_of, parse
from corral.cluster.controllers.job.policies import judge_failure

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED = "batch.kubernetes.io/job-index-ignored-failure-count"
BUILT_IN = "kubernetes.io/job-controller"


def tracked(pod: Object) -> bool:
    """Not yet counted, or not yet known to be."""
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def is_finished(job: Object) -> bool:
    """
    >>> is_finished({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}), is_finished({})
    (True, False)
    """
    found = (job.get("status") or {}).get("conditions") or ()
    return any(one.get("type") in ("Complete", "Failed") and one.get("status") == "True" for one in found)


def is_ours(job: Object) -> bool:
    """Not some other controller's (managedBy)."""
    return (job["spec"].get("managedBy") or BUILT_IN) == BUILT_IN


@dataclass(frozen=True)
class Situation:
    """A Job, all pods it owns, and the time."""

    job: Object
    pods: Sequence[Object]
    now: datetime

    @property
    def spec(self) -> Object:
        found: Object = self.job["spec"]
        return found

    @property
    def status(self) -> Object:
        return self.job.get("status") or {}

    @property
    def completions(self) -> int | None:
        found = self.spec.get("completions")
        return None if found is None else int(found)

    @property
    def total(self) -> int:
        """How many indexes there are."""
        return self.completions or 0

    @property
    def indexed(self) -> bool:
        return bool(self.spec.get("completionMode") == "Indexed")

    @property
    def per_index(self) -> int | None:
        """How often one index may fail; None: failures count for all together."""
        found = self.spec.get("backoffLimitPerIndex")
        return None if found is None or not self.indexed else int(found)

    @property
    def suspended(self) -> bool:
        return bool(self.spec.get("suspend"))

    @property
    def replaces_failed_only(self) -> bool:
        """A pod on its way out is not replaced before it has failed."""
        return bool(self.spec.get("podReplacementPolicy") == "Failed" or self.spec.get("podFailurePolicy"))

    def has_failed(self, pod: Object) -> bool:
        if phase(pod) == "Failed":
            return True
        return not self.replaces_failed_only and meta.deleting(pod) and phase(pod) != "Succeeded"

    def index(self, pod: Object) -> int | None:
        return index_of(pod, self.total)

    @cached_property
    def active(self) -> list[Object]:
        return [pod for pod in self.pods if is_active(pod)]

    @cached_property
    def terminating(self) -> list[Object]:
        return [pod for pod in self.pods if is_terminating(pod)]

    @property
    def ready(self) -> int:
        return sum(map(is_ready, self.active))

    def uncounted(self, what: str) -> list[str]:
        return list((self.status.get("uncountedTerminatedPods") or {}).get(what) or ())

    def _fresh(self, uncounted: str) -> list[Object]:
        """Pods that the status does not know of yet."""
        known = set(self.uncounted(uncounted))
        found = [pod for pod in self.pods if tracked(pod) and meta.uid(pod) not in known]
        return [pod for pod in found if not self.indexed or self.index(pod) is not None]

    @cached_property
    def new_succeeded(self) -> list[Object]:
        return [pod for pod in self._fresh("succeeded") if phase(pod) == "Succeeded"]

    @cached_property
    def new_failed(self) -> list[Object]:
        return [pod for pod in self._fresh("failed") if self.has_failed(pod)]

    @property
    def policy(self) -> Any:
        return self.spec.get("podFailurePolicy")

    @cached_property
    def failed(self) -> int:
        """How many pods failed that count."""
        new = sum(judge_failure(self.policy, pod).counts for pod in self.new_failed)
        return int(self.status.get("failed") or 0) + new + len(self.uncounted("failed"))

    @cached_property
    def counted_indexes(self) -> set[int]:
        return parse(self.status.get("completedIndexes") or "", self.total)

    @cached_property
    def succeeded_indexes(self) -> set[int]:
        ended = (pod for pod in self.pods if tracked(pod) and phase(pod) == "Succeeded")
        return self.counted_indexes | {index for pod in ended if (index := self.index(pod)) is not None}

    @cached_property
    def succeeded(self) -> int:
        if self.indexed:
            return len(self.succeeded_indexes)
        known = int(self.status.get("succeeded") or 0)
        return known + len(self.new_succeeded) + len(self.uncounted("succeeded"))

    @cached_property
    def failed_indexes(self) -> set[int]:
        """Those that may not be tried again."""
        if self.per_index is None:
            return set()
        found = parse(self.status.get("failedIndexes") or "", self.total)
        for pod in self.pods:
            index = self.index(pod)
            if index is not None and tracked(pod) and self.has_failed(pod) and self._ends_index(pod):
                found.add(index)
        return found - self.succeeded_indexes

    def _ends_index(self, pod: Object) -> bool:
        verdict = judge_failure(self.policy, pod)
        if verdict.action == "FailIndex":
            return True
        return failures(pod, INDEX_FAILURES) + verdict.counts > (self.per_index or 0)

    @cached_property
    def kept_back(self) -> dict[int, Object]:
        """Per index the failed pod that tells its successor how often the index failed: it must not go before."""
        if self.per_index is None:
            return {}
        active = {self.index(pod) for pod in self.active}
        found: dict[int, Object] = {}
        for pod in self.pods:
            index = self.index(pod)
            if index is None or not tracked(pod) or not self.has_failed(pod) or index in active:
                continue
            if index in self.succeeded_indexes or index in self.failed_indexes:
                continue
            if index not in found or all_failures(found[index]) <= all_failures(pod):
                found[index] = pod
        return found


def failures(pod: Object, which: str) -> int:
    """How often the pod's index had failed when the pod was made."""
    text = annotation(pod, which)
    return int(text) if text.isascii() and text.isdigit() else 0


def all_failures(pod: Object) -> int:
    return failures(pod, INDEX_FAILURES) + failures(pod, INDEX_IGNORED)
