"""Checking a request against this host before anything is made: what is wrong, what cannot be had, what is dropped."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from corral.engine.mounts import plan_tmpfs_mount
from corral.engine.parts import Parts
from corral.engine.userns import check_remapped, remap_of, shared_with
from corral.model.container import ContainerSpec
from corral.runtime.abilities import plan_allowed
from corral.runtime.capabilities import plan_capabilities
from corral.runtime.devices import parse_rule
from corral.runtime.init import find_init
from corral.runtime.mounts import plan_tmpfs
from corral.runtime.rlimits import check_ulimit, plan_rlimits
from corral.runtime.seccomp import BUILTIN, UNCONFINED, check_profile
from corral.runtime.security import check_labels, plan_unconfined
from corral.runtime.sysctls import check_sysctls


def check(parts: Parts, spec: ContainerSpec) -> tuple[ContainerSpec, list[str]]:
    """The request with the limits that this host can set, and a warning for each that it cannot.

    InvalidInput and Unavailable name what is wrong.
    """
    mine = {ulimit.name for ulimit in spec.ulimits}
    ulimits = [*spec.ulimits, *(u for u in parts.config.ulimits if u.name not in mine)]
    resources, warnings = plan_allowed(spec.resources, parts.abilities)
    spec = replace(spec, resources=resources, ulimits=ulimits)
    for ulimit in ulimits:
        check_ulimit(ulimit)
    warnings += _check_security(parts, spec)
    if remap_of(parts, spec) is not None:
        check_remapped(spec)
        shared_with(spec)
    check_sysctls(spec.sysctls, own_namespaces(spec))
    for rule in spec.device_rules:
        parse_rule(rule)
    for target, options in spec.tmpfs.items():
        plan_tmpfs(target, options)
    for mount in spec.mounts:
        if mount.type == "tmpfs":
            plan_tmpfs(mount.target, plan_tmpfs_mount(mount))
    if wants_init(parts, spec):
        find_init(parts.config.init_path)
    warnings += plan_rlimits(ulimits, parts.limits)[1]
    if parts.limits.oom_score(spec.oom_score_adj) != spec.oom_score_adj:
        warnings.append(
            f"oom-score-adj {spec.oom_score_adj} raised to {parts.limits.oom_score(spec.oom_score_adj)}: "
            "the daemon has no CAP_SYS_RESOURCE to lower it with"
        )
    return spec, warnings


def _check_security(parts: Parts, spec: ContainerSpec) -> list[str]:
    security = spec.security
    plan_capabilities(
        security.cap_add, security.cap_drop, privileged=security.privileged, available=parts.limits.capabilities
    )
    if security.seccomp not in ("", BUILTIN, UNCONFINED):
        check_profile(security.seccomp)
    check_labels(security.labels, parts.limits)
    return plan_unconfined(security, parts.limits)


def own_namespaces(spec: ContainerSpec) -> Collection[str]:
    """Pure: the namespaces whose parameters a container may set: all that are not the host's.

    >>> sorted(own_namespaces(ContainerSpec("x")))
    ['ipc', 'network', 'uts']
    """
    modes = {"network": spec.network.mode, "ipc": spec.namespaces.ipc, "uts": spec.namespaces.uts}
    return {kind for kind, mode in modes.items() if mode != "host"}


def wants_init(parts: Parts, spec: ContainerSpec) -> bool:
    """Whether a small first process reaps orphans: the user's word, else the engine's configuration. Among the
    processes of others it would not be the first, and orphans not its own."""
    return not spec.namespaces.pid and (parts.config.init if spec.init is None else spec.init)
