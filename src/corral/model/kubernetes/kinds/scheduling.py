"""PriorityClass, of the group scheduling.k8s.io. Pure."""

from __future__ import annotations

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, at, column
from corral.model.kubernetes.kinds.checks import Problems, immutable, listed, optional_of
from corral.model.kubernetes.kinds.fields import fill, flag, is_new, metadata, number, text
from corral.model.kubernetes.problems import forbidden

HIGHEST = 1_000_000_000
SYSTEM = {"system-cluster-critical": 2 * HIGHEST, "system-node-critical": 2 * HIGHEST + 1000}
_RESERVED = "priority class names with 'system-' prefix are reserved for system use only. error: "


def _validate(obj: Object) -> Problems:
    """
    >>> [str(one) for one in _validate({"metadata": {"name": "high"}, "value": 2000000000})]
    ['value: Forbidden: maximum allowed value of a user defined priority is 1000000000']
    """
    if not is_new(obj):
        return  # of a change only what differs is looked at
    name, value = text(metadata(obj), "name"), number(obj, "value")
    if name.startswith("system-"):
        if error := _system_error(name, value, flag(obj, "globalDefault")):
            yield forbidden("metadata.name", _RESERVED + error)
    elif value > HIGHEST:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {HIGHEST}")
    yield from optional_of(obj, "preemptionPolicy", "", ("PreemptLowerPriority", "Never"))


def _system_error(name: str, value: int, default: bool) -> str:
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    if value != SYSTEM[name]:
        return f"value of {name} PriorityClass must be {SYSTEM[name]}"
    return f"globalDefault of {name} PriorityClass must be false" if default else ""


def _validate_update(new: Object, old: Object) -> Problems:
    if number(new, "value") != number(old, "value"):
        yield forbidden("value", "may not be changed in an update.")
    yield from immutable(new, old, "", "preemptionPolicy")


def _default(obj: Object) -> None:
    fill(obj, "value", 0)
    fill(obj, "preemptionPolicy", "PreemptLowerPriority")


PRIORITY_CLASS = Kind(
    default=_default,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    columns=(
        column("Value", at("value", default=0), "integer"),
        column("Global-Default", at("globalDefault", default=False), "boolean"),
        AGE,
        column("PreemptionPolicy", at("preemptionPolicy")),
    ),
)
