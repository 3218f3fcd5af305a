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

    On a host without AppArmor there is none, as with Docker; `plan_unconfined` says so.

    >>> [plan_apparmor(Security(apparmor="mine"), host) for host in (Limits(apparmor=True), Limits())]
    ['mine', '']
    """
    wanted = security.apparmor
    if not limits.apparmor:
        return ""
    return "unconfined" if security.privileged else wanted or default


def plan_unconfined(security: Security, limits: Limits) -> list[str]:
    """Pure: a warning for each wall that was asked for and that this host has no security module for.

    >>> plan_unconfined(Security(apparmor="mine", labels=["disable", "type:spc_t"]), Limits())
    ['AppArmor is not enabled on this host: the profile "mine" is not applied.', \
'SELinux is not enabled on this host: the label "type:spc_t" is not applied.']
    """
    found = []
    if security.apparmor not in ("", "unconfined") and not limits.apparmor:
        found.append(f'AppArmor is not enabled on this host: the profile "{security.apparmor}" is not applied.')
    if not limits.selinux:
        labels = (label for label in security.labels if label not in _NO_LABELS)
        found += [f'SELinux is not enabled on this host: the label "{label}" is not applied.' for label in labels]
    return found


_NO_LABELS = ("disable", "nested")


def check_labels(labels: list[str], limits: Limits) -> None:
    """Pure: raises for an SELinux label that is malformed (InvalidInput), or that would have to be set (Unsupported).

    >>> check_labels(["disable", "type:spc_t"], Limits())
    >>> check_labels(["type:spc_t"], Limits(selinux=True))
    Traceback (most recent call last):
    corral.errors.Unsupported: SELinux labels are not offered: cannot use the label "type:spc_t"; use label=disable
    """
    for label in labels:
        kind, separator, value = label.partition(":")
        if label in _NO_LABELS:
            continue
        if kind not in ("user", "role", "type", "level", "filetype") or not separator or not value:
            raise InvalidInput(
                f'invalid label "{label}": bad label option, valid options are user, role, level, type, disable'
            )
        if limits.selinux:
            raise Unsupported(f'SELinux labels are not offered: cannot use the label "{label}"; use label=disable')
