"""What upstream compares a new object with: an empty one, as Go has it.

An empty Go struct is not an empty object: nested structs and required fields are there, with nothing in them. So who
creates an object becomes the owner of `.spec.replicas` but not of `.spec`, and this is what kubectl shows.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.apply.plan import Plan
from corral.model.kubernetes.schema.data import short_name
from corral.model.kubernetes.schema.zeros import empty


def of_plan(plan: Plan) -> dict[str, Any]:
    """Pure: the empty object of a built-in kind; that of a CustomResourceDefinition is {}. It must not be changed."""
    return empty(short_name(plan.name)) if plan.name else {}
