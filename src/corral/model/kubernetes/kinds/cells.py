"""Columns and cells that many kinds share. Pure. Follows pkg/printers/internalversion/printers.go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from corral.model.kubernetes.kind import Column, Object
from corral.model.kubernetes.kinds.ages import parse_time, since
from corral.model.kubernetes.kinds.checks import read_selector
from corral.model.kubernetes.kinds.fields import metadata, objects, pairs, part, text

NONE = "<none>"
UNSET = "<unset>"


def column(name: str, cell: Callable[[Object], Any], type: str = "string", priority: int = 0) -> Column:
    """A column whose cells don't depend on the time."""
    return Column(name, lambda obj, now: cell(obj), type, priority=priority)


def wide(name: str, cell: Callable[[Object], Any], type: str = "string") -> Column:
    """A column of `-o wide`."""
    return column(name, cell, type, priority=1)


def own_name(cell: Callable[[Object], Any] = lambda obj: text(metadata(obj), "name"), priority: int = 0) -> Column:
    """The Name column, of kinds that don't show it first, or show something else in it."""
    return Column("Name", lambda obj, now: cell(obj), "string", "name", priority=priority)


def age(obj: Object, now: datetime) -> str:
    return since(metadata(obj).get("creationTimestamp"), now)


def _created(obj: Object, now: datetime) -> str:
    moment = parse_time(metadata(obj).get("creationTimestamp"))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "<unknown>"


AGE = Column("Age", age)
CREATED_AT = Column("Created At", _created, "date")
"""Of kinds that upstream has no columns for."""


def at(*keys: str, default: Any = "") -> Callable[[Object], Any]:
    """What lies at a path.

    >>> at("spec", "nodeName", default="<none>")({"spec": {}})
    '<none>'
    """

    def cell(obj: Object) -> Any:
        found = part(obj, *keys[:-1]).get(keys[-1])
        return default if found is None else found

    return cell


def format_labels(holder: Mapping[str, Any], key: str) -> str:
    """
    >>> format_labels({"selector": {"b": "2", "a": "1"}}, "selector"), format_labels({}, "selector")
    ('a=1,b=2', '<none>')
    """
    return ",".join(f"{name}={value}" for name, value in pairs(holder, key)) or NONE


def selector_text(selector: Any) -> str | None:
    """Pure: a label selector as text; None of one that is invalid.

    >>> selector_text({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]})
    'a=1,b'
    """
    found = read_selector(selector)
    return None if found is None else str(found)


def format_selector(selector: Any) -> str:
    """A selector that is missing selects nothing, an empty one everything: both are shown as <none>."""
    shown = selector_text(selector)
    return "<error>" if shown is None else shown or NONE


def template_containers(obj: Object, *keys: str) -> list[Object]:
    return objects(part(obj, *keys, "spec"), "containers")


def container_names(containers: Sequence[Object]) -> str:
    return ",".join(text(one, "name") for one in containers)


def container_images(containers: Sequence[Object]) -> str:
    return ",".join(text(one, "image") for one in containers)


def container_columns(*keys: str) -> tuple[Column, Column]:
    """The wide columns Containers and Images, of the pod template at the keys."""
    return (
        wide("Containers", lambda obj: container_names(template_containers(obj, *keys))),
        wide("Images", lambda obj: container_images(template_containers(obj, *keys))),
    )


def boolean(value: Any) -> str:
    """
    >>> boolean(True), boolean(None)
    ('True', '<unset>')
    """
    return UNSET if value is None else str(bool(value))


def count(found: Any) -> int:
    return len(found) if isinstance(found, list | dict) else 0
