"""Gives aggregated ClusterRoles their rules. One key: a ClusterRole."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.protocol import APPLY_PATCH, Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import CLUSTER_ROLES
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.aggregation import plan_rules


class ClusterRoleAggregation(Controller):
    """Every change of any role may change any sum; there are few, and a sum is quick."""

    name = "clusterrole-aggregation-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._roles = shared.informers.of(CLUSTER_ROLES)
        super().__init__([self._roles])
        self._roles.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _counts(old) == _counts(new):
            return
        if new is not None and new.get("aggregationRule"):
            self.queue.add(meta.name(new))
        for role in self._roles.all():
            if role.get("aggregationRule"):
                self.queue.add(meta.name(role))

    async def reconcile(self, key: str) -> float | None:
        role = self._roles.get(key)
        rules = plan_rules(role, self._roles.all()) if role is not None else None
        if rules is None:
            return None
        applied = {"metadata": {"name": key}, "rules": rules}
        written = await self._client.patch(
            CLUSTER_ROLES, key, patch=applied, type=APPLY_PATCH, field_manager=self.name, force=True
        )
        await self._roles.seen(written)
        return None


def _counts(role: Object) -> tuple[object, ...]:
    return role["metadata"].get("labels"), role.get("rules"), role.get("aggregationRule")
