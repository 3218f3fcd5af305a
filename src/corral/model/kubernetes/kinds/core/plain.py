"""Binding, which puts a pod on a node, and ComponentStatus, which nobody stores. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import column
from corral.model.kubernetes.kinds.checks import listed
from corral.model.kubernetes.kinds.core.pod_spec.update import check_binding
from corral.model.kubernetes.kinds.fields import objects, text

BINDING = Kind(validate=listed(check_binding), has_generation=False)


def _healthy(obj: Object) -> Object:
    return next((one for one in objects(obj, "conditions") if text(one, "type") == "Healthy"), {})


def _status(obj: Object) -> str:
    """
    >>> _status({"conditions": [{"type": "Healthy", "status": "True"}]}), _status({})
    ('Healthy', 'Unknown')
    """
    found = _healthy(obj)
    if not found:
        return "Unknown"
    return "Healthy" if text(found, "status") == "True" else "Unhealthy"


COMPONENT_STATUS = Kind(
    deprecated="v1 ComponentStatus is deprecated in v1.19+",
    has_generation=False,
    columns=(
        column("Status", _status),
        column("Message", lambda obj: text(_healthy(obj), "message")),
        column("Error", lambda obj: text(_healthy(obj), "error")),
    ),
)
