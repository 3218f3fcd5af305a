"""Conflicts: an applied object changes what others own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from corral.cluster.apiserver.apply import fieldset
from corral.cluster.apiserver.apply.entries import Manager
from corral.model.kubernetes.status import StatusError


class Conflict(NamedTuple):
    """`path` is made of path elements."""

    manager: Manager
    path: tuple[str, ...]


class Conflicts(Exception):
    """All that stand against one apply, sorted by manager."""

    def __init__(self, found: Sequence[Conflict]) -> None:
        super().__init__(f"{len(found)} conflicts")
        self.found = found

    def status(self) -> StatusError:
        """The 409 with a cause for each. Follows k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go."""
        causes = [
            {
                "reason": "FieldManagerConflict",
                "message": f"conflict with {one.manager}",
                "field": fieldset.shown(one.path),
            }
            for one in self.found
        ]
        return StatusError(409, "Conflict", message(self.found), {"causes": causes})


def message(found: Sequence[Conflict]) -> str:
    """Pure: what kubectl prints.

    >>> helm = Manager("helm", "Update", "apps/v1")
    >>> message([Conflict(helm, ("f:spec", "f:replicas"))])
    'Apply failed with 1 conflict: conflict with "helm" using apps/v1: .spec.replicas'
    >>> print(message([Conflict(helm, ("f:a",)), Conflict(helm, ("f:b",))]))
    Apply failed with 2 conflicts: conflicts with "helm" using apps/v1:
    - .a
    - .b
    """
    if len(found) == 1:
        manager, path = found[0]
        return f"Apply failed with 1 conflict: conflict with {manager}: {fieldset.shown(path)}"
    lines: list[str] = []
    last = None
    for manager, path in found:
        if manager != last:
            lines.append(f"conflicts with {manager}:")
        lines.append(f"- {fieldset.shown(path)}")
        last = manager
    joined = "\n".join(lines)
    return f"Apply failed with {len(found)} conflicts: {joined}"
