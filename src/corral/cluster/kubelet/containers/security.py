"""Who a container is and what it may do: from the security contexts of its pod and its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.kubelet.errors import BadConfig, NotAdmitted
from corral.cluster.kubelet.pods import full_name
from corral.model.container import Security

Object = dict[str, Any]

SAFE_SYSCTLS: Final = frozenset(
    "kernel.shm_rmid_forced net.ipv4.ip_local_port_range net.ipv4.tcp_syncookies net.ipv4.ping_group_range "
    "net.ipv4.ip_unprivileged_port_start net.ipv4.ip_local_reserved_ports net.ipv4.tcp_keepalive_time "
    "net.ipv4.tcp_fin_timeout net.ipv4.tcp_keepalive_intvl net.ipv4.tcp_keepalive_probes net.ipv4.tcp_rmem "
    "net.ipv4.tcp_wmem".split()
)


def effective(pod: Object, container: Object, key: str) -> Any:
    """A setting of the container's, else of the pod's; None where neither has one.

    >>> effective({"spec": {"securityContext": {"runAsUser": 1}}}, {"securityContext": {"runAsUser": 0}}, "runAsUser")
    0
    """
    own = (container.get("securityContext") or {}).get(key)
    return own if own is not None else (pod["spec"].get("securityContext") or {}).get(key)


def plan_security(pod: Object, container: Object, read_profile: Callable[[str], str]) -> Security:
    """`read_profile` gives the text of a seccomp profile of this node.

    >>> plan_security({"spec": {}}, {"securityContext": {"allowPrivilegeEscalation": False}}, str).no_new_privileges
    True
    >>> plan_security({"spec": {}}, {"securityContext": {"procMount": "Unmasked"}}, str).unconfined_system_paths
    True
    """
    own = container.get("securityContext") or {}
    capabilities = own.get("capabilities") or {}
    return Security(
        privileged=bool(own.get("privileged")),
        cap_add=list(capabilities.get("add") or ()),
        cap_drop=list(capabilities.get("drop") or ()),
        seccomp=_seccomp(effective(pod, container, "seccompProfile") or {}, read_profile),
        apparmor=_apparmor(effective(pod, container, "appArmorProfile") or {}),
        labels=_labels(effective(pod, container, "seLinuxOptions") or {}),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
        unconfined_system_paths=own.get("procMount") == "Unmasked",
        read_only_rootfs=bool(own.get("readOnlyRootFilesystem")),
    )


def _seccomp(profile: Object, read_profile: Callable[[str], str]) -> str:
    kind = profile.get("type") or "Unconfined"
    if kind == "Localhost":
        return read_profile(str(profile.get("localhostProfile") or ""))
    return "" if kind == "RuntimeDefault" else "unconfined"


def _apparmor(profile: Object) -> str:
    kind = profile.get("type")
    if kind == "Localhost":
        return str(profile.get("localhostProfile") or "")
    return "unconfined" if kind == "Unconfined" else ""


def _labels(options: Object) -> list[str]:
    return [f"{key}:{options[key]}" for key in ("user", "role", "type", "level") if options.get(key)]


def plan_user(pod: Object, container: Object, image_user: str) -> tuple[str, list[str]]:
    """("user[:group]", supplementary groups). "" is the image's own user.

    >>> pod = {"spec": {"securityContext": {"runAsUser": 7, "fsGroup": 9, "supplementalGroups": [3]}}}
    >>> plan_user(pod, {}, ""), plan_user({"spec": {}}, {"securityContext": {"runAsGroup": 5}}, "web")
    (('7', ['3', '9']), ('web:5', []))
    """
    user, group = effective(pod, container, "runAsUser"), effective(pod, container, "runAsGroup")
    context = pod["spec"].get("securityContext") or {}
    groups = [str(one) for one in context.get("supplementalGroups") or ()]
    if context.get("fsGroup") is not None and str(context["fsGroup"]) not in groups:
        groups.append(str(context["fsGroup"]))
    if context.get("supplementalGroupsPolicy") == "Strict" and user is not None and group is None:
        group = 0
    name = "" if user is None else str(user)
    if group is not None:
        name = f"{name or image_user.partition(':')[0] or '0'}:{group}"
    return name, groups


def check_non_root(pod: Object, container: Object, image_user: str) -> None:
    """BadConfig where runAsNonRoot cannot be held.

    >>> pod = {"metadata": {"name": "a", "namespace": "d", "uid": "u"}, "spec": {}}
    >>> check_non_root(pod, {"name": "c", "securityContext": {"runAsNonRoot": True}}, "")
    Traceback (most recent call last):
    corral.cluster.kubelet.errors.BadConfig: container has runAsNonRoot and image will run as root \
(pod: "a_d(u)", container: c)
    """
    if not effective(pod, container, "runAsNonRoot"):
        return
    where = f'(pod: "{full_name(pod)}", container: {container["name"]})'
    user = effective(pod, container, "runAsUser")
    if user is not None:
        if user == 0:
            raise BadConfig(f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if not name or name == "0":
        raise BadConfig(f"container has runAsNonRoot and image will run as root {where}")
    if not re.fullmatch(r"[0-9]+", name):
        raise BadConfig(
            f"container has runAsNonRoot and image has non-numeric user ({name}), "
            f"cannot verify user is non-root {where}"
        )


def plan_sysctls(pod: Object, allowed: frozenset[str] = frozenset()) -> dict[str, str]:
    """The pod's kernel parameters by their names with dots. NotAdmitted for one that nobody has allowed here.

    >>> plan_sysctls({"spec": {"securityContext": {"sysctls": [{"name": "net/core/somaxconn", "value": "9"}]}}})
    Traceback (most recent call last):
    corral.cluster.kubelet.errors.NotAdmitted: forbidden sysctl: "net/core/somaxconn" not allowlisted
    """
    found = {}
    for one in (pod["spec"].get("securityContext") or {}).get("sysctls") or ():
        name = one["name"].replace("/", ".")
        fits = name in SAFE_SYSCTLS or any(
            name == rule or (rule.endswith("*") and name.startswith(rule[:-1])) for rule in allowed
        )
        if not fits:
            raise NotAdmitted("SysctlForbidden", f'forbidden sysctl: "{one["name"]}" not allowlisted')
        found[name] = str(one["value"])
    return found
