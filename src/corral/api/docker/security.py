"""The walls: security options and namespaces."""

from __future__ import annotations

import json

from corral.api.docker.facts import Facts
from corral.api.docker.settings import HostConfig
from corral.errors import InvalidInput
from corral.model.container import Namespaces, Security

FLAGS = ("no-new-privileges", "writable-cgroups")
TRUE = ("1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")


def security_of(host: HostConfig) -> Security:
    """What was asked for, with the options taken apart; `options` keeps them as they came."""
    security = Security(
        privileged=host.Privileged,
        cap_add=host.CapAdd,
        cap_drop=host.CapDrop,
        masked_paths=host.MaskedPaths,
        readonly_paths=host.ReadonlyPaths,
        read_only_rootfs=host.ReadonlyRootfs,
        options=host.SecurityOpt,
    )
    for option in host.SecurityOpt:
        apply_option(security, option)
    return security


def apply_option(security: Security, option: str) -> None:
    """One security option; "key=value", or the older "key:value". InvalidInput in dockerd's words.

    >>> security = Security()
    >>> for option in ("no-new-privileges", "label=type:web_t", "seccomp=unconfined"): apply_option(security, option)
    >>> security.no_new_privileges, security.labels, security.seccomp
    (True, ['type:web_t'], 'unconfined')
    >>> apply_option(security, "fast")
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid --security-opt 1: "fast"
    """
    if option in FLAGS:
        option += "=true"
    if option == "disable":
        option = "label=disable"
    separator = "=" if "=" in option else ":"
    key, given, value = option.partition(separator)
    if not given:
        raise InvalidInput(f'invalid --security-opt 1: "{option}"')
    if key == "label":
        security.labels = [*security.labels, value]
    elif key == "apparmor":
        security.apparmor = value
    elif key == "seccomp":
        security.seccomp = _seccomp(value)
    elif key == "systempaths" and value == "unconfined":
        security.unconfined_system_paths = True
    elif key == "no-new-privileges":
        security.no_new_privileges = _flag(option, value)
    elif key == "writable-cgroups":
        security.writable_cgroups = _flag(option, value)
    else:
        raise InvalidInput(f'invalid --security-opt 2: "{option}"')


def _flag(option: str, value: str) -> bool:
    if value not in TRUE + FALSE:
        raise InvalidInput(f'invalid --security-opt 2: "{option}"')
    return value in TRUE


def _seccomp(value: str) -> str:
    """A profile is JSON; "builtin" is the default one, "" here."""
    if value in ("", "builtin"):
        return ""
    if value != "unconfined":
        try:
            profile = json.loads(value)
        except ValueError as error:
            raise InvalidInput(f"Decoding seccomp profile failed: {error}") from None
        if not isinstance(profile, dict):
            raise InvalidInput("Decoding seccomp profile failed: it must be a JSON object")
    return value


def namespaces_of(host: HostConfig, facts: Facts) -> Namespaces:
    """Which namespaces are new: the IPC one by default, the cgroup one by default on cgroup v2."""
    by_default = "private" if facts.cgroup_version == 2 else "host"
    return Namespaces(
        pid=host.PidMode,
        ipc=host.IpcMode or "private",
        uts=host.UTSMode,
        cgroup=host.CgroupnsMode or by_default,
        user=host.UsernsMode,
    )
