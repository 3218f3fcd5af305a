"""Security: system paths that a container does not see or cannot write, and the labels of security modules."""

from __future__ import annotations

import glob
from functools import cache

from corral.errors import InvalidInput, Unsupported
from corral.linux.limits import Limits
from corral.model.container import Security

MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@cache
def default_masked() -> tuple[str, ...]:
    """The paths that are hidden by default: those above, and each CPU's record of how hot it got."""
    return (*MASKED, *sorted(glob.glob("/sys/devices/system/cpu/cpu*/thermal_throttle")))


def plan_paths(security: Security) -> tuple[list[str], list[str]]:
    """Pure but for `default_masked`: (masked paths, read-only paths).

    >>> plan_paths(Security(privileged=True))
    ([], [])
    >>> plan_paths(Security(masked_paths=["/x"]))[0], "/proc/sys" in plan_paths(Security())[1]
    (['/x'], True)
    """
    open_by_default = security.privileged or security.unconfined_system_paths
    masked = [] if open_by_default else list(default_masked())
    read_only = [] if open_by_default else list(READ_ONLY)
    if not security.privileged:
        masked = masked if security.masked_paths is None else list(security.masked_paths)
        read_only = read_only if security.readonly_paths is None else list(security.readonly_paths)
    return masked, read_only


def plan_apparmor(security: Security, limits: Limits, default: str = "") -> str:
    """Pure: the profile's name, "" for none. `default` is that of the host's own, "" where none is loaded.

    Unsupported where a profile is wanted and the host has no AppArmor.

    >>> plan_apparmor(Security(apparmor="unconfined"), Limits())
    ''
    >>> plan_apparmor(Security(apparmor="mine"), Limits())
    Traceback (most recent call last):
    corral.errors.Unsupported: AppArmor is not enabled on this host: cannot use the profile "mine"
    """
    wanted = security.apparmor
    if wanted == "unconfined" or (security.privileged and not wanted):
        return "unconfined" if limits.apparmor else ""
    if wanted and not limits.apparmor:
        raise Unsupported(f'AppArmor is not enabled on this host: cannot use the profile "{wanted}"')
    return (wanted or default) if limits.apparmor else ""


def check_labels(labels: list[str], limits: Limits) -> None:
    """Pure: raises for an SELinux label that is malformed (InvalidInput) or cannot be used here (Unsupported).

    >>> check_labels(["disable"], Limits())
    >>> check_labels(["type:spc_t"], Limits())
    Traceback (most recent call last):
    corral.errors.Unsupported: SELinux is not enabled on this host: cannot use the label "type:spc_t"
    """
    for label in labels:
        kind, separator, value = label.partition(":")
        if label in ("disable", "nested"):
            continue
        if kind not in ("user", "role", "type", "level", "filetype") or not separator or not value:
            raise InvalidInput(
                f'invalid label "{label}": bad label option, valid options are user, role, level, type, disable'
            )
        if not limits.selinux:
            raise Unsupported(f'SELinux is not enabled on this host: cannot use the label "{label}"')
        raise Unsupported(f'SELinux labels are not offered: cannot use the label "{label}"; use label=disable')
