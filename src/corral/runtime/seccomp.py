"""Seccomp: which system calls a container may make.

The default profile is data (`seccomp.json`): rules that allow or refuse names, some only on an architecture, with
or without a capability, or depending on arguments. A user's profile is JSON in the form that Docker takes. Both
are compiled to the `linux.seccomp` of OCI, which knows no conditions.

The order of names in the data file is by falling number: libseccomp keeps a sorted list into which it inserts
from the front, so this order is the fastest for the runtime to compile.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from corral.errors import InvalidInput
from corral.linux import libc
from corral.linux.limits import parse_kernel

UNCONFINED, BUILTIN = "unconfined", "builtin"

_MACHINES = {
    "x86_64": "amd64",
    "i686": "x86",
    "aarch64": "arm64",
    "armv7l": "arm",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "ppc64le": "ppc64le",
    "loongarch64": "loongarch64",
}
_NATIVE = {
    **{"x86": "X86", "amd64": "X86_64", "arm": "ARM", "arm64": "AARCH64", "mips64": "MIPS64", "riscv64": "RISCV64"},
    **{"ppc": "PPC", "ppc64": "PPC64", "ppc64le": "PPC64LE", "s390": "S390", "s390x": "S390X"},
    **{"mipsel64": "MIPSEL64", "loongarch64": "LOONGARCH64"},
}


@dataclass(frozen=True)
class SeccompHost:
    """What rules may depend on. `needless` are architectures that the default profile need not name here."""

    arch: str = "amd64"
    kernel: tuple[int, int] = (6, 1)
    needless: frozenset[str] = frozenset()
    enabled: bool = True


def plan_seccomp(
    option: str, *, privileged: bool, capabilities: Collection[str], host: SeccompHost
) -> dict[str, Any] | None:
    """Pure: OCI's linux.seccomp, None for no filter. `option` is "", "unconfined", "builtin" or a profile's JSON.

    InvalidInput for a profile that cannot be used.
    """
    if option == UNCONFINED or (privileged and option in ("", BUILTIN)):
        return None
    custom = option not in ("", BUILTIN)
    if not host.enabled:
        if custom:
            raise InvalidInput("seccomp is not enabled in your kernel, cannot run a custom seccomp profile")
        return None
    if custom:
        return compile_profile(_decode(option), capabilities, host)
    return default_profile(frozenset(capabilities), host)


def check_profile(text: str) -> None:
    """Pure: raises InvalidInput for the JSON of a profile that cannot be used on any host."""
    compile_profile(_decode(text), (), SeccompHost())


def _decode(text: str) -> dict[str, Any]:
    try:
        profile = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"Decoding seccomp profile failed: {error}") from error
    if not isinstance(profile, dict):
        raise InvalidInput("Decoding seccomp profile failed: not a JSON object")
    return profile


@lru_cache(32)
def default_profile(capabilities: frozenset[str], host: SeccompHost) -> dict[str, Any]:
    """Pure (reads its own data file): the default filter for a container with these capabilities. Shared: copy
    before changing it.

    >>> def allowed(*capabilities):
    ...     rules = default_profile(frozenset(capabilities), SeccompHost())["syscalls"]
    ...     return {n for r in rules if r["action"] == "SCMP_ACT_ALLOW" and "args" not in r for n in r["names"]}
    >>> {"read", "mount"} & allowed(), {"read", "mount"} & allowed("CAP_SYS_ADMIN") == {"read", "mount"}
    ({'read'}, True)

    Of the families of sockets all are allowed but AF_ALG (38: the kernel's own ciphers) and AF_VSOCK (40: the machine
    that this one is a guest of):

    >>> rules = default_profile(frozenset(), SeccompHost())["syscalls"]
    >>> [(arg["op"], arg["value"]) for rule in rules if rule["names"] == ["socket"] for arg in rule["args"]]
    [('SCMP_CMP_LT', 38), ('SCMP_CMP_EQ', 39), ('SCMP_CMP_GT', 40)]
    """
    data = _data()
    names = [f"SCMP_ARCH_{name}" for name in data["architectures"].get(host.arch, [])]
    rules = [_oci_rule(rule) for rule in data["rules"] if _default_applies(rule, capabilities, host)]
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": data["default_errno"],
        "architectures": [name for name in names if name not in host.needless],
        "syscalls": rules,
    }


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Path(__file__).with_name("seccomp.json").read_text())
    return data


def _default_applies(rule: dict[str, Any], capabilities: Collection[str], host: SeccompHost) -> bool:
    includes = {"arches": rule.get("arches"), "caps": rule.get("caps"), "minKernel": rule.get("kernel")}
    excludes = {"arches": rule.get("without_arches"), "caps": rule.get("without_caps")}
    return _applies(includes, excludes, capabilities, host)


def _oci_rule(rule: dict[str, Any]) -> dict[str, Any]:
    if "deny" in rule:
        return {"names": rule["deny"], "action": "SCMP_ACT_ERRNO", "errnoRet": rule["errno"]}
    found: dict[str, Any] = {"names": rule["allow"], "action": "SCMP_ACT_ALLOW"}
    if "args" in rule:
        keys = ("index", "op", "value", "valueTwo")
        found["args"] = [
            {k: f"SCMP_CMP_{v}" if k == "op" else v for k, v in zip(keys, a, strict=False)} for a in rule["args"]
        ]
    return found


_COMMON = ("defaultAction", "defaultErrnoRet", "architectures", "flags", "listenerPath", "listenerMetadata")
_RULE = ("names", "action", "errnoRet", "args")


def compile_profile(profile: dict[str, Any], capabilities: Collection[str], host: SeccompHost) -> dict[str, Any] | None:
    """Pure: a profile in Docker's form as OCI's linux.seccomp; None for an empty profile. InvalidInput.

    >>> profile = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
    ...     {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
    ...     {"name": "bpf", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}}]}
    >>> compile_profile(profile, [], SeccompHost())["syscalls"]
    [{'names': ['read'], 'action': 'SCMP_ACT_ALLOW'}]
    """
    calls = _list(profile, "syscalls")
    if not profile.get("defaultAction") and not calls:
        return None
    if profile.get("architectures") and profile.get("archMap"):
        raise InvalidInput(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, "
            "use either 'architectures' or 'archMap'"
        )
    found = {key: profile[key] for key in _COMMON if profile.get(key) is not None}
    for entry in _list(profile, "archMap"):
        if entry.get("architecture") == f"SCMP_ARCH_{_NATIVE.get(host.arch)}":
            found["architectures"] = [entry["architecture"], *(entry.get("subArchitectures") or [])]
            break
    found["syscalls"] = [_custom_rule(call) for call in calls if _custom_applies(call, capabilities, host)]
    return found


def _list(parent: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = [] if parent.get(key) is None else parent[key]
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidInput(f"Decoding seccomp profile failed: {key} is not a list of objects")
    return value


def _custom_rule(call: dict[str, Any]) -> dict[str, Any]:
    if call.get("name") and call.get("names"):
        raise InvalidInput("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'")
    names = [call["name"]] if call.get("name") else call.get("names")
    if not isinstance(names, list) or not names or not call.get("action"):
        raise InvalidInput("Decoding seccomp profile failed: a rule of syscalls needs names and an action")
    return {**{key: call[key] for key in _RULE if call.get(key) is not None}, "names": names}


def _custom_applies(call: dict[str, Any], capabilities: Collection[str], host: SeccompHost) -> bool:
    return _applies(call.get("includes") or {}, call.get("excludes") or {}, capabilities, host)


def _applies(includes: dict[str, Any], excludes: dict[str, Any], have: Collection[str], host: SeccompHost) -> bool:
    """All that is included must hold, and nothing that is excluded."""
    arches, capabilities = includes.get("arches") or [], includes.get("caps") or []
    if arches and host.arch not in arches:
        return False
    if any(name not in have for name in capabilities) or not _new_enough(includes, host, True):
        return False
    if host.arch in (excludes.get("arches") or []) or any(name in have for name in excludes.get("caps") or []):
        return False
    return not _new_enough(excludes, host, False)


def _new_enough(conditions: dict[str, Any], host: SeccompHost, unsaid: bool) -> bool:
    wanted = conditions.get("minKernel")
    if wanted is None:
        return unsaid
    if not re.fullmatch(r"\d+\.\d+", str(wanted)):
        raise InvalidInput(f"Decoding seccomp profile failed: invalid kernel version: {wanted}")
    return host.kernel >= parse_kernel(str(wanted))


def machine_arch(machine: str) -> str:
    """Pure: `uname -m` in the profiles' words.

    >>> machine_arch("x86_64")
    'amd64'
    """
    return _MACHINES.get(machine, machine)


def needless_architectures(runtime: str) -> frozenset[str]:
    """Architectures that no program on this kernel can be made for, so that the default filter need not know them.

    runc compiles the filter anew at each start, and x32 costs it 3 to 6 ms; what crun compiled is kept (see `filters`).
    Most kernels are built without the x32 ABI: no x32 program can be executed there. A program that makes a bare x32
    system call all the same is killed, where it would get ENOSYS with x32 in the filter.
    """
    if runtime == "runc" and os.uname().machine == "x86_64" and not _has_x32():
        return frozenset({"SCMP_ARCH_X32"})
    return frozenset()


@cache
def _has_x32() -> bool:
    getpid = 0x40000000 | 39
    return bool(libc.syscall(ctypes.c_long(getpid)) > 0)
