"""Security contexts, of pods and of containers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.checks import Problems, each, local_path, optional_of
from corral.model.kubernetes.kinds.core.pod_spec.scope import all_containers
from corral.model.kubernetes.kinds.fields import flag, has, indexed, part, text, texts, values
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required, too_long

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_SYSCTL_LIMIT = 253
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")
_IDS = ("fsGroup", "runAsUser", "runAsGroup")


def check_container_context(container: Object, path: str, host_users: bool) -> Problems:
    found = container.get("securityContext")
    if not isinstance(found, dict):
        return
    yield from _ids(found, path, _IDS[1:])
    if has(found, "procMount"):
        yield from optional_of(found, "procMount", path, ("Default", "Unmasked"))
        if host_users and found["procMount"] == "Unmasked":
            yield invalid(f"{path}.procMount", "Unmasked", "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(found, f"{path}.seccompProfile")
    yield from _escalation(found, path)
    yield from _app_armor(found, f"{path}.appArmorProfile")


def _escalation(found: Object, path: str) -> Problems:
    if found.get("allowPrivilegeEscalation") is not False:
        return
    if flag(found, "privileged"):
        yield invalid(path, found, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    if "CAP_SYS_ADMIN" in texts(part(found, "capabilities"), "add"):
        detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
        yield invalid(path, found, detail)


def _ids(found: Object, path: str, keys: Sequence[str]) -> Problems:
    for key in keys:
        value = found.get(key)
        if isinstance(value, int):
            yield from each(f"{path}.{key}", value, names.user_id(value))


def check_pod_context(spec: Object, path: str) -> Problems:
    found = part(spec, "securityContext")
    yield from _ids(found, path, _IDS)
    for index, group in enumerate(values(found, "supplementalGroups")):
        if isinstance(group, int):
            yield from each(f"{path}.supplementalGroups[{index}]", group, names.user_id(group))
    if flag(spec, "shareProcessNamespace") and flag(spec, "hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, detail)
    yield from _sysctls(spec, found, f"{path}.sysctls")
    yield from optional_of(found, "fsGroupChangePolicy", path, ("Always", "OnRootMismatch"))
    yield from _seccomp(found, f"{path}.seccompProfile")
    yield from _app_armor(found, f"{path}.appArmorProfile")
    yield from optional_of(found, "supplementalGroupsPolicy", path, ("Merge", "Strict"))
    yield from optional_of(found, "seLinuxChangePolicy", path, ("MountOption", "Recursive"))


def _sysctls(spec: Object, found: Object, path: str) -> Problems:
    seen: set[str] = set()
    for at, sysctl in indexed(found, "sysctls", path):
        name = text(sysctl, "name")
        if not name:
            yield required(f"{at}.name")
        elif len(name) > _SYSCTL_LIMIT or not re.fullmatch(_SYSCTL, name):
            yield invalid(
                f"{at}.name", name, f"must have at most {_SYSCTL_LIMIT} characters and match regex ^{_SYSCTL}$"
            )
        elif name in seen:
            yield duplicate(f"{at}.name", name)
        dotted = name.replace("/", ".")
        if flag(spec, "hostNetwork") and dotted.startswith("net."):
            yield invalid(f"{at}.name", name, "may not be specified when 'hostNetwork' is true")
        elif flag(spec, "hostIPC") and dotted.startswith(_IPC_SYSCTLS):
            yield invalid(f"{at}.name", name, "may not be specified when 'hostIPC' is true")
        seen.add(name)


def _seccomp(holder: Object, path: str) -> Problems:
    profile = holder.get("seccompProfile")
    if not isinstance(profile, dict):
        return
    kind = text(profile, "type")
    if not kind:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        yield not_supported(f"{path}.type", kind, _PROFILES)
    if kind == "Localhost":
        if not has(profile, "localhostProfile"):
            yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
        else:
            yield from local_path(text(profile, "localhostProfile"), f"{path}.localhostProfile")
    elif has(profile, "localhostProfile"):
        yield invalid(f"{path}.localhostProfile", profile, "can only be set when seccomp type is Localhost")


def _app_armor(holder: Object, path: str) -> Problems:
    profile = holder.get("appArmorProfile")
    if not isinstance(profile, dict):
        return
    kind, at = text(profile, "type"), f"{path}.localhostProfile"
    if kind == "Localhost":
        yield from _app_armor_local(profile, at)
    elif kind in _PROFILES:
        if has(profile, "localhostProfile"):
            yield invalid(at, profile["localhostProfile"], "can only be set when AppArmor type is Localhost")
    elif not kind:
        yield required(f"{path}.type", "type is required when appArmorProfile is set")
    else:
        yield not_supported(f"{path}.type", kind, _PROFILES)


def _app_armor_local(profile: Object, path: str) -> Problems:
    name = text(profile, "localhostProfile")
    if name != name.strip():
        yield invalid(path, name, "must not be padded with whitespace")
    elif not name:
        yield required(path, "must be set when AppArmor type is Localhost")
    if len(name) > 4095:
        yield too_long(path, 4095)


_NO_WINDOWS = "cannot be set for a windows pod"
_POD_FIELDS = (
    "appArmorProfile seLinuxOptions seccompProfile fsGroup fsGroupChangePolicy sysctls runAsUser runAsGroup "
    "supplementalGroups supplementalGroupsPolicy seLinuxChangePolicy"
).split()
_CONTAINER_FIELDS = (
    "appArmorProfile seLinuxOptions seccompProfile capabilities readOnlyRootFilesystem privileged "
    "allowPrivilegeEscalation procMount runAsUser runAsGroup"
).split()


def check_os(spec: Object, path: str) -> Problems:
    """What a pod may not say because of the operating system that it names."""
    found = spec.get("os")
    if not isinstance(found, dict):
        return
    name = text(found, "name")
    if not name:
        yield required(f"{path}.os.name")
    elif name not in ("linux", "windows"):
        yield not_supported(f"{path}.os", name, ("linux", "windows"))
    elif name == "linux":
        contexts = [(f"{path}.securityContext", part(spec, "securityContext"))]
        contexts += [(f"{at}.securityContext", part(one, "securityContext")) for at, one in all_containers(spec, path)]
        for at, context in contexts:
            if has(context, "windowsOptions"):
                yield forbidden(f"{at}.windowsOptions", "windows options cannot be set for a linux pod")
    else:
        yield from _windows(spec, path)


def _windows(spec: Object, path: str) -> Problems:
    for key in ("hostUsers", "shareProcessNamespace"):
        if has(spec, key):
            yield forbidden(f"{path}.{key}", _NO_WINDOWS)
    for key in ("hostPID", "hostIPC"):
        if flag(spec, key):
            yield forbidden(f"{path}.{key}", _NO_WINDOWS)
    for key in _POD_FIELDS:
        if has(part(spec, "securityContext"), key):
            yield forbidden(f"{path}.securityContext.{key}", _NO_WINDOWS)
    for at, container in all_containers(spec, path):
        for key in _CONTAINER_FIELDS:
            if has(part(container, "securityContext"), key):
                yield forbidden(f"{at}.securityContext.{key}", _NO_WINDOWS)
