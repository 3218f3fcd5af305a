from __future__ import annotations

from typing import Any

from corral.cluster.controllers.flowschemas.controller import FlowSchemasController
from corral.cluster.controllers.resources import FLOW_SCHEMAS, PRIORITY_LEVELS
from tests.support.world import working


def told(schema: dict[str, Any]) -> tuple[str, str]:
    (found,) = schema["status"]["conditions"]
    return found["status"], found["reason"]


async def test_a_schema_without_its_level_dangles() -> None:
    async with working(FlowSchemasController) as world:
        await world.until_one(FLOW_SCHEMAS, "catch-all", lambda one: told(one) == ("False", "Found"))
        spec = {"priorityLevelConfiguration": {"name": "herd"}}
        await world.create(FLOW_SCHEMAS, {"metadata": {"name": "cows"}, "spec": spec})
        await world.until_one(FLOW_SCHEMAS, "cows", lambda one: told(one) == ("True", "NotFound"))
        level = {
            "metadata": {"name": "herd"},
            "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}},
        }
        await world.create(PRIORITY_LEVELS, level)
        await world.until_one(FLOW_SCHEMAS, "cows", lambda one: told(one) == ("False", "Found"))
        await world.client.delete(PRIORITY_LEVELS, "herd")
        await world.until_one(FLOW_SCHEMAS, "cows", lambda one: told(one) == ("True", "NotFound"))
