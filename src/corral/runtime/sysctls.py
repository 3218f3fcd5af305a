"""Sysctls: kernel parameters that a namespace has of its own, and so a container may have set."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

from corral.errors import InvalidInput

_IPC = {
    *("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax"),
    *("kernel.shmmni", "kernel.shm_rmid_forced"),
}
_UTS = {"kernel.hostname", "kernel.domainname"}

_DEFAULTS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


def check_sysctls(wanted: Mapping[str, str], namespaces: Collection[str]) -> None:
    """Pure: raises InvalidInput for a parameter that is not the container's own. `namespaces` are those it has
    or joins ("network", "ipc", "uts"); a missing one is the host's.

    >>> check_sysctls({"net.core.somaxconn": "9"}, {"ipc"})
    Traceback (most recent call last):
    corral.errors.InvalidInput: sysctl "net.core.somaxconn" not allowed in host network namespace
    """
    for given in wanted:
        name = normal(given)
        if name in _IPC or name.startswith("fs.mqueue."):
            if "ipc" not in namespaces:
                raise InvalidInput(f'sysctl "{given}" is not allowed in the hosts ipc namespace')
        elif name.startswith("net."):
            if "network" not in namespaces:
                raise InvalidInput(f'sysctl "{given}" not allowed in host network namespace')
        elif name in _UTS:
            if "uts" not in namespaces:
                raise InvalidInput(f'sysctl "{given}" is not allowed in the hosts UTS namespace')
        else:
            raise InvalidInput(f'sysctl "{given}" is not in a separate kernel namespace')


def plan_sysctls(
    wanted: Mapping[str, str], *, own_network: bool, domainname: str, defaults: Mapping[str, str] = _DEFAULTS
) -> dict[str, str]:
    """Pure: linux.sysctl. In its own network a container may open low ports and ping without privileges.

    >>> plan_sysctls({"net.ipv4.ip_unprivileged_port_start": "80"}, own_network=True, domainname="")
    {'net.ipv4.ip_unprivileged_port_start': '80', 'net.ipv4.ping_group_range': '0 2147483647'}
    """
    found = dict(defaults) if own_network else {}
    if domainname:
        found["kernel.domainname"] = domainname
    return found | dict(wanted)


def default_sysctls(*, user_namespace: bool = False) -> dict[str, str]:
    """Those of the defaults that this kernel has (and that can be set in a user namespace)."""
    return {
        name: value
        for name, value in _DEFAULTS.items()
        if os.path.exists(f"/proc/sys/{name.replace('.', '/')}")
        and not (user_namespace and name == "net.ipv4.ping_group_range")
    }


def normal(name: str) -> str:
    """Pure: with dots, as the runtime compares it; with slashes the first separator decides.

    >>> normal("net/ipv4/conf/eth0.100/forwarding"), normal("kernel.sem")
    ('net.ipv4.conf.eth0/100.forwarding', 'kernel.sem')
    """
    slash, dot = name.find("/"), name.find(".")
    if slash == -1 or (dot != -1 and dot < slash):
        return name
    return name.translate(str.maketrans("/.", "./"))
