"""Resolve: what the plan of a bundle needs from this host: devices, the seccomp filter's conditions, an init program."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache

from corral.linux.limits import Limits
from corral.runtime.capabilities import plan_capabilities
from corral.runtime.devices import resolve_devices
from corral.runtime.init import find_init
from corral.runtime.input import BundleInput
from corral.runtime.seccomp import SeccompHost, machine_arch, needless_architectures, plan_seccomp
from corral.runtime.security import plan_apparmor
from corral.runtime.sysctls import check_sysctls, default_sysctls


def complete(p: BundleInput, *, runtime: str, init_path: str = "", apparmor: str = "") -> BundleInput:
    """`p` with all that has to be looked up on this host. About 0.1 ms; privileged ones 2 ms.

    `runtime` is the name of the runtime that will take the bundle, `init_path` the configured init program ("" is
    searched for), `apparmor` the host's default profile. InvalidInput, Unsupported, Unavailable (no init program).
    """
    spec, security = p.container.spec, p.container.spec.security
    check_sysctls(spec.sysctls, [kind for kind in p.namespaces])
    capabilities = plan_capabilities(
        security.cap_add,
        security.cap_drop,
        privileged=security.privileged,
        available=p.limits.bounding & p.limits.capabilities,
    )
    return replace(
        p,
        devices=resolve_devices(spec.devices, privileged=security.privileged),
        seccomp=plan_seccomp(
            security.seccomp,
            privileged=security.privileged,
            capabilities=capabilities,
            host=seccomp_host(p.limits, runtime),
        ),
        default_sysctls=default_sysctls(user_namespace=bool(p.uid_map)),
        apparmor=plan_apparmor(security, p.limits, apparmor),
        init=find_init(init_path) if spec.init and "pid" in p.namespaces and not p.namespaces["pid"] else "",
    )


@cache
def _machine() -> str:
    return machine_arch(os.uname().machine)


def seccomp_host(limits: Limits, runtime: str) -> SeccompHost:
    """What rules may depend on, here."""
    return SeccompHost(_machine(), limits.kernel, needless_architectures(runtime), limits.seccomp)
