"""Policies: notices what concerns policies, and decides anew when it is asked for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from corral.cluster.client import meta
from corral.cluster.client.builtin import NAMESPACES, NETWORK_POLICIES, PODS
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import Object
from corral.cluster.proxy.policies.plan import Policing, plan_policing
from corral.cluster.proxy.policies.rules import PodFacts, Policy, parse_policy, pod_facts
from corral.cluster.proxy.settings import Named
from corral.model.kubernetes.selectors import BadSelector

log = logging.getLogger("corral.proxy")


class Policies:
    """Calls `wake` when something has changed that may matter; most of what pods tell of themselves does not."""

    def __init__(self, informers: Informers, node: str, named: Sequence[Named], wake: Callable[[], None]) -> None:
        self._node, self._wake = node, wake
        self._policies: dict[str, Policy] = {}
        self._pods: dict[str, PodFacts] = {}
        self._namespaces: dict[str, dict[str, str]] = {}
        for number, one in enumerate(named):  # no pod's name: it has no slash
            self._pods[str(number)] = PodFacts(one.namespace, one.labels, (one.address,), moved=one.moved)
        self._stale = False
        informers.of(NETWORK_POLICIES).on_change(self._policy)
        informers.of(PODS).on_change(self._pod)
        informers.of(NAMESPACES).on_change(self._namespace)

    def take(self) -> Policing | None:
        """What is to be in force now; None when that has not changed."""
        if not self._stale:
            return None
        self._stale = False
        return plan_policing(list(self._policies.values()), list(self._pods.values()), self._namespaces)

    def _policy(self, old: Object | None, new: Object | None) -> None:
        key = meta.key(new or old or {})
        self._policies.pop(key, None)
        if new is not None:
            try:
                self._policies[key] = parse_policy(new)
            except BadSelector as error:  # the API server lets none in
                log.error("network policy %s: %s", key, error)
        self._changed(always=True)

    def _pod(self, old: Object | None, new: Object | None) -> None:
        key = meta.key(new or old or {})
        before = self._pods.pop(key, None)
        now = pod_facts(new, self._node) if new is not None else None
        if now is not None:
            self._pods[key] = now
        if before != now:
            self._changed()

    def _namespace(self, old: Object | None, new: Object | None) -> None:
        key = meta.key(new or old or {})
        before = self._namespaces.pop(key, None)
        if new is not None:
            self._namespaces[key] = dict(new["metadata"].get("labels") or {})
        if before != self._namespaces.get(key):
            self._changed()

    def _changed(self, *, always: bool = False) -> None:
        if always or self._policies:
            self._stale = True
            self._wake()
