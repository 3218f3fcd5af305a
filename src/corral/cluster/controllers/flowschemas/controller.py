"""Says of each FlowSchema whether its priority level is there. One key: a FlowSchema.

Follows k8s.io/apiserver/pkg/util/flowcontrol, where a part of the API server does it.
"""

from __future__ import annotations

from collections.abc import Collection as Names
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import APPLY_PATCH, Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.conditions import Condition, find, put
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import FLOW_SCHEMAS, PRIORITY_LEVELS
from corral.cluster.controllers.shared import Shared

MANAGER: Final = "api-priority-and-fairness-config-consumer-v1"
DANGLING: Final = "Dangling"


def plan_condition(schema: Object, levels: Names[str]) -> Condition:
    """Pure.

    >>> plan_condition({"spec": {"priorityLevelConfiguration": {"name": "low"}}}, {"high"})["status"]
    'True'
    """
    level = schema["spec"]["priorityLevelConfiguration"]["name"]
    there = level in levels
    text = "and it exists" if there else "but there is no such object"
    return {
        "type": DANGLING,
        "status": "False" if there else "True",
        "reason": "Found" if there else "NotFound",
        "message": f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {text}',
    }


class FlowSchemasController(Controller):
    name = "flow-schemas-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, self._now = shared.client, shared.now
        self._schemas, self._levels = shared.informers.of(FLOW_SCHEMAS), shared.informers.of(PRIORITY_LEVELS)
        super().__init__([self._schemas, self._levels])
        self._schemas.on_change(self._schema_changed)
        self._levels.on_change(self._level_changed)

    def _schema_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.name(new))

    def _level_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None:
            for schema in self._schemas.all():
                self.queue.add(meta.name(schema))

    async def reconcile(self, key: str) -> float | None:
        schema = self._schemas.get(key)
        if schema is None:
            return None
        wanted = plan_condition(schema, {meta.name(one) for one in self._levels.all()})
        known = (schema.get("status") or {}).get("conditions")
        found = find(known, DANGLING)
        if found is not None and all(found.get(part) == value for part, value in wanted.items()):
            return None
        (mine,) = [one for one in put(known, wanted, to_text(self._now())) if one["type"] == DANGLING]
        applied = {"metadata": {"name": key}, "status": {"conditions": [mine]}}
        written = await self._client.patch(
            FLOW_SCHEMAS, key, patch=applied, type=APPLY_PATCH, subresource="status", field_manager=MANAGER, force=True
        )
        await self._schemas.seen(written)
        return None
