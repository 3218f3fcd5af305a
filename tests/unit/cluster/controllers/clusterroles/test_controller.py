from __future__ import annotations

from corral.cluster.controllers.clusterroles.controller import ClusterRoleAggregation
from corral.cluster.controllers.resources import CLUSTER_ROLES
from tests.support.world import working


async def test_a_sum_follows_its_parts() -> None:
    async with working(ClusterRoleAggregation) as world:
        await world.until_one(CLUSTER_ROLES, "admin", lambda one: len(one["rules"] or []) > 10)
        rule = {"apiGroups": ["example.com"], "resources": ["things"], "verbs": ["get"]}
        labels = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        await world.create(CLUSTER_ROLES, {"metadata": {"name": "things", "labels": labels}, "rules": [rule]})
        for name in ("view", "edit", "admin"):
            await world.until_one(CLUSTER_ROLES, name, lambda one: rule in one["rules"])
        await world.client.delete(CLUSTER_ROLES, "things")
        for name in ("view", "edit", "admin"):
            await world.until_one(CLUSTER_ROLES, name, lambda one: rule not in one["rules"])
