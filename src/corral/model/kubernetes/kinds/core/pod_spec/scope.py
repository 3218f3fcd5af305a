"""What the checks of a container need to know of its pod."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import indexed, number, part, text


class Scope(NamedTuple):
    """`volumes` by name, only those that are well; `grace`: terminationGracePeriodSeconds; `os`: None if not set."""

    volumes: Mapping[str, Object]
    claims: Collection[str]
    restart_policy: str
    grace: int
    host_users: bool
    os: str | None


def scope_of(spec: Object, volumes: Mapping[str, Object], claims: Collection[str]) -> Scope:
    os = spec.get("os")
    return Scope(
        volumes,
        claims,
        text(spec, "restartPolicy"),
        number(spec, "terminationGracePeriodSeconds"),
        spec.get("hostUsers") is not False,
        text(os, "name") if isinstance(os, dict) else None,
    )


def all_containers(spec: Object, path: str) -> Iterator[tuple[str, Object]]:
    """Every container with its path, in the order in which upstream visits them."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from indexed(spec, kind, f"{path}.{kind}" if path else kind)


def is_sidecar(container: Object) -> bool:
    return text(container, "restartPolicy") == "Always"


def is_privileged(container: Object) -> bool:
    return part(container, "securityContext").get("privileged") is True
